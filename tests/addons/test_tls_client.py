"""What the ClientHello of a real client tells stands in the events of what it did."""

import asyncio
import ssl

import pytest

from policy.ja4 import ja4, read_hello
from tests.addons.running import Running
from tests.addons.test_discovery import head, through_tunnel
from tests.addons.test_metering import wait_for_end
from tests.standins.wire import certificate


def fingerprint(context: ssl.SSLContext, name: str) -> str:
    """Of the ClientHello that OpenSSL writes for this context, without its record and handshake headers."""
    written = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), written, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    read = read_hello(written.read()[9:])
    assert read is not None
    return ja4(read)


async def test_a_call_names_the_tls_client_that_made_it(gateway: Running) -> None:
    await through_tunnel(
        gateway, connect="api.openai.com:443", sni="api.openai.com", head=head(gateway, "api.openai.com")
    )
    event = await wait_for_end(gateway)
    assert event["ja4"] == fingerprint(ssl.create_default_context(), "api.openai.com")


async def test_a_tunnel_names_the_tls_client_that_went_through(gateway: Running) -> None:
    proxy = f"http://127.0.0.1:{gateway.ports['proxy']}"
    await asyncio.to_thread(certificate, "bank.example", 443, proxy)
    async with asyncio.timeout(5):
        while not gateway.events():
            await asyncio.sleep(0.01)
    (event,) = gateway.events()
    assert event["ja4"].startswith("t13d18")


async def test_without_tls_there_is_none(gateway: Running) -> None:
    await gateway.ask()
    assert "ja4" not in await wait_for_end(gateway)
