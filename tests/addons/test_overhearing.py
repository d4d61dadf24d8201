"""An answer gives away what its question did not; it is passed on byte for byte, at once."""

import asyncio
import gzip
import json

import httpx
import pytest

from tests.addons.running import Running
from tests.standins.answers import Answer, Gate
from tests.standins.sessions import TEXT, Peer, dial, handshake

HOST = "llm.example"
CHAT = {
    "id": "1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
STREAM = (
    b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n',
    b"data: [DONE]\n\n",
)
EVENTS = (("content-type", "text/event-stream"),)
ORDINARY = {"items": [{"id": 7, "name": "a chair", "price": 80}], "total": 1}


async def ask(gateway: Running, path: str = "/relay", body: object = None) -> httpx.Response:
    async with gateway.client(proxied=True) as client:
        return await client.post(f"http://{HOST}{path}", json=body or {"text": "say hi", "to": "all"})


async def ended(gateway: Running) -> list[dict]:
    """Every event of an ended exchange, once no exchange is open."""
    async with asyncio.timeout(5):
        while gateway.engine.chain.calls_in_flight:
            await asyncio.sleep(0.01)
    return [event for event in gateway.events() if "outcome" in event]


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json(200, CHAT),
        Answer(200, EVENTS, STREAM),
        Answer(
            200,
            (("content-type", "application/json"), ("content-encoding", "gzip")),
            (gzip.compress(json.dumps(CHAT).encode()),),
        ),
    ],
    ids=["json", "events", "gzip"],
)
async def test_an_answer_of_an_ai_lists_a_host_whose_question_said_nothing(gateway: Running, answer):
    gateway.provider.play(HOST, answer)
    received = await ask(gateway)
    assert received.status_code == 200
    (event,) = await ended(gateway)
    assert (event["host"], event["verdict"], event["status"]) == (HOST, "ai", 200)
    assert event["score"] >= 60
    assert event["evidence"]
    assert event["endpoint_state"] == "monitored"
    assert event["bytes_down"] > 0


async def test_an_ordinary_answer_to_an_ordinary_question_is_not_recorded(gateway: Running):
    gateway.provider.play(HOST, Answer.json(200, ORDINARY))
    assert (await ask(gateway)).json() == ORDINARY
    assert await ended(gateway) == []


async def test_a_suspicion_becomes_a_verdict_by_the_answer(gateway: Running):
    body = {"model": "m", "prompt": "write a poem about the sea", "temperature": 0.2}
    gateway.provider.play(HOST, Answer.json(404, {"detail": "no"}), Answer.json(200, CHAT))
    await ask(gateway, "/run", body)
    (suspected,) = await ended(gateway)
    await ask(gateway, "/run", body)
    _, proven = await ended(gateway)
    assert (suspected["verdict"], proven["verdict"]) == ("suspect", "ai")
    assert set(suspected["evidence"]) < set(proven["evidence"])


async def test_a_stream_is_passed_on_as_it_comes(gateway: Running):
    gate = Gate()
    gateway.provider.play(HOST, Answer(200, EVENTS, STREAM, gate=gate, gate_before=1))
    async with gateway.client(proxied=True) as client, client.stream("GET", f"http://{HOST}/feed") as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks) == STREAM[0]
        gate.open()
        assert b"".join([chunk async for chunk in chunks]) == STREAM[1]


async def test_what_is_no_text_is_not_kept_and_passes_whole(gateway: Running):
    picture = bytes(range(256)) * 4000
    gateway.provider.play(HOST, Answer(200, (("content-type", "image/png"),), (picture,)))
    async with gateway.client(proxied=True) as client:
        assert (await client.get(f"http://{HOST}/chair.png")).content == picture
    assert await ended(gateway) == []


async def test_an_answer_is_listened_to_no_longer_than_its_beginning(gateway: Running):
    filler = b": " + b"x" * 200_000 + b"\n\n"
    gateway.provider.play(HOST, Answer(200, EVENTS, (filler, *STREAM)))
    assert (await ask(gateway)).content == filler + b"".join(STREAM)
    assert await ended(gateway) == []


TURN = {"model": "ours-7b", "messages": [{"role": "user", "content": "hello"}], "stream": True}
CHUNK = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "hi"}}]}
REMARK = {"type": "message", "channel": "C1", "user": "ada", "text": "hello team", "ts": "1.5"}


@pytest.mark.parametrize(("said", "answered", "verdict"), [(TURN, CHUNK, "ai"), (REMARK, REMARK, None)])
async def test_the_first_messages_of_a_session_give_its_host_away(launched, said, answered, verdict):
    async def behave(peer: Peer) -> None:
        peer.accept()
        await peer.hear()
        peer.send(TEXT, json.dumps(answered))
        await peer.drain_to_end()

    async with launched(behave) as (gateway, _):
        client = await dial(gateway.ports["proxy"], handshake("http://chat.example/ws", "chat.example"))
        client.send(TEXT, json.dumps(said))
        assert await client.hear() == (TEXT, json.dumps(answered))
        client.close()
        client.writer.close()
        (event,) = await ended(gateway)
    assert event.get("verdict") == verdict
    assert event["bytes_up"] > 0 < event["bytes_down"]
