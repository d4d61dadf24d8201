"""What a tenant owes for a month in its own time zone: its usage rows, and the corrections made in it.

A correction stands in the month in which it was made, whenever the calls were: an invoice that was written
for an earlier month stays what it was.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import FromClause, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy import price_data, spreadsheet
from policy.identifiers import TenantId
from policy.money import MicroDollars
from store.rows import many
from store.tables import MEMBER, TEAM, USAGE, USAGE_CORRECTION
from store.tenants import Tenant

CURRENCY = "USD"
# Of a year within which every time zone's midnights are times that the database knows.
_MONTH = re.compile(r"(2\d{3})-(0[1-9]|1[0-2])", re.ASCII)


class LineKind(StrEnum):
    """What a line is of: calls of the month, or calls of any time that were priced anew in it."""

    USAGE = "usage"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One user's calls of one model at one price, in the team and for the cost centre of that time.

    Cost is in micro-dollars, without the ``unpriced`` calls.
    ``user`` is ``None`` where nobody was named; ``estimated`` is how many calls no provider reported on.
    ``list_micro_dollars`` is before the discount; of a correction, what the calls would have been now.
    """

    kind: LineKind
    user_id: UUID | None
    user: str | None
    team: str | None
    cost_centre: str | None
    provider: str | None
    model: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cost_micro_dollars: MicroDollars
    unpriced: int
    estimated: int
    list_micro_dollars: MicroDollars
    discount_basis_points: int
    price_source: str | None
    price_version: str | None


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month, half open: ``[since, until)``."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a tenant owes for ``month`` (such as ``2026-11``), in micro-dollars of ``CURRENCY``.

    ``price_data`` is the edition of the list of prices that is in force now; each line says by which price
    it was charged.
    """

    tenant: str
    tenant_id: TenantId
    month: str
    time_zone: str
    since: datetime
    until: datetime
    lines: tuple[InvoiceLine, ...]
    requests: int
    unpriced: int
    list_micro_dollars: MicroDollars
    cost_micro_dollars: MicroDollars
    currency: str
    price_data: Mapping[str, str]


def invoice(tenant: Tenant, first: date, found: list[InvoiceLine]) -> Invoice:
    """The invoice of ``tenant`` for the month that ``first`` lies in, of the ``lines`` of that month."""
    period = month_of(first, tenant.time_zone)
    return Invoice(
        tenant=tenant.name,
        tenant_id=tenant.tenant_id,
        month=f"{first:%Y-%m}",
        time_zone=tenant.time_zone,
        since=period.since,
        until=period.until,
        lines=tuple(found),
        requests=sum(line.requests for line in found),
        unpriced=sum(line.unpriced for line in found),
        list_micro_dollars=MicroDollars(sum(line.list_micro_dollars for line in found)),
        cost_micro_dollars=MicroDollars(sum(line.cost_micro_dollars for line in found)),
        currency=CURRENCY,
        price_data=price_data.edition(),
    )


def as_csv(made: Invoice) -> str:
    """The lines for a spreadsheet, which runs none of them; each says its currency and price data."""
    names = [item.name for item in fields(InvoiceLine)]
    data = (made.currency, made.price_data["version"], made.price_data["date"])
    columns = [*names, "currency", "price_data_version", "price_data_date"]
    return spreadsheet.document(columns, [[*asdict(line).values(), *data] for line in made.lines])


def read_month(text: str) -> date:
    """The first day of a month such as ``2026-11``, of the years 2000 to 2999; raises ``ValueError``."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return date(int(found[1]), int(found[2]), 1)


def month_of(first: date, time_zone: str) -> Period:
    """The calendar month that ``first`` lies in, by the clocks of ``time_zone`` (an IANA name)."""
    zone = ZoneInfo(time_zone)
    until = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Period(
        datetime(first.year, first.month, 1, tzinfo=zone), datetime(until.year, until.month, 1, tzinfo=zone)
    )


async def lines(session: AsyncSession, *, period: Period) -> list[InvoiceLine]:
    """The lines of the session's tenant; every row of the period is in exactly one of them."""
    usage = await many(session, InvoiceLine, _usage_lines(period))
    return usage + await many(session, InvoiceLine, _correction_lines(period))


def _usage_lines(period: Period) -> Select[Any]:
    used = USAGE.c
    cost = func.coalesce(func.sum(used.cost_micro_dollars), 0)
    listed = func.coalesce(used.list_micro_dollars, used.cost_micro_dollars)
    price = (used.discount_basis_points, used.price_source, used.price_version)
    counts = {
        "requests": func.count(),
        "input_tokens": func.sum(used.input_tokens),
        "output_tokens": func.sum(used.output_tokens),
        "cost_micro_dollars": cost,
        "unpriced": func.count() - func.count(used.cost_micro_dollars),
        "estimated": func.count().filter(used.estimated),
        "list_micro_dollars": func.coalesce(func.sum(listed), 0),
    }
    query = _described(LineKind.USAGE, counts, price).select_from(_with_people(USAGE))
    return query.where(used.at >= period.since, used.at < period.until)


def _correction_lines(period: Period) -> Select[Any]:
    used, correction = USAGE.c, USAGE_CORRECTION.c
    price = (correction.discount_basis_points, correction.price_source, correction.price_version)
    counts = {
        "requests": func.count(),
        **dict.fromkeys(("input_tokens", "output_tokens", "unpriced", "estimated"), literal(0)),
        "cost_micro_dollars": func.sum(correction.cost_micro_dollars),
        "list_micro_dollars": func.sum(correction.list_micro_dollars),
    }
    # Where the call's row has been deleted meanwhile, its correction is still owed.
    corrected = USAGE_CORRECTION.outerjoin(
        USAGE,
        (used.tenant_id == correction.tenant_id)
        & (used.at == correction.usage_at)
        & (used.id == correction.usage_id),
    )
    query = _described(LineKind.CORRECTION, counts, price).select_from(_with_people(corrected))
    return query.where(correction.made_at >= period.since, correction.made_at < period.until)


def _described(kind: LineKind, counts: Mapping[str, Any], price: tuple[Any, ...]) -> Select[Any]:
    used, member, team = USAGE.c, MEMBER.c, TEAM.c
    of = (used.member_id, member.name, team.name, used.cost_centre, used.provider, used.model)
    return (
        select(
            literal(kind.value).label("kind"),
            used.member_id.label("user_id"),
            member.name.label("user"),
            team.name.label("team"),
            used.cost_centre,
            used.provider,
            used.model,
            *(count.label(name) for name, count in counts.items()),
            *price,
        )
        .group_by(*of, *price)
        .order_by(member.name, used.provider, used.model, *price)
    )


def _with_people(rows: FromClause) -> FromClause:
    used, member, team = USAGE.c, MEMBER.c, TEAM.c
    named = rows.outerjoin(MEMBER, (member.tenant_id == used.tenant_id) & (member.id == used.member_id))
    return named.outerjoin(TEAM, (team.tenant_id == used.tenant_id) & (team.id == used.team_id))
