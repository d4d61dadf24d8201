"""The answer flows by unchanged and at once, is counted, and ends where the money does."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from uuid_utils.compat import uuid7

from policy.identifiers import LimitId
from policy.limits import Limit, LimitKind, LimitScope, Window
from policy.price_rules import OverridePrices, PriceRule, terms_of
from store.limiter_plan import keys_of
from tests.addons.running import Running, with_limits
from tests.standins.answers import Answer

STREAM = "openai-chat-stream"


async def wait_for_end(gateway: Running) -> dict:
    """The event of the one call, once it has ended."""
    async with asyncio.timeout(5):
        while not (ended := [event for event in gateway.events() if "outcome" in event]):
            await asyncio.sleep(0.01)
    return ended[0]


def a_budget(gateway: Running, micro_dollars: int) -> Limit:
    (tenant,) = gateway.snapshots.current.tenants
    kind, window = LimitKind.BUDGET_MICRO_DOLLARS, Window.MONTH
    return Limit(LimitId(uuid7()), tenant, LimitScope.TENANT, tenant, kind, micro_dollars, window)


def request(gateway: Running, **changed) -> dict:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    return {
        "method": "POST",
        "url": gateway.url("openai", "/v1/chat/completions"),
        "json": body | changed,
        "headers": {"authorization": f"Bearer {gateway.placeholder}"},
    }


async def test_chunks_reach_the_client_while_the_provider_holds_the_rest(gateway: Running):
    held = Answer.of(STREAM).held(before=3)
    gateway.provider.play("api.openai.com", held)
    async with gateway.client() as client, client.stream(**request(gateway)) as answer:
        first = await asyncio.wait_for(anext(answer.aiter_raw()), 5)
        assert first.startswith(b"data: ")
        assert not held.gate.opened.is_set()
        held.gate.open()


async def test_usage_is_asked_for_and_hidden_from_who_did_not_ask(gateway: Running):
    async with gateway.client() as client:
        answer = await client.request(**request(gateway))
    (seen,) = gateway.provider.wait_for(1)
    assert seen.json["stream_options"] == {"include_usage": True}
    events = [line[6:] for line in answer.text.split("\n\n") if line.startswith("data: {")]
    assert events
    assert all(json.loads(event)["choices"] for event in events)
    assert answer.text.endswith("data: [DONE]\n\n")
    event = await wait_for_end(gateway)
    assert event["output_tokens"] > 0
    assert event["estimated"] is False


async def test_usage_is_passed_on_to_who_asked(gateway: Running):
    async with gateway.client() as client:
        answer = await client.request(**request(gateway, stream_options={"include_usage": True}))
    assert '"usage":{' in answer.text.replace(" ", "")
    assert answer.content == Answer.of(STREAM).body


async def test_an_abort_by_the_client_is_settled_by_estimate(gateway: Running):
    held = Answer.of(STREAM).held(before=3)
    gateway.provider.play("api.openai.com", held)
    async with gateway.client() as client, client.stream(**request(gateway)) as answer:
        await anext(answer.aiter_raw())
    event = await wait_for_end(gateway)
    held.gate.open()
    assert (event["outcome"], event["estimated"]) == ("aborted_by_client", True)
    assert event["cost_micro_dollars"] > 0


async def test_an_abort_by_the_provider_is_settled_and_seen_as_broken(gateway: Running):
    gateway.provider.play("api.openai.com", Answer.of(STREAM).reset(before=3))
    with pytest.raises(httpx.RemoteProtocolError):
        async with gateway.client() as client:
            await client.request(**request(gateway))
    assert (await wait_for_end(gateway))["outcome"] == "aborted_by_provider"


def long_stream() -> Answer:
    """Four thousand words, one a chunk, without an end of their own."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
    data = f"data: {json.dumps({'object': 'chat.completion.chunk', 'model': 'gpt-4o-mini'} | chunk)}\n\n"
    return Answer(200, (("content-type", "text/event-stream"),), (data.encode() * 40,) * 100).slow(0.001)


async def test_a_stream_ends_as_its_protocol_ends_when_the_budget_does(gateway: Running):
    limit = a_budget(gateway, 1_000)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, limit)
    gateway.provider.play("api.openai.com", long_stream())
    async with gateway.client() as client:
        answer = await client.request(**request(gateway))
    last = [line for line in answer.text.split("\n\n") if line.startswith("data: {")][-1]
    assert "budget_exhausted" in last
    event = await wait_for_end(gateway)
    assert (event["outcome"], event["reason"]) == ("cut", "budget_exhausted")
    assert event["cost_micro_dollars"] <= limit.amount + 1024
    assert event["overshoot_micro_dollars"] <= 1024  # a step of 1,024 tokens costs 615 micro-dollars


