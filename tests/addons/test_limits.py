"""Limits as a caller meets them: of teams and models, over windows, and of each call."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from policy.identifiers import LimitId
from policy.limits import Crossed, Limit, LimitKind, LimitScope, Window
from store.limiter_plan import keys_of
from tests.addons.running import Running, with_limits
from tests.addons.test_metering import long_stream, request, wait_for_end


def set_limit(gateway: Running, kind: LimitKind, amount: int, **changed: Any) -> Limit:
    """Put one limit of the tenant in force."""
    (tenant,) = gateway.snapshots.current.tenants
    limit = Limit(LimitId(uuid7()), tenant, LimitScope.TENANT, tenant, kind, amount)
    limit = replace(limit, **changed)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, limit)
    return limit


CEILINGS = [
    (LimitKind.INPUT_TOKENS_PER_CALL, 2_000, {"messages": [{"role": "user", "content": "x" * 2_000}]}),
    (LimitKind.OUTPUT_TOKENS_PER_CALL, 500, {"max_tokens": 501}),
    (LimitKind.OUTPUT_TOKENS_PER_CALL, 500, {"max_tokens": 251, "n": 2}),
    (LimitKind.MICRO_DOLLARS_PER_CALL, 500, {"max_tokens": 2_000}),
]


@pytest.mark.parametrize(("kind", "amount", "asked"), CEILINGS)
async def test_a_call_over_a_ceiling_does_not_leave_and_counts_for_nothing(
    gateway: Running, kind: LimitKind, amount: int, asked: dict[str, object]
) -> None:
    limit = set_limit(gateway, kind, amount)
    rate = replace(limit, id=LimitId(uuid7()), kind=LimitKind.REQUESTS_PER_MINUTE)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, limit, rate)
    reason = "budget_exhausted" if kind is LimitKind.MICRO_DOLLARS_PER_CALL else "tokens_limited"
    refused = await gateway.ask(**({"max_tokens": 100} | asked))
    assert (refused.status_code, refused.headers["x-conduit-reason"]) == (429, reason)
    assert refused.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.headers
    assert (await wait_for_end(gateway))["rule"] == f"limit:{limit.id}"
    assert gateway.provider.seen == []
    assert not await gateway.limiter._runner._command("EXISTS", *keys_of(limit.tenant_id))
    assert (await gateway.ask(max_tokens=100)).status_code == 200


async def test_an_answer_that_comes_whole_must_say_how_long_it_may_be(gateway: Running) -> None:
    set_limit(gateway, LimitKind.OUTPUT_TOKENS_PER_CALL, 500)
    refused = await gateway.ask(max_tokens=None)
    assert refused.headers["x-conduit-reason"] == "tokens_limited"
    assert "max_tokens" in refused.text
    assert (await gateway.ask(max_tokens=500)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "amount", "reason"),
    [
        (LimitKind.OUTPUT_TOKENS_PER_CALL, 300, "tokens_limited"),
        (LimitKind.MICRO_DOLLARS_PER_CALL, 250, "budget_exhausted"),
    ],
)
async def test_a_stream_without_a_ceiling_is_cut_at_the_limits(
    gateway: Running, kind: LimitKind, amount: int, reason: str
) -> None:
    limit = set_limit(gateway, kind, amount)
    gateway.provider.play("api.openai.com", long_stream())
    async with gateway.client() as client:
        answer = await client.request(**request(gateway))
    last = [line for line in answer.text.split("\n\n") if line.startswith("data: {")][-1]
    assert json.loads(last[6:])["error"]["code"] == reason
    event = await wait_for_end(gateway)
    assert (event["outcome"], event["rule"]) == ("cut", f"limit:{limit.id}")
    if kind is LimitKind.OUTPUT_TOKENS_PER_CALL:
        # The chunk that reaches the ceiling is the last: forty words of a token each.
        assert amount <= event["output_tokens"] <= amount + 80
    else:
        assert event["cost_micro_dollars"] <= amount + 80


async def test_a_limit_of_a_model_counts_that_model_alone(gateway: Running) -> None:
    limit = set_limit(gateway, LimitKind.REQUESTS_PER_MINUTE, 1, model="gpt-4o*")
    assert (await gateway.ask(model="gpt-4o-mini")).status_code == 200
    refused = await gateway.ask(model="GPT-4o")
    assert refused.headers["x-conduit-reason"] == "rate_limited"
    assert limit.model in refused.text
    assert (await gateway.ask(model="gpt-5")).status_code == 200


async def test_a_team_shares_its_limit_and_no_other_pays_for_it(gateway: Running) -> None:
    policy, team = gateway.snapshots.current, uuid4()
    (user,) = policy.users.values()
    policy = replace(policy, users={user.id: replace(user, team="Analytics", team_id=team)})
    gateway.snapshots.current = policy
    set_limit(gateway, LimitKind.REQUESTS_PER_MINUTE, 1, scope=LimitScope.TEAM, subject=team)
    assert (await gateway.ask()).status_code == 200
    assert (await gateway.ask()).headers["x-conduit-reason"] == "rate_limited"
    assert {event.get("team_id") for event in gateway.events()} == {str(team)}
    renamed = replace(user, team="Data", team_id=team)
    gateway.snapshots.current = replace(gateway.snapshots.current, users={user.id: renamed})
    assert (await gateway.ask()).headers["x-conduit-reason"] == "rate_limited"
    moved = replace(user, team="Others", team_id=uuid4())
    gateway.snapshots.current = replace(gateway.snapshots.current, users={user.id: moved})
    assert (await gateway.ask()).status_code == 200


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(LimitKind.TOKENS, "tokens_limited"), (LimitKind.BUDGET_MICRO_DOLLARS, "budget_exhausted")],
)
@pytest.mark.parametrize(("window", "hours"), [(Window.WEEK, None), (Window.ROLLING, 24)])
async def test_a_windows_use_is_refused_until_it_frees(
    gateway: Running, kind: LimitKind, reason: str, window: Window, hours: int | None
) -> None:
    crossed: list[Crossed] = []
    gateway.limiter._on_crossed = crossed.append
    limit = set_limit(gateway, kind, 2_000, window=window, hours=hours, thresholds=(1, 2))
    assert (await gateway.ask(max_tokens=100)).status_code == 200
    await wait_for_end(gateway)
    await gateway.limiter.drain(within_s=5)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, replace(limit, amount=5))
    refused = await gateway.ask(max_tokens=1)
    assert refused.headers["x-conduit-reason"] == reason
    if kind is LimitKind.TOKENS:
        assert [each.percent for each in crossed] == [1, 2]
