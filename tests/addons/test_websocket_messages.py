"""Messages of WebSocket sessions through the real data plane: which pass, and which end it."""

import asyncio
import contextlib
import json

import pytest

from tests.addons.running import REAL_KEY
from tests.addons.sessions import CLEAR, change, ended, open_realtime, refused
from tests.standins.sessions import BINARY, CLOSE, GONE, PING, PONG, TEXT, Peer, echo, frame


async def test_pings_go_end_to_end(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    client.send(PING, b"are you there")
    assert await client.hear() == (PONG, b"are you there")


# Refused


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


# Too much


async def test_a_message_of_100_megabytes_is_cut_off_at_the_bound(launched):
    async with launched(echo, limits={"message_bytes_max": 1 << 20}) as (gateway, _):
        client = await open_realtime(gateway)
        piece = b"\x00" * (1 << 16)  # masked by zeroes: as it is
        client.raw(bytes([0x81, 0xFF]) + (100_000_000).to_bytes(8) + bytes(4))
        with contextlib.suppress(ConnectionError):  # it is cut long before all is sent
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
