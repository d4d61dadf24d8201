"""The texts in which settings name places: addresses, origins, networks, host patterns.

Each is checked and brought into one spelling when the settings are read, so nothing downstream asks again.
"""

import re
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

PORT_MAX = 65_535
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


class Address(str):
    """A host and a port in one spelling: ``host:port``, or ``[ipv6]:port``. Made by ``parse_address``."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The name or IP address, without brackets."""
        return self.rpartition(":")[0].removeprefix("[").removesuffix("]")

    @property
    def port(self) -> int:
        """The port, between 1 and 65535."""
        return int(self.rpartition(":")[2])


def parse_address(text: str) -> Address:
    """Read ``host:port`` or ``[ipv6]:port``; raises ``ValueError`` for anything else, port 0 included."""
    host, separator, port = text.strip().lower().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets, such as [::1]:8080")
    if not separator or not host or not port.isdecimal() or not port.isascii():
        raise ValueError("should be host:port, such as 127.0.0.1:8080")
    if not 0 < int(port) <= PORT_MAX:
        raise ValueError("the port should be between 1 and 65535")
    return _join(host, int(port))


def reachable(address: Address) -> Address:
    """Where somebody on this machine reaches a listener that may be bound to all addresses."""
    return _join({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port)  # noqa: S104


def _join(host: str, port: int) -> Address:
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _listen(value: object) -> Address:
    if not isinstance(value, str):
        raise ValueError("should be a text host:port, such as 127.0.0.1:8080")
    return parse_address(value)


def _network(text: str) -> str:
    return str(ip_network(text.strip()))


def _origin(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be an origin, such as https://llm.example:8443")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("an origin has no path, query or user, only scheme, host and port")
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{_join(parts.hostname, parts.port or default)}"


def _host_name(text: str) -> str:
    name = text.strip().lower().rstrip(".")
    labels = name.removeprefix("*.").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("should be a host name, or *.name for all below it")
    return name


def _secure_url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("should be a URL such as https://host.example/path, without user or password")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("should be https; http is for this machine alone")
    return text.strip()


ListenAddress = Annotated[Address, BeforeValidator(_listen), PlainSerializer(str, return_type=str)]
Resolution = Annotated[str, AfterValidator(lambda text: str(parse_address(text)))]
NetworkText = Annotated[str, AfterValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]
SecureUrl = Annotated[str, AfterValidator(_secure_url)]
HostName = Annotated[str, AfterValidator(_host_name)]
