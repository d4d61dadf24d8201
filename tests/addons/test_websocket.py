"""WebSocket sessions through the real data plane: the handshake, what passes, and how it ends."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import h2.config
import h2.connection
import h2.events
import pytest
import pytest_asyncio
from h2.settings import SettingCodes

from policy.exchange import EndpointState
from policy.snapshot import EndpointRule, TenantNetwork
from tests.addons.running import REAL_KEY, Running, running, with_rules
from tests.builders import a_snapshot
from tests.standins.sessions import (
    BINARY,
    CLOSE,
    GONE,
    PING,
    PONG,
    TEXT,
    Behaviour,
    Peer,
    SessionStandIn,
    dial,
    echo,
    frame,
    handshake,
    session_stand_in,
)

HOSTS = ("api.openai.com", "chat.example")
CLEAR = '{"type":"input_audio_buffer.clear"}'
REALTIME = "/openai/v1/realtime?model=gpt-realtime"


@pytest.fixture
def launched(short_path, valkey_url, provider):
    """Start a gateway before a provider that behaves so."""

    @contextlib.asynccontextmanager
    async def launch(behave: Behaviour, **settings) -> AsyncIterator[tuple[Running, SessionStandIn]]:
        async with session_stand_in(provider.authority, behave) as there:
            upstream = there.upstream(provider.authority, *HOSTS)
            async with running(short_path, valkey_url, provider, upstream=upstream, **settings) as gateway:
                yield gateway, there

    return launch


@pytest_asyncio.fixture
async def echoing(launched):
    async with launched(echo) as both:
        yield both


async def open_realtime(gateway: Running, *lines: str, target: str = REALTIME) -> Peer:
    place = f"authorization: Bearer {gateway.placeholder}"
    return await dial(gateway.ports["gateway"], handshake(target, "gateway.test", place, *lines))


async def refused(client: Peer) -> str:
    """The reason with which a session was cut."""
    closing = (await client.hear_until(CLOSE))[-1]
    assert closing[0] == CLOSE
    return closing[1][1].split(": ")[1]


async def ended(gateway: Running) -> dict:
    while "outcome" not in (event := gateway.events()[-1]):
        await asyncio.sleep(0.01)
    return event


def change(gateway: Running, **changed) -> None:
    """The policy in force, with every placeholder so changed."""
    policy = gateway.snapshots.current
    held = {digest: replace(each, **changed) for digest, each in policy.placeholders.items()}
    gateway.snapshots.current = replace(policy, placeholders=held)


# Passing


async def test_a_session_opens_with_the_real_key_and_its_messages_pass(echoing):
    gateway, there = echoing
    client = await open_realtime(gateway)
    assert client.status == 101
    assert client.headers["x-conduit-request-id"]
    assert there.peers[0].headers["authorization"] == f"Bearer {REAL_KEY}"
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)
    client.close(1000, "done")
    assert await client.hear() == (CLOSE, (1000, "done"))
    assert (await client.hear())[0] == GONE
    event = await ended(gateway)
    assert (event["outcome"], event["status"], event["close_code"]) == ("finished", 101, 1000)
    assert (event["messages_up"], event["messages_down"]) == (1, 1)
    assert event["bytes_up"] > len(CLEAR) < event["bytes_down"]


async def open_through_the_proxy(gateway: Running) -> Peer:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    await writer.start_tls(gateway.trusted(), server_hostname="api.openai.com")
    client = Peer(reader, writer, is_client=True)
    place = f"authorization: Bearer {gateway.placeholder}"
    client.raw(handshake("/v1/realtime?model=gpt-realtime", "api.openai.com", place))
    await client.read_head()
    return client


async def test_a_session_opens_through_the_proxy(echoing):
    gateway, there = echoing
    client = await open_through_the_proxy(gateway)
    client.send(TEXT, CLEAR)
    assert (client.status, await client.hear()) == (101, (TEXT, CLEAR))
    assert REAL_KEY in there.peers[0].head


async def test_a_revoked_placeholder_closes_a_silent_session_within_a_tunnel(echoing):
    gateway, _ = echoing
    client = await open_through_the_proxy(gateway)
    change(gateway, revoked=True)
    assert await refused(client) == "placeholder_revoked"


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


async def test_pings_go_end_to_end(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    client.send(PING, b"are you there")
    assert await client.hear() == (PONG, b"are you there")


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


async def test_a_websocket_to_what_is_no_ai_passes_byte_for_byte(echoing):
    gateway, there = echoing
    compressed = frame(TEXT, b"\xcaH\xcd\xc9\xc9\x07\x00", rsv=4, mask=True)
    request = handshake(
        "http://chat.example/room", "chat.example", "sec-websocket-extensions: permessage-deflate"
    )
    client = await dial(gateway.ports["proxy"], request)
    assert client.status == 101
    assert there.peers[0].headers["sec-websocket-extensions"] == "permessage-deflate"
    client.raw(frame(PING, b"x", mask=True))
    assert await client.hear() == (PONG, b"x")
    client.raw(compressed)
    (visit,) = gateway.engine.chain._connections.open_visits()
    assert (await client.hear())[0] == GONE  # the stand-in takes no compression, as it saw the reserved bit
    assert (visit.exchange.bytes_up, visit.exchange.outcome.value) == (7 + len(compressed), "finished")


async def test_a_session_at_a_host_that_only_its_traffic_gives_away_is_one(echoing):
    """Monitored, as unknown AI is by default: it goes with its own key, inspected and recorded."""
    gateway, there = echoing
    (tenant,) = gateway.snapshots.current.tenants.values()
    home = TenantNetwork(tenant.id, ip_network("127.0.0.0/8"))
    gateway.snapshots.current = a_snapshot(tenants=[tenant], networks=[home])
    own = "authorization: Bearer sk-proj-0123456789abcdefghijkl"
    offered = "sec-websocket-extensions: permessage-deflate"
    request = handshake("http://chat.example/v1/realtime", "chat.example", own, offered)
    client = await dial(gateway.ports["proxy"], request)
    assert client.status == 101
    assert "sec-websocket-extensions" not in there.peers[0].headers
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)
    client.close()
    event = await ended(gateway)
    assert (event["host"], event["verdict"], event["operation"]) == ("chat.example", "ai", "realtime")
    assert (event["messages_up"], event["outcome"]) == (1, "finished")


# Handshakes that are refused


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


# Answers to a handshake


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


# Messages that are refused


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("not json", "request_malformed"),
        ('{"type":"a","type":"session.update"}', "request_malformed"),
        ('["a list"]', "request_malformed"),
        ('{"type":"session.update","session":{"model":["gpt"]}}', "request_malformed"),
        ('{"type":"session.update","session":{"tools":[{"authorization":"sk-proj-0123456789abcdefghijkl"}]}}',
         "unvaulted_key"),
    ],
    ids=["text", "twice", "list", "model", "key"],
)  # fmt: skip
async def test_a_message_that_may_not_leave_ends_the_session(launched, message, reason):
    heard = asyncio.Queue()

    async def listen(peer: Peer) -> None:
        peer.accept()
        heard.put_nowait(await peer.hear())

    async with launched(listen) as (gateway, _):
        client = await open_realtime(gateway)
        client.send(TEXT, message)
        assert await refused(client) == reason
        assert (await heard.get())[0] == CLOSE
        event = await ended(gateway)
        assert (event["outcome"], event["reason"]) == ("cut", reason)


async def test_a_placeholder_in_a_message_stays_here(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    client.send(
        TEXT, json.dumps({"type": "session.update", "session": {"instructions": gateway.placeholder}})
    )
    assert await refused(client) == "placeholder_misused"


async def test_a_model_that_the_placeholder_is_not_for_is_refused_within_the_session(echoing):
    gateway, _ = echoing
    change(gateway, models=frozenset({"gpt-realtime"}))
    client = await open_realtime(gateway)
    client.send(TEXT, '{"type":"session.update","session":{"model":"gpt-realtime"}}')
    assert (await client.hear())[0] == TEXT
    client.send(TEXT, '{"type":"session.update","session":{"model":"gpt-4o-realtime-preview"}}')
    assert await refused(client) == "placeholder_misused"


# What is too much


async def test_a_message_of_100_megabytes_is_cut_off_at_the_bound(launched):
    async with launched(echo, limits={"message_bytes_max": 1 << 20}) as (gateway, _):
        client = await open_realtime(gateway)
        piece = b"\x00" * (1 << 16)  # masked by zeroes: as it is
        client.raw(bytes([0x81, 0xFF]) + (100_000_000).to_bytes(8) + bytes(4))
        with contextlib.suppress(ConnectionError):
            for _ in range(100_000_000 // len(piece)):
                client.raw(piece)
                await client.writer.drain()
                if "outcome" in gateway.events()[-1]:
                    break
        found = await client.hear_until(CLOSE)
        assert found[-1] in ((CLOSE, (1009, "")), (GONE, None))
        event = await ended(gateway)
        assert (event["reason"], event["close_code"]) == ("request_too_large", 1009)
        assert event["bytes_up"] < 4 << 20


async def test_a_compressed_message_is_a_protocol_error(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    client.send(TEXT, b"\x00" * 100, rsv=4)
    assert await client.hear() == (CLOSE, (1002, ""))


async def test_a_flood_of_pings_ends_the_session(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    client.raw(frame(PING, mask=True) * 300)
    assert (await client.hear_until(CLOSE))[-1] == (CLOSE, (1008, ""))


# The key


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING], ids=["text", "binary", "ping"])
async def test_a_key_that_a_provider_echoes_is_scrubbed(launched, opcode):
    async def tell(peer: Peer) -> None:
        peer.accept()
        peer.send(opcode, f'{{"said":"{REAL_KEY}"}}')
        peer.close(1000, REAL_KEY)
        await peer.drain_to_end()

    async with launched(tell) as (gateway, _):
        client = await open_realtime(gateway)
        found = repr(await client.hear_until(CLOSE))
        assert "*" * len(REAL_KEY) in found
        assert REAL_KEY not in found


async def test_a_key_that_comes_in_fragments_is_scrubbed(launched):
    async def tell(peer: Peer) -> None:
        peer.accept()
        peer.send(TEXT, f'{{"said":"{REAL_KEY[:9]}', fin=False)
        peer.send(0, f'{REAL_KEY[9:]}"}}')
        await peer.hear()

    async with launched(tell) as (gateway, _):
        client = await open_realtime(gateway)
        assert await client.hear() == (TEXT, f'{{"said":"{"*" * len(REAL_KEY)}"}}')


# Ends


async def test_a_provider_that_goes_without_a_word_is_told_to_the_client(launched):
    async def go(peer: Peer) -> None:
        peer.accept()

    async with launched(go) as (gateway, _):
        client = await open_realtime(gateway)
        assert (await client.hear())[1][0] == 1011
        assert (await ended(gateway))["outcome"] == "aborted_by_provider"


async def test_a_client_that_goes_without_a_word_is_told_to_the_provider(launched):
    heard = asyncio.Queue()

    async def listen(peer: Peer) -> None:
        peer.accept()
        heard.put_nowait(await peer.hear())

    async with launched(listen) as (gateway, _):
        client = await open_realtime(gateway)
        client.writer.close()
        assert await heard.get() == (CLOSE, (1001, ""))
        assert (await ended(gateway))["outcome"] == "aborted_by_client"


async def test_a_providers_close_reaches_the_client(launched):
    async def close(peer: Peer) -> None:
        peer.accept()
        peer.close(4001, "session expired")
        await peer.drain_to_end()

    async with launched(close) as (gateway, _):
        client = await open_realtime(gateway)
        assert await client.hear() == (CLOSE, (4001, "session expired"))


async def test_a_revoked_placeholder_closes_a_session_in_which_both_are_silent(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    change(gateway, revoked=True)
    event, closing = (await client.hear_until(CLOSE))[-2:]
    assert json.loads(event[1])["error"]["code"] == "placeholder_revoked"
    assert closing[1][0] == 1008
    event = await ended(gateway)
    assert (event["outcome"], event["reason"]) == ("cut", "placeholder_revoked")


async def test_a_policy_that_changes_something_else_leaves_a_session_open(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    gateway.snapshots.current = replace(gateway.snapshots.current, version=2)
    (visit,) = gateway.engine.chain._connections.open_visits()
    while visit.judged_by is not gateway.snapshots.current:
        await asyncio.sleep(0.01)
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)


@pytest.mark.parametrize(
    ("state", "reason"), [(EndpointState.BLOCKED, "shadow_endpoint"), (EndpointState.MONITORED, None)]
)
async def test_an_endpoint_that_is_blocked_meanwhile_closes_its_sessions(echoing, state, reason):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    (visit,) = gateway.engine.chain._connections.open_visits()
    rule = EndpointRule(None, "api.openai.com", state)
    gateway.snapshots.current = with_rules(gateway.snapshots.current, rule)
    if reason is not None:
        assert await refused(client) == reason
        return
    while visit.judged_by is not gateway.snapshots.current:
        await asyncio.sleep(0.01)
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)


async def test_a_placeholder_that_expires_closes_its_session(echoing):
    gateway, _ = echoing
    change(gateway, expires_at=datetime.now(UTC) + timedelta(seconds=1))
    client = await open_realtime(gateway)
    assert (client.status, await refused(client)) == (101, "placeholder_expired")


async def test_a_policy_that_is_too_old_closes_a_session(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    gateway.snapshots.age_s = 1_000
    assert await refused(client) == "degraded"


async def test_a_session_in_which_nobody_says_anything_is_closed(launched):
    async with launched(echo, limits={"session_idle_timeout_s": 0.2}) as (gateway, _):
        client = await open_realtime(gateway)
        assert await refused(client) == "upstream_timeout"


async def test_a_session_ends_at_its_next_pause_when_the_gateway_restarts(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    draining = asyncio.ensure_future(gateway.engine.drain(20))
    closing = (await client.hear_until(CLOSE))[-1]
    assert (closing[1][0], closing[1][1].split(": ")[1]) == (1013, "degraded")
    client.close()
    assert await draining


@pytest.mark.parametrize("name", ["inspection", "admission", "metering", "redaction"])
async def test_a_step_that_fails_at_a_message_ends_the_session(echoing, monkeypatch, name):
    gateway, _ = echoing

    async def fail(*_):
        raise RuntimeError(REAL_KEY)

    step = next(step for step in gateway.engine.chain.steps if step.name == name)
    client = await open_realtime(gateway)
    monkeypatch.setattr(type(step), "message", fail)
    client.send(TEXT, CLEAR)
    assert await refused(client) == "internal"


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
    with contextlib.suppress(ConnectionError, ssl.SSLError):
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
