"""The stand-in itself: one TLS listener that is every provider (by SNI), and one for plain HTTP.

It runs in a thread of its own, so that blocking SDKs can be tested; it keeps all it was sent, byte for byte.
"""

import asyncio
import json
import os
import socket
import ssl
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import h11

from tests.standins.answers import Answer, default_answer
from tests.standins.authority import Authority
from tests.standins.realtime import Realtime
from tests.standins.sessions import Behaviour, Peer

_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the provider saw it. ``server_name`` is the SNI, ``None`` on plain HTTP."""

    server_name: str | None
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def host(self) -> str:
        return self.server_name or (self.header("host") or "").split(":")[0]

    @property
    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything that came where a provider looks for its key, without the ``Bearer``."""
        return tuple(value.removeprefix("Bearer ") for key, value in self.headers if key in _KEY_HEADERS)

    @property
    def head(self) -> str:
        """As it stood on the wire, but for the spelling of names."""
        lines = (f"{name}: {value}" for name, value in self.headers)
        return "\r\n".join((f"{self.method} {self.target} HTTP/1.1", *lines))

    @property
    def everything(self) -> bytes:
        head = "\n".join((self.target, *(f"{key}: {value}" for key, value in self.headers)))
        return head.encode("latin-1", "replace") + b"\n\n" + self.body


@dataclass(slots=True)
class Connection:
    """One accepted connection, and every plaintext byte that came on it."""

    server_name: str | None
    raw: bytearray = field(default_factory=bytearray)
    closed: threading.Event = field(default_factory=threading.Event)


