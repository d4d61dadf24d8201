"""Usage rows add up, land in the partition of their month, and belong to their tenant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from policy.identifiers import ExchangeId, TenantId, UserId
from policy.money import MicroDollars
from store import usage
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord, TenancyViolation
from store.usage import Grouping, UsageRow

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def a_row(tenant: TenantId, **changed: object) -> UsageRow:
    row = UsageRow(
        tenant_id=tenant,
        id=ExchangeId(uuid7()),
        at=NOW,
        team_id=None,
        member_id=UserId(uuid7()),
        placeholder_id=None,
        credential_id=None,
        provider="openai",
        model="gpt-5",
        input_tokens=10,
        output_tokens=5,
        cache_read_tokens=0,
        cache_write_tokens=0,
        reasoning_tokens=0,
        cost_micro_dollars=MicroDollars(100),
        estimated=False,
        outcome="finished",
    )
    return replace(row, **changed)


async def test_totals_are_the_sums_of_the_rows(
    gateway: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    rows = [a_row(tenant), a_row(tenant, model="o5", cost_micro_dollars=None), a_row(tenant)]
    async with gateway.platform(Purpose.SHIPPING) as session:
        await usage.add(session, rows=[*rows, a_row(other_tenant)])
    async with gateway.tenant(tenant) as session:
        found = await usage.totals(session, since=NOW - DAY, until=NOW + DAY, grouping=Grouping.MODEL)
        assert await usage.totals(session, since=NOW - DAY, until=NOW, grouping=Grouping.MODEL) == []
    assert [(total.subject, total.requests, total.cost_micro_dollars, total.unpriced) for total in found] == [
        ("gpt-5", 2, 200, 0),
        ("o5", 1, 0, 1),
    ]
    async with gateway.tenant(tenant) as session:
        [mine] = await usage.totals(
            session,
            since=NOW - DAY,
            until=NOW + DAY,
            grouping=Grouping.USER,
            member_id=rows[0].member_id,
        )
    assert (mine.subject, mine.input_tokens, mine.output_tokens) == (rows[0].member_id, 10, 5)


@pytest.mark.parametrize("days", [-4000, 0, 31, 4000])
async def test_every_moment_has_a_partition(gateway: Store, tenant: TenantId, days: int) -> None:
    row = a_row(tenant, at=NOW + days * DAY)
    async with gateway.tenant(tenant) as session:
        await usage.add(session, rows=[row])
        assert await usage.latest(session, limit=5) == [row]


@pytest.mark.parametrize("purpose", [Purpose.ADMINISTRATION, Purpose.REPORTING])
async def test_any_session_makes_months_ahead(store: Store, purpose: Purpose) -> None:
    for _ in range(2):
        async with store.platform(purpose) as session:
            await usage.prepare_months(session, months_ahead=12)
    async with store.engine.connect() as connection:
        made = await connection.execute(
            text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'conduit.usage'::regclass")
        )
    assert made.scalar_one() >= 14


async def test_a_partition_cannot_be_read_past_its_parent(gateway: Store, tenant: TenantId) -> None:
    with pytest.raises(TenancyViolation):
        async with gateway.tenant(tenant) as session:
            await session.execute(text("SELECT * FROM conduit.usage_other"))


async def test_money_is_never_negative(gateway: Store, tenant: TenantId) -> None:
    with pytest.raises(InvalidRecord):
        async with gateway.tenant(tenant) as session:
            await usage.add(session, rows=[a_row(tenant, cost_micro_dollars=MicroDollars(-1))])


async def test_another_tenants_usage_cannot_be_written(
    gateway: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    with pytest.raises(TenancyViolation):
        async with gateway.tenant(tenant) as session:
            await usage.add(session, rows=[a_row(other_tenant)])
