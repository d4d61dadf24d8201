"""What WebSocket sessions cost: held before, counted while, cut when it is gone, settled once."""

import asyncio
import json
from dataclasses import replace

import pytest
from uuid_utils.compat import uuid7

from policy.identifiers import LimitId
from policy.limits import Limit, LimitKind, LimitScope
from store.limiter import LimiterUnavailable
from tests.addons.running import Running, with_limits
from tests.addons.sessions import ended, open_realtime, refused
from tests.addons.test_metering import a_budget
from tests.standins.realtime import REALTIME_USAGE, Realtime
from tests.standins.sessions import BINARY, CLOSE, TEXT, Peer

CREATE = '{"type":"response.create"}'
RESPONSES = "/openai/v1/responses"
# gpt-realtime at genai-prices' list: 64 dollars a million of its dearest output tokens.
STEP = 1024 * 64
ANSWER = 6_966


def limited(gateway: Running, limit: Limit) -> None:
    gateway.snapshots.current = with_limits(gateway.snapshots.current, limit)


async def answered(client: Peer) -> None:
    """Ask for an answer, and hear it to its end."""
    client.send(TEXT, CREATE)
    while json.loads((await client.hear())[1])["type"] != "response.done":
        pass


async def closed(gateway: Running, client: Peer) -> dict:
    client.close()
    await client.hear_until(CLOSE)
    return await ended(gateway)


