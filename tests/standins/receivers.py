"""Receivers of alerts on loopback: an HTTP server, syslog servers, a mail server. Real sockets, real TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOCAL = "127.0.0.1"


@dataclass
class Receiver:
    """What has come. ``received`` holds whole requests or messages; ``arrived`` is set at each."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, data: bytes) -> None:
        self.received.append(data)
        self.arrived.set()

    @property
    def address(self) -> str:
        return f"{LOCAL}:{self.port}"


@asynccontextmanager
async def web(
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Answers each request with ``answer`` and closes; with an empty one it never answers."""
    receiver = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        receiver.take(head + await reader.readexactly(length))
        if answer:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    async with _served(receiver, serve, tls):
        yield receiver


@asynccontextmanager
async def syslog_stream(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Reads frames by octet counting, and closes when the sender does."""
    receiver = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = await reader.readuntil(b" ")
        receiver.take(await reader.readexactly(int(length)))
        await reader.read()
        writer.close()

    async with _served(receiver, serve, tls):
        yield receiver


@asynccontextmanager
async def syslog_datagrams() -> AsyncIterator[Receiver]:
    """Takes each datagram as a message."""
    receiver = Receiver()

    class Take(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            receiver.take(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Take, local_addr=(LOCAL, 0))
    receiver.port = transport.get_extra_info("sockname")[1]
    yield receiver
    transport.close()


@asynccontextmanager
async def mail(
    tls: ssl.SSLContext, password: bytes, *, refused: str = "", implicit: bool = False
) -> AsyncIterator[Receiver]:
    """Takes mail after STARTTLS, or within TLS from the first byte, and a sign-in; answers ``refused``."""
    receiver = Receiver()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            receiver.take(envelope.original_content or b"")
            return refused or "250 taken"

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> Any:
        return AuthResult(success=data.password == password, handled=False)

    controller = UnthreadedController(
        Handler(),
        hostname=LOCAL,
        port=0,
        loop=asyncio.get_running_loop(),
        tls_context=None if implicit else tls,
        require_starttls=not implicit,
        auth_required=True,
        auth_require_tls=not implicit,  # it does not know of the TLS that it is in
        authenticator=authenticate,
    )
    outer = tls if implicit else None
    server = await asyncio.get_running_loop().create_server(controller.factory, LOCAL, 0, ssl=outer)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@asynccontextmanager
async def _served(receiver: Receiver, serve: Any, tls: ssl.SSLContext | None) -> AsyncIterator[None]:
    server = await asyncio.start_server(serve, LOCAL, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
