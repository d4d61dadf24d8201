"""How long anything may take that mitmproxy waits for without end: heads, connections, first bytes.

Each deadline is one timer of the event loop; when it fires, the connection that is late is closed, and what
depended on it ends as any other broken connection does.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mitmproxy import connection
from mitmproxy.proxy import mode_servers, server

from addons.configuration import Configuration
from addons.visit import Visit


class Deadlines:
    """Arms and disarms. ``handlers`` is mitmproxy's own table of client connections, by id."""

    def __init__(self, configuration: Configuration) -> None:
        self.head_timeout_s = configuration.bounds.head_timeout_s
        self._upstreams = configuration.upstreams
        self._timers: dict[tuple[str, object], asyncio.TimerHandle] = {}
        self.handlers: Mapping[tuple[Any, ...] | str, mode_servers.ProxyConnectionHandler] = {}
        self.idle_timeout_s = configuration.bounds.idle_timeout_s
        self.head_late: Callable[[connection.Client], None] = lambda _: None
        self._begun: set[str] = set()

    def await_head(self, client: connection.Client) -> None:
        """A client has connected: its first whole request head, or TLS tunnel, is awaited."""
        self._arm("head", client.id, self.head_timeout_s, client, client)

    def head_begun(self, client: connection.Client) -> None:
        """Its first bytes have come; of a later head on a kept connection, they begin its time."""
        self._begun.add(client.id)
        if ("head", client.id) not in self._timers:
            self._disarm("idle", client.id)
            self.await_head(client)

    def head_came(self, client: connection.Client) -> None:
        """It came, or the client went."""
        self._begun.discard(client.id)
        self._disarm("head", client.id)
        self._disarm("idle", client.id)

    def await_call(self, client: connection.Client) -> None:
        """No call is under way on a connection that is kept: the next one is awaited."""
        self._disarm("idle", client.id)
        self._arm("idle", client.id, self.idle_timeout_s, client, client)

    def await_connection(self, client: connection.Client, server: connection.Server) -> None:
        """A provider is being connected to."""
        self._arm("connect", server.id, self._upstreams.connect_timeout_s, client, server)

    def connected(self, server: connection.Server) -> None:
        """It answered, or failed by itself."""
        self._disarm("connect", server.id)

    def await_answer(self, visit: Visit) -> None:
        """A request has left: the first byte of its answer is awaited."""
        key = ("answer", visit.exchange.id)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(self._upstreams.first_byte_timeout_s, self._too_late, key, visit)

    def answered(self, visit: Visit) -> None:
        """It came, or nothing will."""
        self._disarm("answer", visit.exchange.id)

    def end(self, client_id: str) -> None:
        """Close a client's connection now, and what depends on it."""
        handler = self.handlers.get(client_id)
        transport = handler.transports.get(handler.client) if handler is not None else None
        if transport is not None and transport.handler is not None:
            transport.handler.cancel("ended")

    def _arm(
        self, kind: str, name: str, delay_s: float, client: connection.Client, late: connection.Connection
    ) -> None:
        key = (kind, name)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(delay_s, self._close, key, client, late)

    def _disarm(self, kind: str, name: object) -> None:
        timer = self._timers.pop((kind, name), None)
        if timer is not None:
            timer.cancel()

    def _too_late(self, key: tuple[str, object], visit: Visit) -> None:
        visit.timed_out = True
        self._close(key, visit.flow.client_conn, visit.flow.server_conn)

    def _close(self, key: tuple[str, object], client: connection.Client, late: connection.Connection) -> None:
        self._timers.pop(key, None)
        handler = self.handlers.get(client.id)
        transport = handler.transports.get(late) if handler else None
        if key[0] == "idle" and _is_writing(transport):
            self.await_call(client)  # its last answer is still on its way
            return
        if key[0] == "head" and client.id in self._begun:
            self.head_late(client)
        if transport is not None and transport.handler is not None:
            transport.handler.cancel("too late")


def _is_writing(transport: server.ConnectionIO | None) -> bool:
    socket = getattr(transport.writer, "transport", None) if transport is not None else None
    return isinstance(socket, asyncio.WriteTransport) and socket.get_write_buffer_size() > 0
