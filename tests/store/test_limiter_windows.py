"""Windows of tokens and money, calendar and rolling; bursts; thresholds; limits of teams and models."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from policy.limits import (
    DEFAULT_THRESHOLDS,
    SLICES,
    Crossed,
    Granted,
    Limit,
    LimitKind,
    LimitScope,
    Refused,
    Window,
)
from policy.money import MICRO_DOLLARS_MAX, MicroDollars
from policy.refusals import Reason
from store.limiter import Used
from store.limiter_plan import RATE_MAX, keys_of
from store.limiter_script import Script, ScriptRunner
from tests.store.limiting import PATIENCE_S, Clock, Tenant

HOUR_S = 3600
SLICE_S = 24 * HOUR_S // SLICES


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tenant(valkey_url: str, clock: Clock) -> AsyncIterator[Tenant]:
    tenant = Tenant(valkey_url, clock=clock)
    yield tenant
    await tenant.close()


def rolling(tenant: Tenant, amount: int, hours: int = 24, kind: LimitKind = LimitKind.TOKENS) -> Limit:
    return replace(tenant.limit(kind, amount, window=Window.ROLLING), hours=hours)


async def use(tenant: Tenant, limit: Limit, amount: int) -> bool:
    """Whether a call of so many tokens and micro-dollars was let through, and used them."""
    tokens = min(amount, RATE_MAX)
    demand = tenant.demand(limit, tokens=tokens, cost=amount)
    granted = isinstance(await tenant.limiter.reserve(demand), Granted)
    if granted:
        await tenant.limiter.settle(demand.reservation, tokens=tokens, cost=MicroDollars(amount))
    return granted


async def fits(tenant: Tenant, limit: Limit, amount: int) -> bool:
    demand = tenant.demand(limit, tokens=amount, cost=amount)
    granted = isinstance(await tenant.limiter.reserve(demand), Granted)
    if granted:
        await tenant.limiter.release(demand.reservation)
    return granted


async def test_tokens_of_a_day_are_given_back_and_those_used_stay(tenant: Tenant, clock: Clock) -> None:
    limit = tenant.limit(LimitKind.TOKENS, 100, window=Window.DAY)
    demand = tenant.demand(limit, tokens=100)
    assert isinstance(await tenant.limiter.reserve(demand), Granted)
    refused = await tenant.limiter.reserve(tenant.demand(limit, tokens=1))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOKENS_LIMITED
    await tenant.limiter.settle(demand.reservation, tokens=30, cost=MicroDollars(0))
    assert not await fits(tenant, limit, 71)
    assert await fits(tenant, limit, 70)
    clock.pass_s(11 * HOUR_S)
    assert await fits(tenant, limit, 100)


async def test_a_week_ends_with_its_sunday(tenant: Tenant, clock: Clock) -> None:
    clock.ms = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp() * 1000)  # a Monday
    limit = tenant.budget(100, window=Window.WEEK)
    assert await use(tenant, limit, 100)
    refused = await tenant.limiter.reserve(tenant.demand(limit, cost=1))
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == 6 * 86_400 + 11 * HOUR_S
    clock.pass_s(refused.retry_after_s - 1)
    assert not await fits(tenant, limit, 1)
    clock.pass_s(1)
    assert await fits(tenant, limit, 100)


@pytest.mark.parametrize("kind", [LimitKind.TOKENS, LimitKind.BUDGET_MICRO_DOLLARS])
async def test_a_rolling_window_frees_what_has_left_it_and_no_sooner(
    tenant: Tenant, clock: Clock, kind: LimitKind
) -> None:
    limit = rolling(tenant, 100, kind=kind)
    assert await use(tenant, limit, 60)
    clock.pass_s(6 * HOUR_S)
    assert await use(tenant, limit, 40)
    refused = await tenant.limiter.reserve(tenant.demand(limit, tokens=50, cost=50))
    assert isinstance(refused, Refused)
    assert refused.retry_after_s is not None
    assert 18 * HOUR_S < refused.retry_after_s <= 18 * HOUR_S + SLICE_S
    clock.pass_s(refused.retry_after_s - 1)
    assert not await fits(tenant, limit, 50)
    clock.pass_s(1)
    assert await fits(tenant, limit, 60)
    assert not await fits(tenant, limit, 61)
    clock.pass_s(6 * HOUR_S + SLICE_S)
    assert await fits(tenant, limit, 100)


async def test_no_day_whenever_it_begins_has_more_than_a_rolling_days_amount(
    tenant: Tenant, clock: Clock
) -> None:
    limit, taken = rolling(tenant, 100), []
    for step in range(400):
        clock.pass_s(480 + step * 7 % 600)
        taken += [(clock.ms, amount) for amount in (37, 11, 3) if await use(tenant, limit, amount)]
    for since, _ in taken:
        within = sum(amount for at, amount in taken if since <= at < since + 86_400_000)
        assert within <= 100
    assert len(taken) > 15


async def test_a_held_call_counts_in_a_rolling_window_however_long_it_lasts(
    tenant: Tenant, clock: Clock
) -> None:
    limit = rolling(tenant, 100, hours=1)
    demand = tenant.demand(limit, tokens=80, lease_s=86_400)
    await tenant.limiter.reserve(demand)
    clock.pass_s(5 * HOUR_S)
    assert not await fits(tenant, limit, 21)
    await tenant.limiter.settle(demand.reservation, tokens=80, cost=MicroDollars(0))
    clock.pass_s(HOUR_S)
    assert not await fits(tenant, limit, 21)
    clock.pass_s(60)
    assert await fits(tenant, limit, 100)


async def test_a_rolling_window_that_was_lost_is_filled_slice_by_slice(tenant: Tenant, clock: Clock) -> None:
    limit = rolling(tenant, 100)

    async def rows(*_: object) -> tuple[Used, ...]:
        return (((2, 10), (30, 20), (60, 40), (61, 500)),)

    tenant.limiter._used = rows
    clock.ms -= clock.ms % (SLICE_S * 1000)
    # What lies beyond the window counts until the slice after it has passed: the rows' clock is another.
    assert not await fits(tenant, limit, 1)
    clock.pass_s(SLICE_S)
    assert await fits(tenant, limit, 30)
    assert not await fits(tenant, limit, 31)
    clock.pass_s(SLICE_S)
    assert await fits(tenant, limit, 70)
    assert not await fits(tenant, limit, 71)
    clock.pass_s(31 * SLICE_S)
    assert await fits(tenant, limit, 90)


async def test_reconciling_adds_to_a_rolling_window_only_what_it_misses(tenant: Tenant, clock: Clock) -> None:
    limit = rolling(tenant, 100)
    assert await use(tenant, limit, 25)
    clock.pass_s(3 * SLICE_S)
    assert await use(tenant, limit, 5)
    known: tuple[tuple[int, int], ...] = ((0, 5), (3, 25))

    async def rows(*_: object) -> tuple[Used, ...]:
        return (known,)

    tenant.limiter._used = rows
    for age in (3, 4, 5):
        known = ((0, 5), (age, 25))
        await tenant.limiter.reconcile(tenant.id, (limit,), tenant.demand().zone)
        assert await fits(tenant, limit, 70)
        assert not await fits(tenant, limit, 71)
    known = ((0, 5), (3, 65))
    for _ in range(3):
        await tenant.limiter.reconcile(tenant.id, (limit,), tenant.demand().zone)
        assert await fits(tenant, limit, 30)
        assert not await fits(tenant, limit, 31)


async def test_a_clock_that_goes_back_frees_nothing_of_a_rolling_window(tenant: Tenant, clock: Clock) -> None:
    limit = rolling(tenant, 100)
    assert await use(tenant, limit, 100)
    for _ in range(5):
        clock.pass_s(-20 * HOUR_S)
        assert not await fits(tenant, limit, 1)
        clock.pass_s(HOUR_S)
        assert not await fits(tenant, limit, 1)


async def test_a_clock_that_leaps_empties_a_rolling_window_until_the_rows_are_asked(
    tenant: Tenant, clock: Clock
) -> None:
    limit = rolling(tenant, 100)
    assert await use(tenant, limit, 60)
    clock.pass_s(72 * HOUR_S)  # the server's alone: by the worker's, the rows are of this moment
    assert await fits(tenant, limit, 100)
    tenant.usage.spent = {LimitScope.TENANT: 60}
    await tenant.limiter.reconcile(tenant.id, (limit,), tenant.demand().zone)
    assert not await fits(tenant, limit, 41)
    assert await fits(tenant, limit, 40)


async def test_a_burst_bounds_what_comes_at_once_and_the_rate_what_comes_in_a_minute(
    tenant: Tenant, clock: Clock
) -> None:
    limit = replace(tenant.requests(60), burst=5)
    for left in (4, 3, 2, 1, 0):
        granted = await tenant.limiter.reserve(tenant.demand(limit))
        assert isinstance(granted, Granted)
        assert granted.requests_left is not None
        assert (granted.requests_left.amount, granted.requests_left.remaining) == (60, left)
    refused = await tenant.limiter.reserve(tenant.demand(limit))
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == 1
    admitted = 0
    for _ in range(120):
        clock.pass_s(0.5)
        admitted += isinstance(await tenant.limiter.reserve(tenant.demand(limit)), Granted)
    assert admitted == 60


async def test_a_larger_burst_than_a_minutes_amount_is_admitted_at_once(tenant: Tenant) -> None:
    limit = replace(tenant.tokens(10), burst=50)
    assert await use(tenant, limit, 50)
    refused = await tenant.limiter.reserve(tenant.demand(limit, tokens=20))
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == 120
    never = await tenant.limiter.reserve(tenant.demand(limit, tokens=51))
    assert isinstance(never, Refused)
    assert never.retry_after_s is None


async def test_each_threshold_is_told_once_a_period_by_whoever_crosses_it(
    tenant: Tenant, clock: Clock
) -> None:
    limit = replace(tenant.budget(100), thresholds=DEFAULT_THRESHOLDS)
    for spent in (49, 1, 29, 1, 1):
        assert await use(tenant, limit, spent)
    assert [each.percent for each in tenant.crossed] == [50, 80]
    assert tenant.crossed[0] == Crossed(limit, 50, "2026-10-25")
    assert await use(tenant, limit, 19)
    assert [each.percent for each in tenant.crossed] == [50, 80, 100]
    clock.pass_s(86_400)
    assert await use(tenant, limit, 100)
    assert [(each.percent, each.period) for each in tenant.crossed[3:]] == [
        (percent, "2026-10-26") for percent in DEFAULT_THRESHOLDS
    ]


async def test_workers_that_settle_together_tell_of_a_threshold_once(valkey_url: str, clock: Clock) -> None:
    one, two = (Tenant(valkey_url, clock=clock) for _ in range(2))
    two.id = one.id
    limit = replace(one.budget(100), thresholds=(50,))
    demands = [(worker, worker.demand(limit, cost=10)) for worker in (one, two) * 5]
    for worker, demand in demands:
        await worker.limiter.reserve(demand)
    settling = [
        worker.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(10))
        for worker, demand in demands
    ]
    for settled in settling:
        await settled
    assert [each.percent for each in one.crossed + two.crossed] == [50]
    for worker in (one, two):
        await worker.close()


async def test_a_rolling_window_tells_again_after_its_own_length(tenant: Tenant, clock: Clock) -> None:
    limit = replace(rolling(tenant, 100, hours=1), thresholds=(50,))
    clock.ms -= clock.ms % 3_600_000
    for _ in range(2):
        assert await use(tenant, limit, 60)
        clock.pass_s(HOUR_S + 60)
    assert [each.percent for each in tenant.crossed] == [50, 50]
    assert len({each.period for each in tenant.crossed}) == 2


@pytest.mark.parametrize("amount", [1, 3, 99, MICRO_DOLLARS_MAX])
async def test_a_threshold_is_exact_whatever_the_amount(tenant: Tenant, amount: int) -> None:
    for percent in (1, 50, 99, 100):
        limit = replace(tenant.budget(amount, window=Window.WEEK), thresholds=(percent,))
        limit = replace(limit, model=f"m{percent}")
        due = -(-amount * percent // 100)
        if due > 1:
            assert await use(tenant, limit, due - 1)
        assert tenant.crossed == []
        assert await use(tenant, limit, 1)
        assert [each.percent for each in tenant.crossed] == [percent]
        tenant.crossed.clear()


async def test_nothing_used_crosses_nothing(tenant: Tenant) -> None:
    limit = replace(tenant.budget(0), thresholds=(1,))
    assert await use(tenant, limit, 0)
    assert tenant.crossed == []


async def test_reconciling_tells_of_what_the_rows_have_crossed(tenant: Tenant) -> None:
    limit = replace(tenant.budget(100), thresholds=DEFAULT_THRESHOLDS)
    tenant.usage.spent = {LimitScope.TENANT: 85}
    await tenant.limiter.reconcile(tenant.id, (limit,), tenant.demand().zone)
    assert [each.percent for each in tenant.crossed] == [50, 80]


CHANGES = [
    pytest.param(LimitKind.REQUESTS_PER_MINUTE, None, id="requests"),
    pytest.param(LimitKind.TOKENS_PER_MINUTE, None, id="tokens a minute"),
    pytest.param(LimitKind.TOKENS, Window.DAY, id="tokens of a day"),
    pytest.param(LimitKind.TOKENS, Window.ROLLING, id="rolling tokens"),
    pytest.param(LimitKind.BUDGET_MICRO_DOLLARS, Window.WEEK, id="budget of a week"),
    pytest.param(LimitKind.BUDGET_MICRO_DOLLARS, Window.ROLLING, id="rolling budget"),
]


@pytest.mark.parametrize(("kind", "window"), CHANGES)
async def test_raising_and_lowering_a_limit_keeps_what_was_used(
    tenant: Tenant, kind: LimitKind, window: Window | None
) -> None:
    limit = replace(
        tenant.limit(kind, 10, window=window), hours=24 if window is Window.ROLLING else None, burst=None
    )
    for _ in range(6):
        assert await use(tenant, limit, 1)
    changed = {amount: replace(limit, amount=amount) for amount in (5, 7, 20, 10)}
    assert not await use(tenant, changed[5], 1)
    assert await use(tenant, changed[7], 1)
    assert not await use(tenant, changed[7], 1)
    for _ in range(13):
        assert await use(tenant, changed[20], 1)
    assert not await use(tenant, changed[20], 1)
    assert not await use(tenant, changed[10], 1)


async def test_teams_and_models_are_counted_for_themselves(tenant: Tenant) -> None:
    team = tenant.budget(10, LimitScope.TEAM)
    of_model = replace(tenant.budget(10), model="gpt-4*")
    assert await use(tenant, team, 10)
    assert not await use(tenant, team, 1)
    assert await use(tenant, of_model, 10)
    assert not await use(tenant, of_model, 1)
    assert await use(tenant, tenant.budget(10), 10)


async def test_the_largest_amounts_stay_exact(tenant: Tenant, clock: Clock) -> None:
    for limit in (
        tenant.budget(MICRO_DOLLARS_MAX),
        rolling(tenant, MICRO_DOLLARS_MAX, kind=LimitKind.BUDGET_MICRO_DOLLARS),
    ):
        most = tenant.demand(limit, cost=MICRO_DOLLARS_MAX)
        assert isinstance(await tenant.limiter.reserve(most), Granted)
        assert not await fits(tenant, limit, 1)
        await tenant.limiter.settle(most.reservation, tokens=RATE_MAX, cost=MicroDollars(MICRO_DOLLARS_MAX))
        over = tenant.demand(limit)
        await tenant.limiter.reserve(over)
        await tenant.limiter.settle(over.reservation, tokens=RATE_MAX, cost=MicroDollars(MICRO_DOLLARS_MAX))
        assert not await fits(tenant, limit, 1)
    clock.pass_s(24 * HOUR_S + SLICE_S)
    assert await fits(tenant, limit, RATE_MAX)


@pytest.mark.parametrize(
    "entry",
    [
        '["B","B:x",1]',
        '["B","B:x",1,0,"1"]',
        '["B","N:x",1,0,1]',
        '["b","b:x",1,0,60]',
        '["b","b:x",1,60000,0]',
        '["b","b:x",1,60000,100000]',
        '["b","b:x",1,60000,60,101]',
        '["b","b:x",1,60000,60,0.5]',
        '["B","B:x",9007199254740992,0,1]',
        '["R","R:x",1]',
        '["R","R:x",1,-1]',
        '["R","R:x",1,1e300]',
        '["T","T:x",100000000001,1]',
        '["X","X:x",1]',
        '["C","C:x",null]',
        '["C","C:x",1],["C","C:x",1]',
        "7",
    ],
)
async def test_a_limit_of_another_form_is_refused_before_anything_is_written(
    tenant: Tenant, entry: str
) -> None:
    runner = ScriptRunner(tenant.client, timeout_s=PATIENCE_S)
    script = Script.of("limiter_state.lua", "limiter.lua")
    for operation, arguments in (
        ("reserve", ("id", 1000, 1, 1, f"[{entry}]")),
        ("settle", ("id", 1, 1, "[]", "other", 1, 1, f"[{entry}]")),
    ):
        with pytest.raises(ValueError, match="INVALID"):
            await runner.run(script, keys_of(tenant.id), operation, "", *arguments)
    assert not await tenant.client.exists(*keys_of(tenant.id))
