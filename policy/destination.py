"""The one canonical destination of a request, and whether an address may be dialled at all.

A host name here is lower case, an IDNA A-label, without trailing dot; an address literal is in its normal
form. Nothing else in the product compares host names or decides about addresses.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# RFC 1035 section 2.3.4 and RFC 5890: a label of letters, digits, hyphens; underscores are seen in the wild.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NAME_LENGTH_MAX = 253
_PORT = re.compile(r"[0-9]{1,5}\Z")

DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidDestination(ValueError):
    """A host or authority that cannot be read in exactly one way. The text says which part."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes: scheme ``http`` or ``https``, canonical host, port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """``host`` or ``host:port`` as it is written in a ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def covers(pattern: str, host: str) -> bool:
    """Whether a pattern is about a canonical host; ``*.`` stands for all below it, not for itself."""
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def canonical_host(text: str) -> str:
    """The one spelling of a host; raises ``InvalidDestination`` where there could be two readings.

    Case, one trailing dot and Unicode labels (IDNA 2003 by the standard library, then checked to survive a
    round trip) are folded. Addresses must be written as RFC 3986 has them: ``2130706433``, ``0x7f.1`` and
    ``127.1`` are refused rather than guessed at.
    """
    if text.startswith("[") and text.endswith("]"):
        return str(_literal(text[1:-1], IPv6Address))
    if ":" in text:
        return str(_literal(text, IPv6Address))
    name = text.lower()
    if not name.isascii():
        name = _to_a_label(name)
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > _NAME_LENGTH_MAX or not all(_LABEL.match(label) for label in labels):
        raise InvalidDestination(f"{text!r} is not a host name")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        # The last label of a name is never numeric (RFC 3696 section 2): so this claims to be an address.
        return str(_literal(name, IPv4Address))
    return name


def _to_a_label(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise InvalidDestination(f"{name!r} is not an internationalised host name") from error


def _literal(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> IPv4Address | IPv6Address:
    try:
        if "%" in text:  # a zone means something on one machine alone (RFC 6874)
            raise ValueError
        return kind(text)
    except ValueError as error:
        raise InvalidDestination(f"{text!r} is not an address in its standard form") from error


def canonical_authority(text: str, scheme: str) -> Destination:
    """Read ``host[:port]``; user information, several hosts or a bad port raise ``InvalidDestination``."""
    host, port = text, str(DEFAULT_PORTS[scheme])
    closing = text.rfind("]")
    colon = text.rfind(":")
    if colon > closing:
        host, port = text[:colon], text[colon + 1 :]
    if not _PORT.match(port) or not 0 < int(port) < 65536:
        raise InvalidDestination(f"{text!r} has no valid port")
    if closing >= 0 and not host.startswith("["):
        raise InvalidDestination(f"{text!r} is not a host")
    if ":" in host and closing < 0:
        raise InvalidDestination(f"{text!r} is not a host: an IPv6 address stands in brackets")
    return Destination(scheme, canonical_host(host), int(port))


# Ranges of the IANA special-purpose registries that hide another address inside.
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
# Instance metadata of the large clouds, named because it is worth most to an attacker.
_METADATA = (ip_address("169.254.169.254"), ip_address("fd00:ec2::254"), ip_address("100.100.100.200"))


def forbidden_address(
    address: IPv4Address | IPv6Address, allowed: tuple[IPv4Network | IPv6Network, ...] = ()
) -> str | None:
    """Why this address must not be dialled, or ``None``. ``allowed`` are networks that the operator names.

    Embedded IPv4 addresses (mapped, NAT64, 6to4, Teredo) are judged as what they lead to, and refused: no
    provider is reached that way.
    """
    if any(address.version == network.version and address in network for network in allowed):
        return None
    if address in _METADATA:
        return "a cloud's instance metadata service"
    if isinstance(address, IPv6Address) and (
        address.ipv4_mapped or any(address in net for net in (_NAT64, _SIX_TO_FOUR, _TEREDO))
    ):
        return "an IPv4 address inside an IPv6 address"
    if not address.is_global or address.is_multicast:
        return "a private, loopback, link-local or reserved address"
    return None
