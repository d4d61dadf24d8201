"""Budgets after a loss: what PostgreSQL's usage rows say is what Valkey counts, before a budget serves."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from policy.identifiers import ExchangeId, PlaceholderId, TenantId, UserId
from policy.limit_setting import LimitSetting
from policy.limits import Granted, Limit, LimitKind, LimitScope, Refused, Window
from policy.money import MicroDollars
from store import limits, usage
from store.door import Store
from store.limiter_plan import keys_of
from store.limiter_rebuild import reconcile, used_from
from store.limiter_script import Script, ScriptRunner
from tests.store.limiting import BERLIN, PATIENCE_S, Clock, Tenant


@pytest.fixture
def clock() -> Clock:
    return Clock(int(datetime(2026, 11, 24, 11, tzinfo=UTC).timestamp() * 1000))


@pytest.fixture
async def subject(valkey_url: str, gateway: Store, tenant: TenantId, clock: Clock) -> AsyncIterator[Tenant]:
    """A tenant of the database, with a worker's limiter on it."""
    subject = Tenant(valkey_url, clock=clock)
    subject.id = tenant
    subject.limiter._used = used_from(gateway)
    yield subject
    await subject.close()


async def spend(
    store: Store,
    subject: Tenant,
    at: datetime,
    cost: int | None,
    model: str = "gpt-4o-mini",
    **of: UUID | None,
) -> None:
    placeholder = of.get("placeholder", uuid4())
    row = usage.UsageRow(
        tenant_id=subject.id,
        id=ExchangeId(uuid4()),
        at=at,
        team_id=of.get("team"),
        member_id=UserId(of.get("user") or uuid4()),
        placeholder_id=PlaceholderId(placeholder) if placeholder else None,
        credential_id=None,
        provider="openai",
        model=model,
        input_tokens=(cost or 0) * 3,
        output_tokens=(cost or 0) * 7,
        cache_read_tokens=0,
        cache_write_tokens=0,
        reasoning_tokens=0,
        cost_micro_dollars=None if cost is None else MicroDollars(cost),
        estimated=False,
        outcome="finished",
    )
    async with store.tenant(subject.id) as session:
        await usage.add(session, rows=[row])


def moment(clock: Clock, **ago: float) -> datetime:
    return datetime.fromtimestamp(clock.ms / 1000, UTC) - timedelta(**ago)


async def fits(subject: Tenant, scope: LimitScope, window: Window, amount: int) -> int:
    """The most that a budget of ``amount`` still admits."""
    refused = 0
    for cost in range(amount, -1, -1):
        demand = subject.demand(subject.budget(amount, scope, window), cost=cost)
        if isinstance(await subject.limiter.reserve(demand), Granted):
            await subject.limiter.release(demand.reservation)
            return cost
        refused += 1
    return -refused


async def test_each_budget_is_rebuilt_from_its_own_rows_of_its_own_period(
    gateway: Store, subject: Tenant, clock: Clock
) -> None:
    await spend(gateway, subject, moment(clock, hours=1), 1, user=subject.user)
    await spend(gateway, subject, moment(clock, hours=2), 2, placeholder=subject.placeholder)
    await spend(gateway, subject, moment(clock, days=3), 4, user=subject.user)
    await spend(gateway, subject, moment(clock, days=40), 8, user=subject.user)
    await spend(gateway, subject, moment(clock, hours=1), None)
    assert await fits(subject, LimitScope.TENANT, Window.DAY, 20) == 20 - 3
    assert await fits(subject, LimitScope.TENANT, Window.MONTH, 20) == 20 - 7
    assert await fits(subject, LimitScope.USER, Window.DAY, 20) == 20 - 1
    assert await fits(subject, LimitScope.USER, Window.MONTH, 20) == 20 - 5
    assert await fits(subject, LimitScope.PLACEHOLDER, Window.DAY, 20) == 20 - 2


async def left(subject: Tenant, limit: Limit) -> int:
    """The most that one more call may use."""
    most = limit.amount
    while most:
        demand = subject.demand(limit, tokens=most, cost=most)
        if isinstance(await subject.limiter.reserve(demand), Granted):
            await subject.limiter.release(demand.reservation)
            return most
        most -= 1
    return 0


