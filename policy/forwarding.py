"""Where a request came from, when proxies of the organisation stand before the gateway."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from policy.snapshot import Address, Network

HOPS_MAX = 32


class UnreadableHop(ValueError):
    """A trusted proxy forwarded something that is no address."""


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address:
    """The address of a connection, read once for all of its calls; IPv4 that came as IPv6 as IPv4."""
    return plain(ip_address(text))


def plain(address: Address) -> Address:
    """An IPv4 address that came as IPv6 (``::ffff:192.0.2.1``), as IPv4; any other as it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def source_of(peer: Address, forwarded_for: str | None, trusted: tuple[Network, ...]) -> Address:
    """The address that a request came from: the peer, or, behind trusted hops, whom the nearest one names.

    ``forwarded_for`` is ``X-Forwarded-For``, each hop's addition to the right. It is read from the right as
    far as the hops are trusted: what stands further left anybody may have written. Raises ``UnreadableHop``.
    """
    source = peer
    hops = forwarded_for.split(",")[-HOPS_MAX:] if forwarded_for else []
    for text in reversed(hops):
        if not any(source in network for network in trusted):
            break
        source = _hop(text.strip())
    return source


def _hop(text: str) -> Address:
    """An address, perhaps with a port, as load balancers write them."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError as error:
        raise UnreadableHop("a hop is no IP address") from error
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise UnreadableHop("a hop is an address of another machine's own link")
    return plain(address)
