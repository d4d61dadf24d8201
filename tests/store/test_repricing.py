"""Pricing anew shows first, corrects once by rows of its own, and sums agree to the micro-dollar."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from policy.identifiers import TenantId
from policy.money import MicroDollars
from policy.price_rules import OverridePrices
from store import events, invoices, price_acts, usage
from store.acts import Actor
from store.claim import Purpose
from store.door import Store
from store.errors import TenancyViolation
from store.invoices import LineKind, month_of
from store.prices import NewRule
from store.repricing import Repriced, reprice
from store.usage import Grouping
from tests.store.test_usage import a_row

TESTER = Actor("tester", "command line")
SPRING, SUMMER = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


async def calls(gateway: Store, tenant: TenantId, *costs: int | None) -> None:
    rows = [
        a_row(
            tenant,
            at=SPRING + timedelta(seconds=number),
            model="priced" if cost is not None else "unpriced",
            cost_micro_dollars=cost if cost is None else MicroDollars(cost),
            list_micro_dollars=cost if cost is None else MicroDollars(cost),
            price_source=None if cost is None else "genai-prices",
            price_version=None if cost is None else "0.1.0",
        )
        for number, cost in enumerate(costs)
    ]
    async with gateway.platform(Purpose.SHIPPING) as session:
        await usage.add(session, rows=rows)


async def run(store: Store, tenant: TenantId, *, apply: bool) -> Repriced:
    return await reprice(store, actor=TESTER, tenant_id=tenant, since=SPRING, until=SUMMER, apply=apply)


async def add(store: Store, tenant: TenantId, **said: Any) -> None:
    new = NewRule("openai", "*", SPRING, **said)
    await price_acts.set_price(store, actor=TESTER, tenant_id=tenant, new=new)


async def total(store: Store, tenant: TenantId) -> usage.Total:
    async with store.tenant(tenant) as session:
        [found] = await usage.totals(session, since=SPRING, until=SUMMER, grouping=Grouping.TENANT)
    return found


async def test_the_difference_is_shown_before_anything_is_written(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    await calls(gateway, tenant, 100, 33)
    await add(store, tenant, discount=1_000)
    shown = await run(store, tenant, apply=False)
    assert (shown.calls, shown.changed, shown.difference) == (2, 2, -13)
    assert (await total(store, tenant)).correction_micro_dollars == 0


async def test_a_correction_is_made_once_and_the_rows_stay(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    await calls(gateway, tenant, 100, None)
    await add(store, tenant, prices=OverridePrices(10_000_000, 20_000_000))
    first, second = await run(store, tenant, apply=True), await run(store, tenant, apply=True)
    assert (first.changed, first.difference) == (2, 300)  # 200 each: 100 was charged of the first
    assert (second.changed, second.difference) == (0, 0)
    after = await total(store, tenant)
    assert (after.cost_micro_dollars, after.correction_micro_dollars, after.requests) == (100, 300, 2)
    await add(store, tenant, discount=5_000)
    assert (await run(store, tenant, apply=True)).difference == -200
    assert (await total(store, tenant)).correction_micro_dollars == 100


async def test_two_at_once_correct_once(store: Store, gateway: Store, tenant: TenantId) -> None:
    await calls(gateway, tenant, 100)
    await add(store, tenant, discount=10_000)
    outcomes = await asyncio.gather(*(run(store, tenant, apply=True) for _ in range(3)))
    assert sorted(outcome.difference for outcome in outcomes) == [-100, 0, 0]


async def test_a_correction_is_in_the_invoice_of_its_own_month_and_an_earlier_one_does_not_move(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    await calls(gateway, tenant, 100, 33)
    march, today = month_of(date(2026, 3, 1), "UTC"), month_of(datetime.now(UTC).date(), "UTC")
    async with store.tenant(tenant) as session:
        before = await invoices.lines(session, period=march)
    await add(store, tenant, discount=1_000)
    await run(store, tenant, apply=True)
    async with store.tenant(tenant) as session:
        assert await invoices.lines(session, period=march) == before
        lines = await invoices.lines(session, period=today)
    assert {line.kind for line in lines} == {LineKind.CORRECTION}
    assert sum(line.cost_micro_dollars for line in lines) == -13
    assert sum(line.cost_micro_dollars for line in before) == 133


async def test_pricing_anew_is_in_the_record(store: Store, gateway: Store, tenant: TenantId) -> None:
    await calls(gateway, tenant, 100)
    await add(store, tenant, discount=10_000)
    await run(store, tenant, apply=False)
    await run(store, tenant, apply=True)
    async with store.tenant(tenant) as session:
        bodies = [event.body for event in await events.latest(session, limit=10)]
    assert [body.count("usage.reprice") for body in bodies if "usage.reprice" in body] == [1]


@pytest.mark.parametrize("statement", ["UPDATE conduit.usage_correction SET cost_micro_dollars = 0",
                                       "DELETE FROM conduit.usage_correction"])  # fmt: skip
async def test_a_correction_cannot_be_changed(store: Store, tenant: TenantId, statement: str) -> None:
    with pytest.raises(TenancyViolation):
        async with store.tenant(tenant) as session:
            await session.execute(text(statement))