async def test_teams_models_weeks_and_tokens_are_rebuilt_from_their_rows(
    gateway: Store, subject: Tenant, clock: Clock
) -> None:
    """It is a Tuesday; the Sunday before it belongs to another week."""
    await spend(gateway, subject, moment(clock, hours=1), 1, team=subject.team)
    await spend(gateway, subject, moment(clock, hours=1), 2, model="GPT-4-turbo", user=subject.user)
    await spend(gateway, subject, moment(clock, hours=1), 4, model="gpt_4%", team=uuid4())
    await spend(gateway, subject, moment(clock, days=1), 8, model="gpt-5")
    await spend(gateway, subject, moment(clock, days=2), 16, team=subject.team)
    day, week = subject.budget(99), subject.budget(99, window=Window.WEEK)
    assert await left(subject, replace(subject.budget(99, LimitScope.TEAM), window=Window.DAY)) == 98
    assert await left(subject, week) == 99 - 15
    assert await left(subject, replace(day, model="gpt-4*")) == 99 - 3
    assert await left(subject, replace(day, model="gpt-4-turbo")) == 99 - 2
    assert await left(subject, replace(day, model="gpt_4%")) == 99 - 4
    assert await left(subject, replace(day, model="gpt_4%*")) == 99 - 4
    of_user = subject.limit(LimitKind.TOKENS, 99, LimitScope.USER, Window.DAY)
    assert await left(subject, of_user) == 99 - 20
    assert await left(subject, replace(of_user, model="gpt-5*")) == 99


async def test_a_rolling_window_is_rebuilt_with_the_age_of_its_rows(gateway: Store, subject: Tenant) -> None:
    subject.limiter._clock = None  # the rows' age is by the worker's own clock
    now = datetime.now(UTC)
    for hours, cost in ((1, 1), (20, 2), (23, 4), (26, 8)):
        await spend(gateway, subject, now - timedelta(hours=hours), cost)
    limit = replace(subject.budget(99, window=Window.ROLLING), hours=24)
    assert await left(subject, limit) == 99 - 7
    assert await left(subject, replace(limit, hours=2)) == 99 - 1
    assert await left(subject, replace(limit, hours=48)) == 99 - 15
    slices = await subject.client.hget(keys_of(subject.id)[0], f"past b:tenant:{subject.id.hex}:rolling:24")
    assert [part.split(b":")[1] for part in slices.split()] == [b"4", b"2", b"1"]


async def test_calls_without_a_key_of_ours_spend_no_budget_and_use_tokens(
    gateway: Store, subject: Tenant, clock: Clock
) -> None:
    await spend(gateway, subject, moment(clock, hours=1), 5, placeholder=None)
    await spend(gateway, subject, moment(clock, hours=1), 1)
    assert await left(subject, subject.budget(99)) == 98
    assert await left(subject, subject.limit(LimitKind.TOKENS, 99, window=Window.DAY)) == 99 - 60


async def test_another_tenants_rows_count_for_nothing(
    gateway: Store, subject: Tenant, other_tenant: TenantId, clock: Clock
) -> None:
    mine = subject.id
    subject.id = other_tenant
    await spend(gateway, subject, moment(clock, hours=1), 5)
    subject.id = mine
    assert await fits(subject, LimitScope.TENANT, Window.DAY, 10) == 10


async def test_reconciling_raises_what_a_failover_lost_and_lowers_nothing(
    store: Store, gateway: Store, subject: Tenant, clock: Clock
) -> None:
    async with store.tenant(subject.id) as session:
        await limits.put(session, setting=LimitSetting(LimitKind.BUDGET_MICRO_DOLLARS, 10, Window.DAY))
    limit = subject.budget(10)
    spending = subject.demand(limit, cost=3)
    await subject.limiter.reserve(spending)
    await subject.limiter.settle(spending.reservation, tokens=0, cost=MicroDollars(3))
    await reconcile(store, subject.limiter, subject.id, BERLIN)
    assert await fits(subject, LimitScope.TENANT, Window.DAY, 10) == 7
    await spend(gateway, subject, moment(clock, hours=1), 8)
    await reconcile(store, subject.limiter, subject.id, BERLIN)
    assert await fits(subject, LimitScope.TENANT, Window.DAY, 10) == 2


