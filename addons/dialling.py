"""The last gate before a socket: only a destination that the chain let go is dialled, at a checked address.

The name is resolved here, every address is judged, and the one that was judged is dialled. TLS is verified
against the name that the policy established, never against what a client sent.
"""

import asyncio
import socket
from ipaddress import ip_address

from mitmproxy.proxy import server_hooks

from addons.configuration import Upstreams
from addons.connections import Connections
from addons.discovery import address_to
from addons.visit import Visit
from policy.destination import Destination, forbidden_address
from policy.exchange import Mode

RESOLVE_TIMEOUT_S = 5.0


class Undialable(Exception):
    """A destination that is not connected to; the text is for the caller."""


class Dialling:
    """Lets admitted exchanges out, and answers mitmproxy's ``server_connect``."""

    def __init__(self, upstreams: Upstreams, connections: Connections, own_ports: frozenset[int]) -> None:
        self._upstreams = upstreams
        self._connections = connections
        self._own_ports = own_ports

    def release(self, visit: Visit) -> None:
        """Write the destination of an admitted exchange into its request, and let it be dialled."""
        facts = self._connections.of(visit.flow.client_conn)
        request, destination = visit.flow.request, visit.destination
        if destination is None:
            raise TypeError("an exchange without a destination is not let go")
        address_to(request, self._upstreams.replaced.get(destination.host, destination))
        facts.dialable.add((request.host, request.port))
        visit.released = True

    async def connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Pin the address that will be dialled; raises ``Undialable``."""
        server = data.server
        if server.address is None:
            raise Undialable("There is nothing to connect to.")
        host, port = server.address[0], server.address[1]
        facts = self._connections.of(data.client)
        if (host, port) not in facts.dialable:
            raise Undialable("This destination was not let go by policy.")
        original = data.client.sockname[0] if facts.mode is Mode.TRANSPARENT else None
        address, dialled_port = await self._resolve(host, port, original)
        server.asked = (host, port)  # read by addons.protocol, which reuses the connection by this name
        if facts.tunnel is None:
            server.sni = host
        server.address = (address, dialled_port)

    async def _resolve(self, host: str, port: int, original: str | None) -> tuple[str, int]:
        """The address to dial. ``original`` is the one that a redirected client chose.

        It is dialled where it is one of the name's own. Then it may also be private: behind the transparent
        door a client goes where its own network lets it, but not to ourselves.
        """
        named = self._upstreams.resolve.get((host, port))
        if named is not None:
            return named
        if any(replacement.host == host and replacement.port == port for replacement in self._replacements()):
            return host if _is_address(host) else (await self._lookup(host, port))[0], port
        addresses = [host] if _is_address(host) else await self._lookup(host, port)
        if original is not None and original in addresses:
            self._check(original, port, chosen_by_client=True)
            return original, port
        for address in addresses:
            self._check(address, port, chosen_by_client=False)
        return addresses[0], port

    def _replacements(self) -> list[Destination]:
        return list(self._upstreams.replaced.values())

    def _check(self, text: str, port: int, *, chosen_by_client: bool) -> None:
        address = ip_address(text)
        problem = forbidden_address(address, self._upstreams.allowed_networks)
        if problem is None:
            return
        if chosen_by_client and not address.is_loopback and port not in self._own_ports:
            return
        raise Undialable(f"The destination is {problem}; the operator's configuration does not name it.")

    async def _lookup(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise Undialable("The name of the provider could not be looked up in time.") from error
        except OSError as error:
            raise Undialable("The name of the provider could not be looked up.") from error
        return [str(item[4][0]) for item in found]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
