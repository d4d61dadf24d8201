"""Ways by which TLS hides where it goes, known at its ClientHello: refused, for no later step sees them.

The names of DNS over HTTPS are refused so that clients fall back to the network's own resolver, which gives
no keys for Encrypted Client Hello (RFC 9849). With such keys the name in the clear is that of a front alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from policy.ja4 import SERVER_NAME
from policy.refusals import Reason, Refusal

# The extension's number (RFC 9849 section 5). Browsers also send it empty of meaning (GREASE), so that alone
# it tells nothing.
ENCRYPTED_CLIENT_HELLO = 0xFE0D


@dataclass(frozen=True, slots=True)
class Evasions:
    """What is refused: TLS without a name, these resolvers, and these names of fronts."""

    nameless: bool = True
    resolvers: tuple[str, ...] = ()
    fronts: tuple[str, ...] = ()


def refused_hello(
    names: Sequence[str],
    *,
    sni: str | None,
    connect: str | None,
    extensions: Sequence[int],
    evasions: Evasions,
) -> Refusal | None:
    """Why a TLS connection to what is no catalogued AI host may not be tunnelled; ``None`` if it may.

    ``names`` are all that it claims, canonical; ``connect`` is the one among them that its CONNECT was for.
    An address there gives way to the SNI, since the name is what is dialled; another name does not. ``sni``
    is the name as it could be read from the one of the ``extensions`` that may hold it: the server would
    read what we could not.
    """
    if extensions.count(SERVER_NAME) != (1 if sni else 0):
        return _refusal("A TLS connection has to name one host (SNI), and once.", "ambiguous-name")
    if any(name in evasions.resolvers for name in names):
        return _refusal("DNS over HTTPS is not let through; use the network's own resolver.", "doh")
    if any(name in evasions.fronts for name in names) and ENCRYPTED_CLIENT_HELLO in extensions:
        return _refusal("A connection that encrypts where it goes is not let through.", "ech")
    if evasions.nameless and all(map(_is_address, names)):
        return _refusal("A TLS connection has to name its host (SNI).", "nameless")
    if connect is not None and not _is_address(connect) and any(name != connect for name in names):
        return _refusal("The CONNECT request and the TLS in it name different hosts.", "fronting")
    return None


def unreachable() -> Refusal:
    """What is written down of a tunnel to a name that leads nowhere, or where nobody may go."""
    message = "The host that this TLS connection names could not be reached from the gateway."
    return Refusal(Reason.UPSTREAM_UNREACHABLE, message, "tunnel-reachable")


def distrusted() -> Refusal:
    """What is written down of a client that does not take our certificate: it pins its provider's, or has not
    been given the gateway's authority.
    """
    message = "The client did not take the gateway's certificate; it pins another, or does not know ours."
    return Refusal(Reason.SHADOW_ENDPOINT, message, "client-distrusts")


def _refusal(message: str, kind: str) -> Refusal:
    return Refusal(Reason.SHADOW_ENDPOINT, message, f"evasion:{kind}")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
