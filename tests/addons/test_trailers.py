"""Fields behind the body of an answer, as a provider of HTTP/2 sends them to a client of HTTP/2."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from tests.addons.running import REAL_KEY, running
from tests.standins.provider import StandIn

HOST = "api.openai.com"
BODY = b'{"model": "gpt-4o-mini", "max_tokens": 5, "messages": []}'
TRAILERS = [("x-echo", f"Bearer {REAL_KEY}"), ("x-conduit-reason", "forged"), ("grpc-status", "0")]

type Events = list[h2.events.Event]


async def converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    connection: h2.connection.H2Connection,
    act: Callable[[h2.events.Event], bool],
) -> None:
    """Exchange frames until ``act`` says, of an event, that it is over."""
    writer.write(connection.data_to_send())
    while data := await reader.read(1 << 16):
        over = [act(event) for event in connection.receive_data(data)]
        writer.write(connection.data_to_send())
        if any(over):
            break
    await writer.drain()


def answering(connection: h2.connection.H2Connection) -> Callable[[h2.events.Event], bool]:
    def act(event: h2.events.Event) -> bool:
        if isinstance(event, h2.events.StreamEnded):
            head = [(":status", "200"), ("content-type", "application/json")]
            connection.send_headers(event.stream_id, head)
            connection.send_data(event.stream_id, b"{}")
            connection.send_headers(event.stream_id, TRAILERS, end_stream=True)
        return isinstance(event, h2.events.ConnectionTerminated)

    return act


@asynccontextmanager
async def provider_of_http2(stand_in: StandIn) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        await converse(reader, writer, connection, answering(connection))
        writer.close()

    context = stand_in.authority.context(HOST)
    context.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        context.set_alpn_protocols(["http/1.1"])


async def asked(port: int, placeholder: str) -> Events:
    """All that comes of one call over HTTP/2."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="gateway")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    path = "/openai/v1/chat/completions"
    head = [(":method", "POST"), (":scheme", "https"), (":authority", "gateway"), (":path", path)]
    connection.send_headers(1, [*head, ("authorization", f"Bearer {placeholder}")])
    connection.send_data(1, BODY, end_stream=True)
    seen: Events = []

    def act(event: h2.events.Event) -> bool:
        seen.append(event)
        return isinstance(
            event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated
        )

    async with asyncio.timeout(10):
        await converse(reader, writer, connection, act)
    writer.close()
    return seen


@pytest.mark.usefixtures("provider")
async def test_the_key_does_not_come_back_in_a_trailer(
    short_path: Path, valkey_url: str, stand_in: StandIn
) -> None:
    async with provider_of_http2(stand_in) as port:
        upstream = {"resolve": {f"{HOST}:443": f"127.0.0.1:{port}"}, "ca_file": stand_in.authority.ca_file}
        async with running(short_path, valkey_url, stand_in, upstream=upstream) as gateway:
            seen = await asked(gateway.ports["gateway"], gateway.placeholder)
            kept = [dict(event.headers) for event in seen if isinstance(event, h2.events.TrailersReceived)]
            assert kept == [{"x-echo": f"Bearer {'*' * len(REAL_KEY)}", "grpc-status": "0"}]
            assert "key_echoed" in gateway.events()[-1]["findings"]
