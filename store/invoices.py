"""What a tenant owes for a month in its own time zone: its usage rows, and the corrections made in it.

A correction stands in the month in which it was made, whenever the calls were: an invoice that was written
for an earlier month stays what it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import FromClause, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.money import MicroDollars
from store.rows import many
from store.tables import MEMBER, TEAM, USAGE, USAGE_CORRECTION


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
