"""WebSocket peers that a test scripts byte by byte: a provider that is dialled, and a client that dials.

Frames are made by hand, so that they can be wrong; what comes is read by wsproto.
"""

import asyncio
import os
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from wsproto.frame_protocol import FrameProtocol, Opcode

from policy.handshake import accept_of
from tests.standins.authority import Authority

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GONE = "gone"

type Heard = tuple[int | str, Any]


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = False) -> bytes:
    """One frame, right or wrong."""
    head = bytes([fin << 7 | rsv << 4 | opcode])
    size, masked = len(payload), mask << 7
    if size < 126:
        head += bytes([masked | size])
    elif size < 1 << 16:
        head += bytes([masked | 126]) + struct.pack("!H", size)
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    repeated = (key * (size // 4 + 1))[:size]
    covered = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + key + covered.to_bytes(size, "big")


@dataclass
class Peer:
    """One side of a connection. ``is_client`` frames are masked; ``head`` is the other side's HTTP head."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_client: bool
    head: str = ""
    heard: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._frames = FrameProtocol(client=self.is_client, extensions=[])
        self._pending: list[Heard] = []
        self._parts: list[Any] = []

    @property
    def status(self) -> int:
        return int(self.head.split(" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:] if line)
        return {name.strip().lower(): value.strip() for name, _, value in lines}

    async def read_head(self) -> str:
        self.head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode("latin-1")
        return self.head

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv: int = 0) -> None:
        data = payload.encode() if isinstance(payload, str) else payload
        self.raw(frame(opcode, data, fin=fin, rsv=rsv, mask=self.is_client))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.send(CLOSE, struct.pack("!H", code) + reason.encode())

    async def hear(self, timeout_s: float = 20) -> Heard:
        """The next whole message or control frame; ``(GONE, None)`` at the connection's end."""
        while not self._pending:
            try:
                data = await asyncio.wait_for(self.reader.read(1 << 16), timeout_s)
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                return (GONE, None)
            self._take(data)
        self.heard.append(self._pending[0])
        return self._pending.pop(0)

    async def hear_until(self, opcode: int | str) -> list[Heard]:
        """Everything up to the first of this kind, or to the end."""
        found = []
        while True:
            found.append(await self.hear())
            if found[-1][0] in (opcode, GONE):
                return found

    def _take(self, data: bytes) -> None:
        self._frames.receive_bytes(data)
        for each in self._frames.received_frames():
            if each.opcode.iscontrol():
                payload = each.payload if each.opcode is Opcode.CLOSE else bytes(each.payload)
                self._pending.append((int(each.opcode), payload))
                continue
            self._parts.append(each.payload)
            if each.message_finished:
                empty: Any = "" if each.opcode is Opcode.TEXT else b""
                self._pending.append((int(each.opcode), empty.join(self._parts)))
                self._parts = []

    # The provider's part of the handshake

    def accept(self, *lines: str, status: str = "101 Switching Protocols", more: bytes = b"") -> None:
        """Answer the handshake that has come; ``more`` goes out in the same write."""
        head = [
            f"HTTP/1.1 {status}",
            "upgrade: websocket",
            "connection: Upgrade",
            f"sec-websocket-accept: {accept_of(self.headers.get('sec-websocket-key', ''))}",
            *lines,
        ]
        self.raw("\r\n".join([*head, "", ""]).encode() + more)

    async def drain_to_end(self) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while await self.reader.read(1 << 16):
                pass


type Behaviour = Callable[[Peer], Awaitable[None]]


@dataclass
class SessionStandIn:
    """A provider that behaves as scripted; ``peers`` are the connections that it has had."""

    port: int
    plain_port: int
    peers: list[Peer] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def upstream(self, authority: Authority, *hosts: str) -> dict[str, Any]:
        """The section ``upstream`` that leads ``hosts`` here."""
        resolve = {f"{host}:443": f"127.0.0.1:{self.port}" for host in hosts}
        resolve |= {f"{host}:80": f"127.0.0.1:{self.plain_port}" for host in hosts}
        return {"resolve": resolve, "ca_file": authority.ca_file}


@asynccontextmanager
async def session_stand_in(
    authority: Authority, behave: Behaviour, *, host: str = "api.openai.com"
) -> AsyncIterator[SessionStandIn]:
    """Listen with TLS and without; ``behave`` is run for each connection once its request head is there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, is_client=False)
        found.peers.append(peer)
        try:
            await peer.read_head()
            await behave(peer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        except Exception as problem:
            found.faults.append(problem)
        finally:
            writer.close()

    secure = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.context(host))
    plain = await asyncio.start_server(serve, "127.0.0.1", 0)
    found = SessionStandIn(secure.sockets[0].getsockname()[1], plain.sockets[0].getsockname()[1])
    try:
        yield found
    finally:
        secure.close()
        plain.close()


async def echo(peer: Peer) -> None:
    """What Autobahn's fuzzing client expects of a server: messages come back, pings are answered."""
    peer.accept()
    while True:
        opcode, payload = await peer.hear()
        if opcode == PING:
            peer.send(PONG, payload)
        elif opcode in (TEXT, BINARY):
            peer.send(int(opcode), payload)
        elif opcode in (CLOSE, GONE):
            if opcode == CLOSE:
                peer.close(payload[0] if payload[0] != 1005 else 1000)
            return


def handshake(target: str, host: str, *lines: str, key: str = KEY) -> bytes:
    """The request that opens a WebSocket."""
    head = [
        f"GET {target} HTTP/1.1",
        f"host: {host}",
        "upgrade: websocket",
        "connection: Upgrade",
        f"sec-websocket-key: {key}",
        "sec-websocket-version: 13",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


async def dial(port: int, request: bytes, *, tls: ssl.SSLContext | None = None, name: str = "") -> Peer:
    """Connect, send the request, and read the answer's head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name or None)
    peer = Peer(reader, writer, is_client=True)
    peer.raw(request)
    await peer.read_head()
    return peer
