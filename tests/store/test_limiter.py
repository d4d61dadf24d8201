"""What the limiter decides, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from redis.crc import key_slot

from policy.identifiers import ExchangeId, TenantId
from policy.limits import Granted, LimitScope, Refused, Settled, Window
from policy.money import MicroDollars
from policy.refusals import Reason
from store.limiter import InvalidDemand, LimiterUnavailable, ReservationEnded
from store.limiter_plan import keys_of
from tests.store.limiting import Clock, Tenant


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tenant(valkey_url: str, clock: Clock) -> AsyncIterator[Tenant]:
    tenant = Tenant(valkey_url, clock=clock)
    yield tenant
    await tenant.close()


async def test_a_minute_admits_its_requests_and_then_one_for_each_that_leaked(
    tenant: Tenant, clock: Clock
) -> None:
    limit = tenant.requests(3)
    for left in (2, 1, 0):
        granted = await tenant.limiter.reserve(tenant.demand(limit))
        assert isinstance(granted, Granted)
        assert granted.requests_left is not None
        assert granted.requests_left.remaining == left
    refused = await tenant.limiter.reserve(tenant.demand(limit))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_after_s) == (Reason.RATE_LIMITED, 20)
    clock.pass_s(19.999)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit)), Refused)
    clock.pass_s(0.001)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit)), Granted)


async def test_tokens_not_used_are_given_back_and_those_used_leak_over_a_minute(
    tenant: Tenant, clock: Clock
) -> None:
    limit = tenant.tokens(600)
    first = tenant.demand(limit, tokens=600)
    assert isinstance(await tenant.limiter.reserve(first), Granted)
    refused = await tenant.limiter.reserve(tenant.demand(limit, tokens=1))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOKENS_LIMITED
    await tenant.limiter.settle(first.reservation, tokens=100, cost=MicroDollars(0))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, tokens=501)), Refused)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, tokens=500)), Granted)
    clock.pass_s(10)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, tokens=100)), Granted)


async def test_calls_at_once_are_bounded_until_one_ends(tenant: Tenant) -> None:
    limit = tenant.concurrent(2)
    first = tenant.demand(limit)
    for demand in (first, tenant.demand(limit)):
        assert isinstance(await tenant.limiter.reserve(demand), Granted)
    refused = await tenant.limiter.reserve(tenant.demand(limit))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CONCURRENCY_LIMITED
    await tenant.limiter.release(first.reservation)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit)), Granted)


async def test_a_budget_frees_at_the_tenants_midnight(tenant: Tenant, clock: Clock) -> None:
    limit = tenant.budget(100)
    spending = tenant.demand(limit, cost=100)
    await tenant.limiter.reserve(spending)
    await tenant.limiter.settle(spending.reservation, tokens=0, cost=MicroDollars(100))
    refused = await tenant.limiter.reserve(tenant.demand(limit, cost=1))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_after_s) == (Reason.BUDGET_EXHAUSTED, 11 * 3600)
    clock.pass_s(11 * 3600)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=100)), Granted)


async def test_what_never_fits_names_no_time(tenant: Tenant) -> None:
    for limit in (tenant.budget(10), tenant.tokens(10), tenant.requests(0), tenant.concurrent(0)):
        refused = await tenant.limiter.reserve(tenant.demand(limit, tokens=11, cost=11))
        assert isinstance(refused, Refused)
        assert refused.retry_after_s is None


async def test_all_or_nothing_and_the_first_that_refuses_is_named(tenant: Tenant) -> None:
    generous, tight, tighter = tenant.budget(1000), tenant.tokens(5), tenant.concurrent(0)
    refused = await tenant.limiter.reserve(tenant.demand(generous, tight, tighter, tokens=6, cost=600))
    assert isinstance(refused, Refused)
    assert refused.limit is tight
    assert isinstance(await tenant.limiter.reserve(tenant.demand(generous, cost=1000)), Granted)


async def test_each_subject_is_counted_for_itself(tenant: Tenant) -> None:
    mine = tenant.budget(10, LimitScope.USER)
    theirs = replace(mine, subject=uuid4())
    assert isinstance(await tenant.limiter.reserve(tenant.demand(mine, cost=10)), Granted)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(theirs, cost=10)), Granted)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(mine, cost=1)), Refused)


async def test_changing_a_limit_keeps_what_was_used(tenant: Tenant) -> None:
    await tenant.limiter.reserve(tenant.demand(tenant.budget(100), cost=60))
    refused = await tenant.limiter.reserve(tenant.demand(tenant.budget(80), cost=21))
    assert isinstance(refused, Refused)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(tenant.budget(200), cost=140)), Granted)


async def test_of_two_limits_on_the_same_the_smaller_counts_once(tenant: Tenant) -> None:
    demand = tenant.demand(tenant.budget(100), tenant.budget(50), cost=50)
    assert isinstance(await tenant.limiter.reserve(demand), Granted)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(tenant.budget(51), cost=1)), Granted)


async def test_a_reservation_is_reserved_once(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=60)
    assert isinstance(await tenant.limiter.reserve(demand), Granted)
    again = await tenant.limiter.reserve(replace(demand, cost=MicroDollars(90)))
    assert isinstance(again, Granted)
    assert again.cost == 60
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=40)), Granted)


async def test_a_reservation_that_ended_is_not_opened_again(tenant: Tenant) -> None:
    demand = tenant.demand(tenant.budget(100), cost=60)
    await tenant.limiter.reserve(demand)
    await tenant.limiter.release(demand.reservation)
    with pytest.raises(ReservationEnded):
        await tenant.limiter.reserve(demand)


async def test_settling_twice_charges_once(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=60)
    await tenant.limiter.reserve(demand)
    for _ in range(2):
        await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(30))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=70)), Granted)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=1)), Refused)


async def test_the_truth_is_charged_beyond_what_was_held_and_reported(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, tokens=5, cost=60)
    await tenant.limiter.reserve(demand)
    settled = await tenant.limiter.settle(demand.reservation, tokens=7, cost=MicroDollars(150))
    assert settled == Settled(2, MicroDollars(90))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit)), Refused)


@pytest.mark.parametrize("amount", [-1, 2**53, 1.0, float("nan"), True, "1"])
async def test_amounts_that_are_none_change_nothing(tenant: Tenant, amount: object) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=100)
    await tenant.limiter.reserve(demand)
    with pytest.raises(InvalidDemand):
        tenant.limiter.settle(demand.reservation, tokens=0, cost=amount)  # type: ignore[arg-type]
    with pytest.raises(InvalidDemand):
        await tenant.limiter.reserve(replace(demand, cost=amount))  # type: ignore[arg-type]
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=1)), Refused)
    await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(99))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=1)), Granted)


async def test_a_top_up_holds_more_or_leaves_what_is_held(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=10)
    await tenant.limiter.reserve(demand)
    topped = await tenant.limiter.top_up(demand.reservation, tokens=0, cost=MicroDollars(90))
    assert isinstance(topped, Granted)
    assert topped.cost == 90
    again = await tenant.limiter.top_up(demand.reservation, tokens=0, cost=MicroDollars(90))
    assert isinstance(again, Granted)
    refused = await tenant.limiter.top_up(demand.reservation, tokens=0, cost=MicroDollars(101))
    assert isinstance(refused, Refused)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=10)), Granted)
    await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(90))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=1)), Refused)


async def test_a_lease_is_renewed_even_where_the_budget_is_overdrawn(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    steady, lying = tenant.demand(limit, cost=10), tenant.demand(limit, cost=10)
    for demand in (steady, lying):
        await tenant.limiter.reserve(demand)
    await tenant.limiter.settle(lying.reservation, tokens=0, cost=MicroDollars(500))
    renewed = await tenant.limiter.top_up(steady.reservation, tokens=0, cost=MicroDollars(10))
    assert isinstance(renewed, Granted)
    assert isinstance(
        await tenant.limiter.top_up(steady.reservation, tokens=0, cost=MicroDollars(11)), Refused
    )


async def test_the_lease_of_a_dead_worker_returns_what_it_held(tenant: Tenant, clock: Clock) -> None:
    limits = (tenant.concurrent(1), tenant.budget(100), tenant.tokens(50))
    await tenant.limiter.reserve(tenant.demand(*limits, tokens=50, cost=100, lease_s=60))
    clock.pass_s(59.999)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, tokens=50, cost=100)), Refused)
    clock.pass_s(0.001)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, tokens=50, cost=100)), Granted)


async def test_leases_of_a_quiet_tenant_are_reaped_in_bounded_portions(tenant: Tenant, clock: Clock) -> None:
    for _ in range(70):
        await tenant.limiter.reserve(tenant.demand(tenant.budget(100), cost=1, lease_s=1))
    clock.pass_s(1)
    assert [await tenant.limiter.reap(tenant.id) for _ in range(3)] == [64, 6, 0]


async def test_a_late_settling_still_charges_once(tenant: Tenant, clock: Clock) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=60, lease_s=1)
    await tenant.limiter.reserve(demand)
    clock.pass_s(2)
    assert await tenant.limiter.reap(tenant.id) == 1
    await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(50))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=51)), Refused)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=50)), Granted)


async def test_leases_are_renewed_while_the_worker_lives(tenant: Tenant, clock: Clock) -> None:
    limit = tenant.concurrent(1)
    await tenant.limiter.reserve(tenant.demand(limit, lease_s=1))
    heartbeat = asyncio.create_task(tenant.limiter.run())
    clock.pass_s(0.9)
    due_before = await tenant.client.zrange(keys_of(tenant.id)[1], 0, -1, withscores=True)
    while await tenant.client.zrange(keys_of(tenant.id)[1], 0, -1, withscores=True) == due_before:
        await asyncio.sleep(0.05)
    heartbeat.cancel()
    clock.pass_s(0.9)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit)), Refused)


async def test_a_call_that_ends_after_midnight_is_charged_to_the_day_it_began(
    tenant: Tenant, clock: Clock
) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=60, lease_s=86_400)
    await tenant.limiter.reserve(demand)
    clock.pass_s(12 * 3600)
    await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(60))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=100)), Granted)


async def test_a_clock_that_goes_back_refills_nothing(tenant: Tenant, clock: Clock) -> None:
    limits = (tenant.requests(1), tenant.budget(10))
    await tenant.limiter.reserve(tenant.demand(*limits, cost=10))
    clock.pass_s(-7200)
    for limit in limits:
        assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=10)), Refused)
    clock.pass_s(60)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limits[0])), Granted)


async def test_a_clock_that_leaps_and_returns_gives_no_budget_twice(tenant: Tenant, clock: Clock) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=100)
    await tenant.limiter.reserve(demand)
    await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(100))
    clock.pass_s(86_400 * 400)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=100)), Granted)
    clock.pass_s(-86_400 * 400)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=1)), Refused)


async def test_a_worker_whose_clock_is_off_uses_the_servers_period(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    tenant.limiter._skew_s = 5 * 86_400
    assert isinstance(await tenant.limiter.reserve(tenant.demand(tenant.budget(10), cost=10)), Granted)
    assert abs(tenant.limiter._skew_s) < 60
    other = Tenant(valkey_url)
    other.id, other.user = tenant.id, tenant.user
    assert isinstance(await other.limiter.reserve(other.demand(other.budget(10), cost=1)), Refused)
    await tenant.close()
    await other.close()


async def test_a_flush_gives_no_budget_back(tenant: Tenant) -> None:
    limits = (tenant.budget(100, window=Window.MONTH), tenant.budget(50, LimitScope.USER))
    tenant.usage.spent = {LimitScope.TENANT: 70, LimitScope.USER: 20}
    await tenant.limiter.reserve(tenant.demand(*limits, cost=1))
    await tenant.client.delete(*keys_of(tenant.id))
    refused = await tenant.limiter.reserve(tenant.demand(*limits, cost=31))
    assert isinstance(refused, Refused)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, cost=30)), Granted)
    assert tenant.usage.asked == 2


async def test_what_was_in_flight_at_a_flush_is_charged_when_it_ends(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    demand = tenant.demand(limit, cost=60)
    await tenant.limiter.reserve(demand)
    await tenant.client.delete(*keys_of(tenant.id))
    await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(60))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=41)), Refused)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=40)), Granted)


async def test_no_budget_serves_while_its_spending_cannot_be_summed(tenant: Tenant) -> None:
    async def away(*_: object) -> tuple[MicroDollars, ...]:
        raise TimeoutError

    tenant.limiter._used = away
    with pytest.raises(LimiterUnavailable):
        await tenant.limiter.reserve(tenant.demand(tenant.budget(100), cost=1))
    assert isinstance(await tenant.limiter.reserve(tenant.demand(tenant.requests(1))), Granted)


async def test_calls_that_wait_for_the_same_sum_ask_once(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    answers = await asyncio.gather(*(tenant.limiter.reserve(tenant.demand(limit, cost=1)) for _ in range(20)))
    assert all(isinstance(answer, Granted) for answer in answers)
    assert tenant.usage.asked == 1


async def test_limits_of_another_tenant_are_a_fault(tenant: Tenant) -> None:
    alien = replace(tenant.budget(100), tenant_id=TenantId(uuid4()))
    with pytest.raises(ValueError, match="another tenant"):
        await tenant.limiter.reserve(tenant.demand(alien, cost=1))


async def test_without_limits_nothing_is_asked(tenant: Tenant) -> None:
    demand = tenant.demand(tokens=5, cost=7)
    assert await tenant.limiter.reserve(demand) == Granted(demand.reservation, 5, MicroDollars(7))
    await tenant.limiter.settle(demand.reservation, tokens=5, cost=MicroDollars(7))
    assert not await tenant.client.exists(*keys_of(tenant.id))


async def test_a_settlement_that_the_script_refuses_holds_up_no_other(tenant: Tenant) -> None:
    limit = tenant.budget(100)
    bad, good = tenant.demand(limit, cost=10), tenant.demand(limit, cost=90)
    for demand in (bad, good):
        await tenant.limiter.reserve(demand)
    live = tenant.limiter._live[bad.reservation]
    live.plan = replace(live.plan, text="nonsense")
    refused = tenant.limiter.release(bad.reservation)
    await tenant.limiter.release(good.reservation)
    await asyncio.wait([refused])
    assert refused.cancelled()
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=90)), Granted)


def test_all_keys_of_a_tenant_stand_in_one_slot() -> None:
    for _ in range(100):
        assert len({key_slot(key.encode()) for key in keys_of(TenantId(uuid4()))}) == 1


async def test_nothing_is_sent_for_a_reservation_of_another_worker(tenant: Tenant) -> None:
    settled = await tenant.limiter.settle(ExchangeId(uuid4()), tokens=1, cost=MicroDollars(1))
    assert settled == Settled(0, MicroDollars(0))
