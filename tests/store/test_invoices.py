"""An invoice says what the rows say, to the micro-dollar; a month is the tenant's own."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.identifiers import TenantId, UserId
from policy.money import MICRO_DOLLARS_MAX, MicroDollars
from store import invoices, members, usage
from store.claim import Purpose
from store.door import Store
from store.invoices import month_of
from store.roles import RoleSecrets
from tests.store.conftest import a_tenant
from tests.store.test_usage import a_row

NOVEMBER = month_of(date(2026, 11, 1), "UTC")
AT = datetime(2026, 11, 15, tzinfo=UTC)
COSTS = st.one_of(st.none(), st.integers(0, 10), st.integers(0, MICRO_DOLLARS_MAX // 1000))
PEOPLE = st.sampled_from([None, *(UUID(int=number) for number in range(1, 4))])
MODELS = st.sampled_from([None, "gpt-5", "claude-opus-4-5"])


@settings(max_examples=15)
@given(st.lists(st.tuples(PEOPLE, MODELS, COSTS, st.booleans(), st.booleans()), max_size=30))
def test_the_lines_sum_to_the_rows_to_the_micro_dollar(role_secrets: RoleSecrets, calls) -> None:
    async def bill() -> None:
        console = await Store.open(role_secrets.console_dsn, role_secrets.claim_key)
        gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
        tenant = await a_tenant(console)
        rows = [
            a_row(
                tenant,
                member_id=person,
                model=model,
                cost_micro_dollars=cost,
                estimated=estimated,
                at=AT if within else NOVEMBER.until,
            )
            for person, model, cost, estimated, within in calls
        ]
        async with gateway.platform(Purpose.SHIPPING) as session:
            await usage.add(session, rows=rows)
        async with console.tenant(tenant) as session:
            found = await invoices.lines(session, period=NOVEMBER)
        await console.close()
        await gateway.close()
        billed = [row for row in rows if row.at == AT]
        assert sum(line.cost_micro_dollars for line in found) == sum(
            row.cost_micro_dollars or 0 for row in billed
        )
        assert sum(line.requests for line in found) == len(billed)
        assert sum(line.unpriced for line in found) == sum(row.cost_micro_dollars is None for row in billed)
        assert sum(line.estimated for line in found) == sum(row.estimated for row in billed)
        assert len(found) == len({(row.member_id, row.provider, row.model) for row in billed})

    asyncio.run(bill())


async def test_a_line_names_its_user_and_another_tenants_rows_are_in_none(
    store: Store, gateway: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    async with store.tenant(tenant) as session:
        alice = await members.create(session, name="alice", cost_centre="of today")
    mine = a_row(
        tenant, member_id=UserId(alice.id), at=AT, cost_micro_dollars=MicroDollars(7), cost_centre="4711"
    )
    async with gateway.platform(Purpose.SHIPPING) as session:
        await usage.add(session, rows=[mine, a_row(other_tenant, member_id=mine.member_id, at=AT)])
    async with store.tenant(tenant) as session:
        (line,) = await invoices.lines(session, period=NOVEMBER)
    assert (line.user, line.cost_centre, line.cost_micro_dollars, line.requests) == ("alice", "4711", 7, 1)


def test_a_month_begins_and_ends_at_the_tenants_midnight() -> None:
    december = month_of(date(2026, 12, 1), "Europe/Berlin")
    assert december.since == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert december.until == datetime(2026, 12, 31, 23, tzinfo=UTC)
    march = month_of(date(2026, 3, 1), "Europe/Berlin")
    in_utc = [moment.astimezone(UTC) for moment in (march.until, march.since)]
    assert in_utc[0] - in_utc[1] == timedelta(days=31) - timedelta(hours=1)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_months_meet_and_hold_their_days(day: date) -> None:
    period = month_of(day, "UTC")
    assert period.since.date() <= day < period.until.date()
    assert month_of(period.until.date(), "UTC").since == period.until
