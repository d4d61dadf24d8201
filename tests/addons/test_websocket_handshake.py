"""The handshake of a WebSocket through the real data plane: what asks for one, and what answers."""

import asyncio
import contextlib
import ssl

import h2.config
import h2.connection
import h2.events
import pytest
from h2.settings import SettingCodes

from tests.addons.running import REAL_KEY, Running
from tests.addons.sessions import CLEAR, REALTIME, ended, open_realtime
from tests.standins.sessions import TEXT, Peer, dial, frame, handshake

# What goes with it


async def test_a_key_in_the_subprotocol_is_swapped_and_the_answer_names_the_clients_own(launched):
    chosen = asyncio.Queue()

    async def choose_the_key(peer: Peer) -> None:
        offered = peer.headers["sec-websocket-protocol"].split(", ")
        chosen.put_nowait(offered)
        peer.accept(f"sec-websocket-protocol: {offered[1]}")
        await peer.hear()

    async with launched(choose_the_key) as (gateway, _):
        ours = f"openai-insecure-api-key.{gateway.placeholder}"
        request = handshake(REALTIME, "gateway.test", f"sec-websocket-protocol: realtime, {ours}, beta")
        client = await dial(gateway.ports["gateway"], request)
        assert await chosen.get() == ["realtime", f"openai-insecure-api-key.{REAL_KEY}", "beta"]
        assert client.headers["sec-websocket-protocol"] == ours
        assert REAL_KEY not in client.head


async def test_compression_is_not_offered_to_the_provider(echoing):
    gateway, there = echoing
    client = await open_realtime(gateway, "sec-websocket-extensions: permessage-deflate")
    assert client.status == 101
    assert "sec-websocket-extensions" not in there.peers[0].headers
    assert "sec-websocket-extensions" not in client.headers


async def test_frames_that_come_with_the_handshakes_answer_pass(launched):
    async def eager(peer: Peer) -> None:
        peer.accept(more=frame(TEXT, b'{"type":"session.created"}'))
        await peer.hear()

    async with launched(eager) as (gateway, _):
        client = await open_realtime(gateway)
        assert await client.hear() == (TEXT, '{"type":"session.created"}')


async def test_frames_that_come_with_the_handshake_wait_for_its_answer(echoing):
    gateway, _ = echoing
    place = f"authorization: Bearer {gateway.placeholder}"
    early = handshake(REALTIME, "gateway.test", place) + frame(TEXT, CLEAR.encode(), mask=True)
    client = await dial(gateway.ports["gateway"], early)
    assert (client.status, await client.hear()) == (101, (TEXT, CLEAR))


# Refused


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        (["upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"], "upgrade"),
        (["upgrade: websocket, foo"], "upgrade"),
        (["upgrade: foo"], "upgrade"),
        (["sec-websocket-version: 8"], "sec-websocket-version"),
        (["sec-websocket-key: c2hvcnQ="], "sec-websocket-key"),
        (["sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="], ""),
        (["connection: keep-alive"], "connection"),
        (["content-length: 3"], ""),
        (["transfer-encoding: chunked"], ""),
    ],
    ids=[
        "h2c",
        "two-protocols",
        "another",
        "version",
        "short-key",
        "two-keys",
        "connection",
        "body",
        "chunked",
    ],
)
async def test_a_handshake_that_can_be_read_in_two_ways_is_refused(echoing, lines, left_out):
    gateway, there = echoing
    request = handshake(REALTIME, "gateway.test", f"authorization: Bearer {gateway.placeholder}", *lines)
    kept = [line for line in request.decode().split("\r\n") if not left_out or line in lines
            or not line.lower().startswith(f"{left_out}:")]  # fmt: skip
    client = await dial(gateway.ports["gateway"], "\r\n".join(kept).encode() + b"abc")
    assert (client.status, client.headers["x-conduit-reason"]) == (400, "request_malformed")
    assert there.peers == []


async def test_a_post_is_no_handshake(echoing):
    gateway, there = echoing
    request = handshake(REALTIME, "gateway.test", f"authorization: Bearer {gateway.placeholder}")
    client = await dial(gateway.ports["gateway"], request.replace(b"GET", b"POST", 1))
    assert (client.status, there.peers) == (400, [])


