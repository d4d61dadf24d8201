"""One client connection's event loop: mitmproxy's, with three differences.

A hook that finishes without waiting is answered at once. mitmproxy makes a task of every hook, which then
waits for the lock that its maker holds; at eight hooks a call that is a fifth of a core's time. And a
connection whose layer has crashed is closed; mitmproxy leaves it open in an undefined state. A connection
that we close is closed only after the client has had its answer: bytes of its that nobody has read would
make the kernel answer with a reset, which takes the answer with it (RFC 9112 section 9.6).
"""

import asyncio
import logging
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from mitmproxy import connection
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, mode_servers, server
from mitmproxy.utils import asyncio_utils

# How long what a client still sends is read and dropped: in all, without a byte, and how much of it.
LINGER_S = 30.0
LINGER_IDLE_S = 3.0
LINGER_BYTES_MAX = 64 * 1024 * 1024

_VOLUME = "conduit.volume"
# Asked for each write: a flag's own arithmetic costs a microsecond.
_WRITABLE = (ConnectionState.OPEN, ConnectionState.CAN_WRITE)

# The event loop holds tasks weakly; a hook that waits is kept here until it is done.
_under_way: set[asyncio.Task[None]] = set()


@dataclass(slots=True)
class Volume:
    """Bytes that went through a connection, to the server and to the client."""

    up: int = 0
    down: int = 0


def measured(client: connection.Client) -> Volume:
    """Count what goes through this connection from now on."""
    volume = Volume()
    setattr(client, _VOLUME, volume)
    return volume


class Handler(mode_servers.ProxyConnectionHandler):
    """Runs the layers of one client connection, one event at a time."""

    async def server_event(self, event: events.Event) -> None:
        """Handle one event, and the completions of those of its hooks that did not have to wait.

        Under the lock there is no ``await``, so that events of one connection stay in order.
        """
        async with self._server_event_lock:
            self.timeout_watchdog.register_activity()
            waiting = deque((event,))
            while waiting:
                try:
                    for command in self.layer.handle_event(waiting.popleft()):
                        self._carry_out(command, waiting)
                except Exception:
                    self._crashed()

    async def handle_connection(self, connection: connection.Connection) -> None:
        """As mitmproxy's; the client's connection lingers if it is we who close it."""
        transport = self.transports[connection]
        reader, writer = transport.reader, transport.writer
        if (
            connection is not self.client
            or not isinstance(reader, asyncio.StreamReader)
            or not isinstance(writer, asyncio.StreamWriter)
        ):
            await super().handle_connection(connection)
            return
        # Stands in for a StreamWriter without being one.
        transport.writer = _KeptOpen(writer)  # type: ignore[assignment]
        try:
            await super().handle_connection(connection)
        except asyncio.CancelledError as cancelled:
            if cancelled.args == ("closed by command",):
                await _linger(reader, writer)
            raise
        finally:
            writer.close()

    def close_connection(self, connection: connection.Connection, half_close: bool = False) -> None:
        """As mitmproxy's, but once: a second order to close would end the lingering."""
        if connection is not self.client or self.client.state is not ConnectionState.CLOSED:
            super().close_connection(connection, half_close)

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Call the addons and wait; the idle timer stands still, as the chain bounds its own time."""
        with self.timeout_watchdog.disarm():
            await self.master.addons.handle_lifecycle(hook)

    def _carry_out(self, command: commands.Command, waiting: deque[events.Event]) -> None:
        if isinstance(command, commands.SendData):
            transport = self.transports.get(command.connection)
            if command.connection.state not in _WRITABLE:
                return  # a second answer, behind the one that the connection was closed with
            if transport is not None and transport.writer is not None and not transport.writer.is_closing():
                transport.writer.write(command.data)
                self._count(command)
        elif isinstance(command, commands.StartHook):
            self._start_hook(command, waiting)
        elif isinstance(command, commands.OpenConnection):
            self._open(command)
        elif isinstance(command, commands.RequestWakeup):
            self._wake_later(command)
        elif isinstance(command, commands.CloseConnection):
            if command.connection in self.transports:
                half = isinstance(command, commands.CloseTcpConnection) and command.half_close
                self.close_connection(command.connection, half)
        elif isinstance(command, commands.Log):
            self.log(command.message, command.level)
        else:
            raise TypeError(f"unexpected command: {command!r}")

    def _count(self, sent: commands.SendData) -> None:
        volume: Volume | None = getattr(self.client, _VOLUME, None)
        if volume is None:
            return
        if sent.connection is self.client:
            volume.down += len(sent.data)
        else:
            volume.up += len(sent.data)

    def _start_hook(self, hook: commands.StartHook, waiting: deque[events.Event]) -> None:
        # The loop's task factory is eager: the hook has run up to its first real wait when this returns.
        task = asyncio.get_running_loop().create_task(self.master.addons.handle_lifecycle(hook))
        if not task.done():
            _under_way.add(task)
            resting = ExitStack()
            resting.enter_context(self.timeout_watchdog.disarm())
            task.add_done_callback(lambda done: self._hook_done(done, hook, resting))
        elif hook.blocking:
            task.result()
            waiting.append(events.HookCompleted(hook))

    def _hook_done(self, task: asyncio.Task[None], hook: commands.StartHook, resting: ExitStack) -> None:
        _under_way.discard(task)
        resting.close()
        if task.cancelled() or task.exception() is not None:
            self._crashed()
        elif hook.blocking:
            completed = asyncio.get_running_loop().create_task(self.server_event(events.HookCompleted(hook)))
            if not completed.done():
                _under_way.add(completed)
                completed.add_done_callback(_under_way.discard)

    def _open(self, command: commands.OpenConnection) -> None:
        handler = asyncio_utils.create_task(
            self.open_connection(command), name="server connection handler", keep_ref=False
        )
        self.transports[command.connection] = server.ConnectionIO(handler=handler)

    def _wake_later(self, command: commands.RequestWakeup) -> None:
        task = asyncio_utils.create_task(self.wakeup(command), name="wakeup timer", keep_ref=False)
        self.wakeup_timer.add(task)

    def _crashed(self) -> None:
        self.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)
        transport = self.transports.get(self.client)
        if transport is not None and transport.handler is not None:
            transport.handler.cancel("crash")

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        """Forward what is worth it; the core speaks several times a call."""
        if level >= logging.ERROR:
            super().log(message, level, exc_info)


class _KeptOpen:
    """A stream's writer that leaves the closing to whoever lingers."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        # What each write asks for.
        self.write, self.drain, self.is_closing = writer.write, writer.drain, writer.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def close(self) -> None:
        """Nothing: closed in the end by ``Handler.handle_connection``."""


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that nothing more will come, let the answer go out, drop what still comes in."""
    transport = writer.transport
    try:
        if writer.is_closing():
            return
        writer.write_eof()
        left = LINGER_BYTES_MAX
        async with asyncio.timeout(LINGER_S) as whole:
            while left > 0:
                unsent = transport.get_write_buffer_size()
                try:
                    async with asyncio.timeout(LINGER_IDLE_S):
                        data = await reader.read(1 << 16)
                except TimeoutError:
                    if whole.expired() or not 0 < transport.get_write_buffer_size() < unsent:
                        break  # neither sends nor reads
                    continue
                if not data:
                    return
                left -= len(data)
    except (OSError, TimeoutError):
        pass  # the client has gone, or has had its time
    if transport.get_write_buffer_size():
        transport.abort()  # closing would wait for ever for somebody who does not read
