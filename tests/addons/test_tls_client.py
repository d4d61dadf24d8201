"""What the ClientHello of a real client tells stands in the events of what it did."""

import asyncio
import ssl
from typing import Any

import pytest

from policy.ja4 import ja4, read_hello
from tests.addons.running import Running, running
from tests.addons.test_discovery import head, through_tunnel
from tests.addons.test_metering import wait_for_end
from tests.standins.hello import SERVER_NAME, hello, records, server_name
from tests.standins.wire import certificate, connect


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


async def tunnelled(gateway: Running, host: str, message: bytes | None = None) -> dict[str, Any]:
    """The event of a tunnel in which Python, or else ``message``, speaks TLS."""
    proxy = gateway.proxy
    if message is None:
        shown = await asyncio.to_thread(certificate, host, 443, proxy)
        assert shown["sha256"] == gateway.provider.authority.fingerprint(host)
    else:
        with await asyncio.to_thread(connect, host, 443, proxy) as raw:
            raw.sendall(records(message))
            await asyncio.to_thread(raw.recv, 1)
    (event,) = await gateway.recorded()
    return event


async def test_a_tunnel_names_the_tls_client_that_went_through(gateway: Running) -> None:
    event = await tunnelled(gateway, "bank.example")
    assert event["ja4"].startswith("t13d18")
    assert "verdict" not in event


async def test_a_program_that_goes_to_a_telling_name_is_suspected_and_not_looked_into(
    gateway: Running,
) -> None:
    event = await tunnelled(gateway, "llm.example")
    assert (event["verdict"], event["decision"], event["score"]) == ("suspect", "allow", 40)
    assert event["evidence"] == ["the host's name says llm", "the client's TLS is a program's (Python)"]


async def test_a_browser_that_goes_to_a_telling_name_is_not_suspected(gateway: Running) -> None:
    greasing = hello([0x0A0A, 0x1301, 0x1302], [(SERVER_NAME, server_name(b"llm.example"))])
    event = await tunnelled(gateway, "llm.example", greasing)
    assert event["ja4"].startswith("t12d0201")
    assert "verdict" not in event
    assert "evidence" not in event


async def test_what_is_never_decrypted_is_never_suspected(short_path, valkey_url, provider) -> None:
    excluded = {"exclusions": ["llm.example"]}
    async with running(short_path, valkey_url, provider, discovery=excluded) as gateway:
        assert "verdict" not in await tunnelled(gateway, "llm.example")


async def test_without_tls_there_is_none(gateway: Running) -> None:
    await gateway.ask()
    assert "ja4" not in await wait_for_end(gateway)