async def test_a_handshake_without_identity_is_refused(echoing):
    gateway, there = echoing
    client = await dial(gateway.ports["gateway"], handshake(REALTIME, "gateway.test"))
    assert (client.status, client.headers["x-conduit-reason"], there.peers) == (401, "unidentified", [])


async def test_two_models_in_the_address_are_refused(echoing):
    gateway, there = echoing
    client = await open_realtime(gateway, target=f"{REALTIME}&model=gpt-4o")
    assert (client.status, there.peers) == (400, [])


async def test_what_hands_out_keys_of_the_providers_own_is_refused(gateway: Running):
    async with gateway.client() as client:
        for path in ("/v1/realtime/client_secrets", "/v1/realtime/sessions", "/v1/realtime/calls"):
            headers = {"authorization": f"Bearer {gateway.placeholder}"}
            answer = await client.post(gateway.url("openai", path), json={}, headers=headers)
            assert answer.headers["x-conduit-reason"] == "placeholder_misused"
    assert gateway.provider.seen == []


async def test_http_2_offers_no_websocket(echoing):
    """RFC 8441 is not spoken: it is never announced, and who tries it all the same is reset."""
    gateway, there = echoing
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    context = gateway.trusted()
    context.set_alpn_protocols(["h2"])
    await writer.start_tls(context, server_hostname="api.openai.com")
    protocol = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
    protocol.initiate_connection()
    protocol.send_headers(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                              (":path", "/v1/realtime"), (":authority", "api.openai.com"),
                              ("authorization", f"Bearer {gateway.placeholder}")])  # fmt: skip
    writer.write(protocol.data_to_send())
    found = []
    with contextlib.suppress(ConnectionError, ssl.SSLError):  # closed: what came until then is judged
        while data := await asyncio.wait_for(reader.read(65536), 10):
            found += protocol.receive_data(data)
            if any(
                isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated) for event in found
            ):
                break
    settings = [event for event in found if isinstance(event, h2.events.RemoteSettingsChanged)]
    announced = [event.changed_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) for event in settings]
    assert all(each is None or each.new_value == 0 for each in announced)
    assert not any(isinstance(event, h2.events.ResponseReceived) and dict(event.headers)[b":status"] == b"200"
                   for event in found)  # fmt: skip
    assert there.peers == []


# Answered


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("101 Switching Protocols", "sec-websocket-extensions: permessage-deflate"),
        ("101 Switching Protocols", "sec-websocket-protocol: unasked"),
        ("101 Switching Protocols", "sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ],
    ids=["extension", "subprotocol", "accept"],
)
async def test_a_switch_that_was_not_asked_for_is_not_passed_on(launched, status, line):
    async def wrong(peer: Peer) -> None:
        peer.accept(line, status=status, more=frame(TEXT, b"hello"))
        await peer.drain_to_end()

    async with launched(wrong) as (gateway, _):
        client = await open_realtime(gateway)
        assert (client.status, client.headers["x-conduit-reason"]) == (502, "upstream_unreachable")


async def test_a_switch_in_answer_to_a_plain_call_is_not_passed_on(launched):
    async def unasked(peer: Peer) -> None:
        peer.accept(more=frame(TEXT, b"hello"))
        await peer.drain_to_end()

    async with launched(unasked) as (gateway, _):
        answer = await gateway.ask()
        assert (answer.status_code, answer.headers["x-conduit-reason"]) == (502, "upstream_unreachable")


async def test_a_handshake_that_is_answered_as_a_plain_call_is_one(launched):
    async def plain(peer: Peer) -> None:
        peer.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        await peer.hear()

    async with launched(plain) as (gateway, _):
        client = await open_realtime(gateway)
        assert (client.status, await client.reader.readexactly(2)) == (200, b"{}")
        assert (await ended(gateway))["outcome"] == "finished"


async def test_frames_before_the_handshakes_answer_are_no_answer(launched):
    async def hasty(peer: Peer) -> None:
        peer.raw(frame(TEXT, b"hello\r\n\r\n"))
        peer.accept()
        await peer.drain_to_end()

    async with launched(hasty) as (gateway, _):
        client = await open_realtime(gateway)
        assert (client.status, client.headers["x-conduit-reason"]) == (502, "upstream_unreachable")