def answering(usage: object) -> Answer:
    """One whole answer that reports this usage, whatever it may be."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    document = {"object": "chat.completion", "model": "gpt-4o-mini", "choices": [choice], "usage": usage}
    return Answer(200, (("content-type", "application/json"),), (json.dumps(document).encode(),))


@pytest.mark.parametrize(
    "count", [-1, -(2**63), float("nan"), float("inf"), 2**63, 10**400, 1e308, True, "7"]
)
async def test_numbers_that_are_none_never_credit_and_are_estimated(gateway: Running, count: object):
    budget = a_budget(gateway, 10**9)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, budget)
    usage = {"prompt_tokens": count, "completion_tokens": count, "total_tokens": count}
    gateway.provider.play("api.openai.com", answering(usage))
    assert (await gateway.ask()).status_code == 200
    event = await wait_for_end(gateway)
    assert event["estimated"] is True
    assert event["cost_micro_dollars"] > 0
    assert event["overshoot_micro_dollars"] >= 0
    assert await settled(gateway, budget) == event["cost_micro_dollars"]


async def test_what_a_provider_bills_beyond_what_was_held_is_charged_and_told(gateway: Running):
    budget = a_budget(gateway, 10**9)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, budget)
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000}
    gateway.provider.play("api.openai.com", answering(usage))
    assert (await gateway.ask()).status_code == 200
    event = await wait_for_end(gateway)
    assert event["cost_micro_dollars"] == 750_000
    assert event["overshoot_micro_dollars"] == 750_000 - event["reserved_micro_dollars"]
    assert await settled(gateway, budget) == 750_000


async def test_within_what_was_held_there_is_no_overshoot(gateway: Running):
    gateway.snapshots.current = with_limits(gateway.snapshots.current, a_budget(gateway, 10**9))
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    gateway.provider.play("api.openai.com", answering(usage))
    await gateway.ask()
    assert (await wait_for_end(gateway))["overshoot_micro_dollars"] == 0


async def settled(gateway: Running, budget: Limit) -> int:
    """What Valkey has as spent and held of the budget, once all has been settled."""
    await gateway.limiter.drain(within_s=5)
    state = await gateway.limiter._runner._together._client.hgetall(keys_of(budget.tenant_id)[0])
    (text,) = [value for name, value in state.items() if name.startswith(b"B:")]
    return sum(map(int, text.split()[:2]))


async def test_a_call_that_cannot_fit_its_budget_does_not_leave(gateway: Running):
    gateway.snapshots.current = with_limits(gateway.snapshots.current, a_budget(gateway, 10))
    answer = await gateway.ask(max_tokens=10_000)
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (429, "budget_exhausted")
    assert gateway.provider.seen == []


async def test_a_model_without_a_price_is_refused_under_a_budget(gateway: Running):
    gateway.snapshots.current = with_limits(gateway.snapshots.current, a_budget(gateway, 10**9))
    answer = await gateway.ask(model="nobody-knows-this")
    assert answer.headers["x-conduit-reason"] == "unpriced_model"


async def test_an_override_mends_a_model_without_a_price(gateway: Running):
    policy = with_limits(gateway.snapshots.current, a_budget(gateway, 10**9))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    rule = PriceRule(
        uuid7(), None, "openai", "nobody-*", since, None, prices=OverridePrices(1_000_000, 2_000_000)
    )
    gateway.snapshots.current = replace(policy, _terms={None: terms_of([rule])})
    answer = await gateway.ask(model="nobody-knows-this")
    assert answer.status_code == 200
    event = await wait_for_end(gateway)
    charged = event["input_tokens"] + 2 * event["output_tokens"]
    assert event["cost_micro_dollars"] == event["list_micro_dollars"] == charged > 0
    assert (event["price_source"], event["price_version"]) == ("operator", str(rule.id))


async def test_a_discount_is_taken_off_what_is_reserved_and_what_is_charged(gateway: Running):
    (tenant,) = gateway.snapshots.current.tenants
    policy = with_limits(gateway.snapshots.current, a_budget(gateway, 10**9))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    half = PriceRule(uuid7(), tenant, None, "*", since, None, discount=5_000)
    gateway.snapshots.current = replace(policy, _terms={None: terms_of([]), tenant: terms_of([half])})
    await gateway.ask(max_tokens=1000)
    event = await wait_for_end(gateway)
    assert event["cost_micro_dollars"] == -(-event["list_micro_dollars"] // 2) > 0
    assert event["discount_basis_points"] == 5_000
    assert event["reserved_micro_dollars"] >= event["cost_micro_dollars"]


async def test_a_rate_limit_says_when_to_come_back(gateway: Running):
    (tenant,) = gateway.snapshots.current.tenants
    kind = LimitKind.REQUESTS_PER_MINUTE
    limit = Limit(LimitId(uuid7()), tenant, LimitScope.TENANT, tenant, kind, 2)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, limit)
    answers = [await gateway.ask() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
    assert answers[2].headers["x-conduit-reason"] == "rate_limited"
    assert int(answers[2].headers["retry-after"]) > 0


async def test_an_answer_under_way_ends_when_its_placeholder_is_revoked(gateway: Running):
    held = Answer.of(STREAM).held(before=3)
    gateway.provider.play("api.openai.com", held)
    async with gateway.client() as client, client.stream(**request(gateway)) as answer:
        chunks = answer.aiter_raw()
        await asyncio.wait_for(anext(chunks), 5)
        policy = gateway.snapshots.current
        revoked = {digest: replace(held, revoked=True) for digest, held in policy.placeholders.items()}
        gateway.snapshots.current = replace(policy, placeholders=revoked)
        held.gate.open()
        rest = b"".join([chunk async for chunk in chunks])
    assert b"placeholder_revoked" in rest
    assert b"[DONE]" not in rest
    event = await wait_for_end(gateway)
    assert (event["outcome"], event["reason"]) == ("cut", "placeholder_revoked")


async def test_an_answer_under_way_goes_on_under_a_policy_that_revokes_something_else(gateway: Running):
    held = Answer.of(STREAM).held(before=3)
    gateway.provider.play("api.openai.com", held)
    async with gateway.client() as client, client.stream(**request(gateway)) as answer:
        chunks = answer.aiter_raw()
        await asyncio.wait_for(anext(chunks), 5)
        gateway.snapshots.current = replace(gateway.snapshots.current, version=2)
        held.gate.open()
        rest = b"".join([chunk async for chunk in chunks])
    assert rest.endswith(b"data: [DONE]\n\n")
