"""The provider of the benchmark: one fixed answer to every request, as fast as asyncio can write it.

python -m bench.upstream NAMED.pem UNNAMED.pem      prints its port, serves until its stdin closes

The first certificate is for callers that send a server name, the second for those that call an address.
"""

import asyncio
import ssl
import sys

from tests.standins.recordings import load

_BODY = load("openai-chat").plain
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(_BODY)).encode()
    + b"\r\n\r\n"
    + _BODY
)


class Fixed(asyncio.Protocol):
    """Finds the end of each request by ``content-length``; nothing else of HTTP is needed here."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lowered = self._buffer[:end].lower()
            start = lowered.find(b"\r\ncontent-length:")
            length = int(lowered[start + 17 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]


def _context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def serve(named: str, unnamed: str) -> None:
    context, other = _context(unnamed), _context(named)

    def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            tls.context = other

    context.sni_callback = choose
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Fixed, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
