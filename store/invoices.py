"""What a tenant owes for a month: the usage rows of that month in its own time zone, summed by line."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.money import MicroDollars
from store.rows import many
from store.tables import MEMBER, TEAM, USAGE


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One user's calls of one model. Cost in micro-dollars, without the ``unpriced`` calls.

    ``user`` is ``None`` where nobody was named; ``estimated`` is how many calls no provider reported on.
    """

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
    """The lines of the session's tenant; every usage row of the period is in exactly one of them."""
    used, member, team = USAGE.c, MEMBER.c, TEAM.c
    described = (used.member_id, member.name, team.name, member.cost_centre, used.provider, used.model)
    joined = USAGE.outerjoin(
        MEMBER, (member.tenant_id == used.tenant_id) & (member.id == used.member_id)
    ).outerjoin(TEAM, (team.tenant_id == member.tenant_id) & (team.id == member.team_id))
    query = (
        select(
            used.member_id.label("user_id"),
            member.name.label("user"),
            team.name.label("team"),
            member.cost_centre,
            used.provider,
            used.model,
            func.count().label("requests"),
            func.sum(used.input_tokens).label("input_tokens"),
            func.sum(used.output_tokens).label("output_tokens"),
            func.coalesce(func.sum(used.cost_micro_dollars), 0).label("cost_micro_dollars"),
            (func.count() - func.count(used.cost_micro_dollars)).label("unpriced"),
            func.count().filter(used.estimated).label("estimated"),
        )
        .select_from(joined)
        .where(used.at >= period.since, used.at < period.until)
        .group_by(*described)
        .order_by(member.name, used.provider, used.model)
    )
    return await many(session, InvoiceLine, query)
