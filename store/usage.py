"""Usage rows: the truth of money. The limiter's counters are rebuilt from these after a loss."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Date, Subquery, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import CredentialId, ExchangeId, PlaceholderId, TenantId, UserId
from policy.money import MicroDollars
from store.rows import columns, many
from store.tables import USAGE, USAGE_CORRECTION


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one call consumed, and by which price; ``cost_micro_dollars`` is ``None`` where none is known.

    ``list_micro_dollars`` is the cost before the discount. ``cost_centre`` is the user's at the time.
    """

    tenant_id: TenantId
    id: ExchangeId
    at: datetime
    team_id: UUID | None
    member_id: UserId | None
    placeholder_id: PlaceholderId | None
    credential_id: CredentialId | None
    provider: str | None
    model: str | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_micro_dollars: MicroDollars | None
    estimated: bool
    outcome: str
    list_micro_dollars: MicroDollars | None = None
    discount_basis_points: int = 0
    price_source: str | None = None
    price_version: str | None = None
    cost_centre: str | None = None


class Grouping(StrEnum):
    """By what usage is summed; each is a column."""

    TENANT = "tenant_id"
    TEAM = "team_id"
    USER = "member_id"
    PLACEHOLDER = "placeholder_id"
    CREDENTIAL = "credential_id"
    PROVIDER = "provider"
    MODEL = "model"
    COST_CENTRE = "cost_centre"


@dataclass(frozen=True, slots=True)
class Total:
    """The sum over one subject; ``unpriced`` is how many of its calls have no known price.

    ``list_micro_dollars`` is the cost before discounts. ``correction_micro_dollars`` is what was added, or
    with a minus taken off, when its calls were priced anew (``store.repricing``); it is not in the cost.
    """

    tenant_id: TenantId
    subject: UUID | str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cost_micro_dollars: MicroDollars
    unpriced: int
    list_micro_dollars: MicroDollars
    correction_micro_dollars: MicroDollars


_COLUMNS = columns(USAGE, UsageRow)


async def add(session: AsyncSession, *, rows: Sequence[UsageRow]) -> None:
    """Write usage rows; under ``Purpose.SHIPPING``, or of the session's own tenant."""
    if rows:
        await session.execute(insert(USAGE), [asdict(row) for row in rows])


async def totals(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    grouping: Grouping,
    member_id: UserId | None = None,
) -> list[Total]:
    """Sums over ``[since, until)`` for each subject of ``grouping``, within each tenant, dearest first."""
    used, corrected = USAGE.c, _corrections(since, until)
    subject = used[grouping.value].label("subject")
    cost = func.coalesce(func.sum(used.cost_micro_dollars), 0)
    query = (
        select(
            used.tenant_id,
            subject,
            func.count().label("requests"),
            func.sum(used.input_tokens).label("input_tokens"),
            func.sum(used.output_tokens).label("output_tokens"),
            cost.label("cost_micro_dollars"),
            (func.count() - func.count(used.cost_micro_dollars)).label("unpriced"),
            func.coalesce(func.sum(func.coalesce(used.list_micro_dollars, used.cost_micro_dollars)), 0).label(
                "list_micro_dollars"
            ),
            func.coalesce(func.sum(corrected.c.cost), 0).label("correction_micro_dollars"),
        )
        .select_from(
            USAGE.outerjoin(
                corrected,
                (corrected.c.tenant_id == used.tenant_id)
                & (corrected.c.usage_at == used.at)
                & (corrected.c.usage_id == used.id),
            )
        )
        .where(used.at >= since, used.at < until)
        .group_by(used.tenant_id, used[grouping.value])
        .order_by(cost.desc(), func.count().desc())
    )
    if member_id is not None:
        query = query.where(used.member_id == member_id)
    return await many(session, Total, query)


def _corrections(since: datetime, until: datetime) -> Subquery:
    """The corrections of each call of a period, summed."""
    of = USAGE_CORRECTION.c.tenant_id, USAGE_CORRECTION.c.usage_at, USAGE_CORRECTION.c.usage_id
    query = select(*of, func.sum(USAGE_CORRECTION.c.cost_micro_dollars).label("cost"))
    query = query.where(USAGE_CORRECTION.c.usage_at >= since, USAGE_CORRECTION.c.usage_at < until)
    return query.group_by(*of).subquery("corrected")


@dataclass(frozen=True, slots=True)
class CredentialDay:
    """What one credential was used for on one day in UTC; of ``requests`` so many are ``estimated``."""

    tenant_id: TenantId
    credential_id: CredentialId
    day: date
    requests: int
    estimated: int
    tokens: int


async def by_credential_and_day(
    session: AsyncSession, *, since: datetime, until: datetime
) -> list[CredentialDay]:
    """What went through the gateway in ``[since, until)``, by credential and day in UTC."""
    used = USAGE.c
    day = func.date_trunc("day", used.at, "UTC").op("AT TIME ZONE")("UTC").cast(Date)
    query = (
        select(
            used.tenant_id,
            used.credential_id,
            day.label("day"),
            func.count().label("requests"),
            func.count().filter(used.estimated).label("estimated"),
            func.coalesce(func.sum(used.input_tokens + used.output_tokens), 0).label("tokens"),
        )
        .where(used.at >= since, used.at < until, used.credential_id.is_not(None))
        .group_by(used.tenant_id, used.credential_id, day)
    )
    return await many(session, CredentialDay, query)


async def latest(session: AsyncSession, *, limit: int) -> list[UsageRow]:
    """The last rows, newest first."""
    return await many(session, UsageRow, select(*_COLUMNS).order_by(USAGE.c.at.desc()).limit(limit))


async def prepare_months(session: AsyncSession, *, months_ahead: int) -> None:
    """Make the partitions of this month and of ``months_ahead`` more (at most 24); any session may."""
    await session.execute(select(func.conduit.prepare_usage_months(months_ahead)))