async def test_reported_usage_is_what_a_session_costs(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        client = await open_realtime(gateway)
        await answered(client)
        await answered(client)
        event = await closed(gateway, client)
        assert (event["cost_micro_dollars"], event["estimated"]) == (2 * ANSWER, False)
        assert event["output_tokens"] == 2 * REALTIME_USAGE["output_tokens"]
        assert event["price_source"] == "genai-prices"


async def test_an_answer_that_cannot_be_held_does_not_begin(launched_realtime):
    there = Realtime()
    async with launched_realtime(there) as gateway:
        limited(gateway, a_budget(gateway, STEP + 1_000))
        client = await open_realtime(gateway)
        await answered(client)
        client.send(TEXT, CREATE)
        assert await refused(client) == "budget_exhausted"
        assert len(there.heard) == 1
        event = await ended(gateway)
        assert (event["outcome"], event["cost_micro_dollars"]) == ("cut", ANSWER)


async def test_what_a_session_cost_is_charged_and_the_rest_given_back(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        limited(gateway, a_budget(gateway, STEP + ANSWER + 100))
        client = await open_realtime(gateway)
        await answered(client)
        assert (await open_realtime(gateway)).status == 429  # the first one holds a step
        await closed(gateway, client)
        await gateway.limiter.drain(within_s=2)
        second = await open_realtime(gateway)
        assert second.status == 101
        second.send(TEXT, CREATE)
        assert await refused(second) == "budget_exhausted"


async def test_an_answer_without_end_is_cut_when_the_budget_is_used_up(launched_realtime):
    endless = Realtime(deltas=("word " * 200,) * 400, ends=False)
    async with launched_realtime(endless) as gateway:
        limit = a_budget(gateway, 100_000)
        limited(gateway, limit)
        client = await open_realtime(gateway)
        client.send(TEXT, CREATE)
        *_, error, closing = await client.hear_until(CLOSE)
        assert json.loads(error[1])["error"]["type"] == "insufficient_quota"
        assert closing[1][1].startswith("conduit: budget_exhausted")
        event = await ended(gateway)
        assert event["estimated"] is True
        assert limit.amount - STEP < event["cost_micro_dollars"] <= limit.amount


async def test_a_model_without_a_price_is_refused_under_a_budget(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        limited(gateway, a_budget(gateway, 10**9))
        client = await open_realtime(gateway, target="/openai/v1/realtime?model=nobody-knows-this")
        assert (client.status, client.headers["x-conduit-reason"]) == (403, "unpriced_model")


@pytest.mark.parametrize(
    ("model", "reason"),
    [("nobody-knows-this", "unpriced_model"), ("gpt-5-mini", None), (None, "unpriced_model")],
)
async def test_a_model_that_is_named_in_the_session_is_held_to_its_price(launched_realtime, model, reason):
    there = Realtime()
    async with launched_realtime(there) as gateway:
        limited(gateway, a_budget(gateway, 10**9))
        client = await open_realtime(gateway, target=RESPONSES)
        named = {"model": model} if model else {}
        client.send(TEXT, json.dumps({"type": "response.create", "input": "hi", **named}))
        if reason is None:
            assert json.loads((await client.hear())[1])["type"] == "response.created"
        else:
            assert await refused(client) == reason
            assert there.heard == []


@pytest.mark.parametrize(
    ("kind", "pattern", "reason"),
    [
        (LimitKind.REQUESTS_PER_MINUTE, "gpt-5*", "rate_limited"),
        (LimitKind.REQUESTS_PER_MINUTE, "gpt-4*", None),
        (LimitKind.INPUT_TOKENS_PER_CALL, "gpt-5*", None),
    ],
)
async def test_a_model_with_its_own_limits_is_named_at_the_handshake(
    launched_realtime, kind, pattern, reason
):
    there = Realtime()
    async with launched_realtime(there) as gateway:
        limited(gateway, replace(a_ceiling(gateway, kind, 10**6), model=pattern))
        client = await open_realtime(gateway, target=RESPONSES)
        client.send(TEXT, '{"type":"response.create","model":"gpt-5-mini","input":"hi"}')
        if reason is None:
            assert json.loads((await client.hear())[1])["type"] == "response.created"
        else:
            assert await refused(client) == reason
            assert there.heard == []


async def test_a_response_in_the_background_is_refused_in_a_session_too(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        client = await open_realtime(gateway, target=RESPONSES)
        client.send(TEXT, '{"type":"response.create","model":"gpt-5-mini","input":"hi","background":true}')
        assert await refused(client) == "request_malformed"


async def test_an_answer_that_breaks_off_is_charged_by_estimate(launched_realtime):
    async with launched_realtime(Realtime(ends=False)) as gateway:
        client = await open_realtime(gateway)
        client.send(TEXT, CREATE)
        for _ in range(4):  # session.created, response.created, two deltas
            await client.hear()
        client.writer.close()
        event = await ended(gateway)
        assert (event["outcome"], event["estimated"]) == ("aborted_by_client", True)
        assert (event["input_tokens"], event["output_tokens"]) == (9, 2)
        assert event["cost_micro_dollars"] > 0


async def test_a_protocol_that_is_not_known_is_counted_by_its_bytes(launched_realtime):
    async def unknown(peer: Peer) -> None:
        peer.accept()
        await peer.hear()
        peer.send(TEXT, "y" * 30)
        peer.send(BINARY, b"z" * 512)
        await peer.hear()

    async with launched_realtime(unknown) as gateway:
        client = await open_realtime(gateway, target="/openai/v1/anything?model=gpt-realtime")
        client.send(TEXT, "x" * 300)
        await client.hear()
        await client.hear()
        event = await closed(gateway, client)
        assert (event["operation"], event["estimated"]) == ("session", True)
        assert (event["input_tokens"], event["output_tokens"]) == (100, 10 + 2)


async def test_an_open_session_is_one_of_the_calls_at_once(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        (tenant,) = gateway.snapshots.current.tenants
        limited(gateway, Limit(LimitId(uuid7()), tenant, LimitScope.TENANT, tenant, LimitKind.CONCURRENT, 1))
        client = await open_realtime(gateway)
        second = await open_realtime(gateway)
        assert (second.status, second.headers["x-conduit-reason"]) == (429, "concurrency_limited")
        await closed(gateway, client)
        await gateway.limiter.drain(within_s=2)
        assert (await open_realtime(gateway)).status == 101


async def test_limits_that_cannot_be_checked_refuse_the_next_answer(launched_realtime, monkeypatch):
    async def away(*_, **__):
        raise LimiterUnavailable("away")

    there = Realtime()
    async with launched_realtime(there) as gateway:
        limited(gateway, a_budget(gateway, 10**9))
        client = await open_realtime(gateway)
        await answered(client)
        monkeypatch.setattr(gateway.limiter, "top_up", away)
        client.send(TEXT, CREATE)
        closing = (await client.hear_until(CLOSE))[-1]
        assert (closing[1][0], closing[1][1].split(": ")[1]) == (1013, "degraded")
        assert len(there.heard) == 1


async def test_a_session_is_settled_once_however_many_see_its_end(launched_realtime, monkeypatch):
    async with launched_realtime(Realtime()) as gateway:
        settled = []
        settle = gateway.limiter.settle
        monkeypatch.setattr(
            gateway.limiter, "settle", lambda name, **used: (settled.append(name), settle(name, **used))[1]
        )
        client = await open_realtime(gateway)
        client.close()
        client.writer.close()
        await ended(gateway)
        while gateway.engine.chain._connections.open_visits():
            await asyncio.sleep(0.01)
        assert len(settled) == 1
        assert [event.get("outcome") for event in gateway.events()][1:] == ["finished"]


def a_ceiling(gateway: Running, kind: LimitKind, amount: int) -> Limit:
    (tenant,) = gateway.snapshots.current.tenants
    return Limit(LimitId(uuid7()), tenant, LimitScope.TENANT, tenant, kind, amount)


async def test_an_answer_is_cut_at_the_output_that_one_call_may_have(launched_realtime):
    async with launched_realtime(Realtime(deltas=("word " * 20,) * 100, ends=False)) as gateway:
        limited(gateway, a_ceiling(gateway, LimitKind.OUTPUT_TOKENS_PER_CALL, 500))
        client = await open_realtime(gateway)
        client.send(TEXT, CREATE)
        assert await refused(client) == "tokens_limited"
        assert 500 < (await ended(gateway))["output_tokens"] <= 500 + 34


async def test_answers_within_the_ceiling_pass_however_many(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        limited(gateway, a_ceiling(gateway, LimitKind.OUTPUT_TOKENS_PER_CALL, 125))
        client = await open_realtime(gateway)
        for _ in range(3):
            await answered(client)
        assert (await closed(gateway, client))["outcome"] == "finished"


@pytest.mark.parametrize(("stated", "reason"), [(10_000, "tokens_limited"), (400, None)])
async def test_what_an_answer_states_is_held_to_the_ceiling(launched_realtime, stated, reason):
    there = Realtime()
    async with launched_realtime(there) as gateway:
        limited(gateway, a_ceiling(gateway, LimitKind.OUTPUT_TOKENS_PER_CALL, 500))
        client = await open_realtime(gateway, target=RESPONSES)
        asked = {"type": "response.create", "model": "gpt-5-mini", "input": "hi", "max_output_tokens": stated}
        client.send(TEXT, json.dumps(asked))
        if reason is None:
            assert json.loads((await client.hear())[1])["type"] == "response.created"
        else:
            assert await refused(client) == reason
            assert there.heard == []