async def test_the_next_period_is_opened_before_it_begins(
    store: Store, gateway: Store, subject: Tenant, clock: Clock
) -> None:
    async with store.tenant(subject.id) as session:
        await limits.put(session, setting=LimitSetting(LimitKind.BUDGET_MICRO_DOLLARS, 10, Window.DAY))
    clock.pass_s(11 * 3600 + 55 * 60)
    await reconcile(store, subject.limiter, subject.id, BERLIN)
    clock.pass_s(10 * 60)
    subject.limiter._used = subject.usage
    demand = subject.demand(subject.budget(10), cost=10)
    assert isinstance(await subject.limiter.reserve(demand), Granted)
    assert subject.usage.asked == 0


async def test_sweeping_forgets_only_what_no_longer_counts(subject: Tenant, clock: Clock) -> None:
    limits_ = (subject.requests(6), subject.tokens(60), subject.concurrent(3), subject.budget(10))
    for _ in range(3):
        demand = subject.demand(*limits_, tokens=10, cost=3)
        await subject.limiter.reserve(demand)
        await subject.limiter.settle(demand.reservation, tokens=10, cost=MicroDollars(3))
    await subject.limiter.reconcile(subject.id, (), BERLIN)
    assert isinstance(await subject.limiter.reserve(subject.demand(limits_[0])), Granted)
    assert isinstance(await subject.limiter.reserve(subject.demand(limits_[3], cost=2)), Refused)
    assert isinstance(await subject.limiter.reserve(subject.demand(limits_[1], tokens=31)), Refused)
    clock.pass_s(69 * 86_400)
    await subject.limiter.reconcile(subject.id, (), BERLIN)
    assert {name[:2] for name in await subject.client.hkeys(keys_of(subject.id)[0])} == {b"cl", b"B:"}
    clock.pass_s(3 * 86_400)
    await subject.limiter.reap(subject.id)
    await subject.limiter.reconcile(subject.id, (), BERLIN)
    assert await subject.client.hkeys(keys_of(subject.id)[0]) == [b"clock"]


async def test_sweeping_keeps_what_calls_in_flight_hold(subject: Tenant, clock: Clock) -> None:
    limits_ = (subject.tokens(60), subject.concurrent(1), subject.budget(10))
    demand = subject.demand(*limits_, tokens=60, cost=10, lease_s=86_400)
    await subject.limiter.reserve(demand)
    clock.pass_s(3600)
    await subject.limiter.reconcile(subject.id, (), BERLIN)
    for limit in limits_:
        assert isinstance(await subject.limiter.reserve(subject.demand(limit, tokens=1, cost=1)), Refused)
    clock.pass_s(80 * 86_400 - 3601)
    state = keys_of(subject.id)[0]
    budget = {name: text for name, text in (await subject.client.hgetall(state)).items() if name[:1] == b"B"}
    await subject.limiter.reconcile(subject.id, (), BERLIN)
    assert await subject.client.hmget(state, list(budget)) == list(budget.values())


@pytest.mark.parametrize("leaping", ["server", "worker"])
async def test_one_clock_that_leaps_makes_nothing_forget_a_budget(
    subject: Tenant, clock: Clock, leaping: str
) -> None:
    spending = subject.demand(subject.budget(10), cost=10)
    await subject.limiter.reserve(spending)
    await subject.limiter.settle(spending.reservation, tokens=0, cost=MicroDollars(10))
    leapt, right = clock.ms + 100 * 86_400_000, clock.ms
    server, worker = (leapt, right) if leaping == "server" else (right, leapt)
    runner = ScriptRunner(subject.client, timeout_s=PATIENCE_S)
    upkeep = Script.of("limiter_state.lua", "limiter_upkeep.lua")
    assert await runner.run(upkeep, keys_of(subject.id), "sweep", str(server), worker, 0) == [0]
    subject.limiter._used = subject.usage
    refused = await subject.limiter.reserve(subject.demand(subject.budget(10), cost=1))
    assert isinstance(refused, Refused)