class StandIn:
    """``with StandIn(authority) as provider``: TLS on ``port`` of ``address``, plain HTTP on ``plain_port``.

    ``special`` answers what a test's provider has beside its calls, such as usage reports; ``sessions`` says
    how a host speaks over WebSocket (those not named are realtime providers).
    ``namespace`` is the network namespace to listen in (a name under ``/run/netns``); the ports may be given.
    """

    def __init__(
        self,
        authority: Authority,
        address: str = "127.0.0.1",
        *,
        namespace: str | None = None,
        ports: tuple[int, int] = (0, 0),
    ) -> None:
        self.authority = authority
        self.address = address
        self.seen: list[Seen] = []
        self.connections: list[Connection] = []
        self.expired_hosts: set[str] = set()
        self.special: Callable[[Seen], Answer | None] = lambda _: None
        self.sessions: dict[str, Behaviour] = {}
        self._script: dict[str, deque[Answer]] = defaultdict(deque)
        self._namespace = namespace
        self._ports = ports
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)
        self._ready = threading.Event()
        self._arrived = threading.Condition()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(20)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def play(self, host: str, *answers: Answer) -> None:
        """Answer the next requests for ``host`` so, in order; after them the default answers go on."""
        self._script[host].extend(answers)

    def forget(self) -> None:
        """Start a new test: nothing seen, nothing planned."""
        self.seen.clear()
        self.connections.clear()
        self._script.clear()

    def wait_for(self, count: int, timeout_s: float = 10) -> list[Seen]:
        """The requests seen, once there are ``count`` of them; ``TimeoutError`` otherwise."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.seen) >= count, timeout_s):
                raise TimeoutError(f"{len(self.seen)} of {count} requests arrived")
        return list(self.seen)

    def resolve(self, *hosts: str) -> dict[str, str]:
        """The ``upstream.resolve`` entries that send ``hosts`` here."""
        found = {f"{host}:443": f"{self.address}:{self.port}" for host in hosts}
        return found | {f"{host}:80": f"{self.address}:{self.plain_port}" for host in hosts}

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        except BaseException as problem:
            self._failure = problem
            return
        finally:
            self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _listen(self) -> None:
        if self._namespace is not None:  # sockets stay in the namespace in which they were made
            enter_namespace(self._namespace)
        unnamed = self.authority.context(self.address)  # who calls without a name gets the address's own
        unnamed.sni_callback = self._choose
        secure = await asyncio.start_server(
            self._serve, self.address, self._ports[0], ssl=unnamed, backlog=1024
        )
        plain = await asyncio.start_server(self._serve, self.address, self._ports[1], backlog=1024)
        self.port = secure.sockets[0].getsockname()[1]
        self.plain_port = plain.sockets[0].getsockname()[1]
        self._servers = (secure, plain)

    def _choose(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        # `server_hostname` is the client side of it; the server is told here only.
        tls.sent_server_name = name  # type: ignore[attr-defined]
        if name is not None:
            tls.context = self.authority.context(name, name in self.expired_hosts)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        connection = Connection(getattr(tls, "sent_server_name", None))
        self.connections.append(connection)
        try:
            await self._converse(connection, reader, writer)
        except (ConnectionError, h11.ProtocolError, ssl.SSLError, asyncio.CancelledError):
            pass  # the other side's ending or nonsense is in the record
        finally:
            connection.closed.set()
            writer.close()

    async def _converse(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        while True:
            seen = await self._receive(protocol, connection, reader, writer)
            if seen is None:
                return
            with self._arrived:
                self.seen.append(seen)
                self._arrived.notify_all()
            if seen.header("upgrade") == "websocket":
                behave = self.sessions.get(seen.host) or Realtime()
                await behave(Peer(reader, writer, is_client=False, head=seen.head))
                return
            answer = self._answer(seen)
            if not await _Sender(protocol, writer, answer, head_only=seen.method == "HEAD").send():
                return
            if protocol.our_state is h11.MUST_CLOSE or protocol.their_state is h11.MUST_CLOSE:
                return
            protocol.start_next_cycle()

    async def _receive(
        self,
        protocol: h11.Connection,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Seen | None:
        request, body = None, bytearray()
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                if protocol.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    writer.write(protocol.send(go_on) or b"")
                data = await reader.read(1 << 16)
                connection.raw += data
                protocol.receive_data(data)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                headers = tuple(
                    (key.decode("latin-1"), value.decode("latin-1")) for key, value in request.headers
                )
                method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
                return Seen(connection.server_name, method, target, headers, bytes(body))
            else:
                return None

    def _answer(self, seen: Seen) -> Answer:
        planned = self._script[seen.host]
        if planned:
            return planned.popleft()
        return self.special(seen) or default_answer(seen.host, seen.target, seen.json)


class _Sender:
    """Writes one answer, chunk by chunk, with its waits and breaks."""

    def __init__(
        self, protocol: h11.Connection, writer: asyncio.StreamWriter, answer: Answer, *, head_only: bool
    ) -> None:
        self._protocol, self._writer, self._answer, self._head_only = protocol, writer, answer, head_only

    async def send(self) -> bool:
        """Whether the connection may go on afterwards."""
        answer = self._answer
        if answer.raw is not None:
            self._writer.write(answer.raw)
            await self._writer.drain()
            return False
        framing = (
            ("transfer-encoding", "chunked") if answer.streams else ("content-length", str(len(answer.body)))
        )
        self._write(h11.Response(status_code=answer.status, headers=[*answer.headers, framing]))
        for number, chunk in enumerate(() if self._head_only else answer.chunks):
            await self._before(number)
            if number == answer.reset_before:
                self._break_off()
                return False
            self._write(h11.Data(data=chunk))
            await self._writer.drain()
        self._write(h11.EndOfMessage())
        await self._writer.drain()
        return True

    async def _before(self, number: int) -> None:
        if self._answer.pause_s and number:
            await asyncio.sleep(self._answer.pause_s)
        if self._answer.gate is not None and number == self._answer.gate_before:
            await asyncio.to_thread(self._answer.gate.wait)

    def _write(self, event: h11.Event) -> None:
        data = self._protocol.send(event)
        if data:
            self._writer.write(data)

    def _break_off(self) -> None:
        """TCP RST, as a crashed provider or a load balancer does."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def enter_namespace(name: str) -> None:
    """Move the calling thread, for good, into a network namespace."""
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        os.setns(descriptor, os.CLONE_NEWNET)
    finally:
        os.close(descriptor)
