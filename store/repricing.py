"""Calls priced anew: shown first, then written as corrections beside the usage rows, which never change."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.exchange import Priced
from policy.identifiers import TenantId
from policy.money import MicroDollars
from policy.price_rules import Terms, terms_of
from policy.repricing import Charged, charged_by_list, repriced
from store import prices
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.tables import USAGE_CORRECTION

BATCH_ROWS = 1_000

# The last correction says by which price a call is charged now; all of them together, what it costs.
_ROWS = text("""
    SELECT used.*, correction.made, correction.cost AS corrected, last.list_micro_dollars AS last_listed,
           last.discount_basis_points AS last_discount, last.price_source AS last_source,
           last.price_version AS last_version
    FROM conduit.usage AS used
    LEFT JOIN LATERAL (
        SELECT count(*) AS made, sum(cost_micro_dollars) AS cost FROM conduit.usage_correction
        WHERE tenant_id = used.tenant_id AND usage_at = used.at AND usage_id = used.id
    ) AS correction ON true
    LEFT JOIN LATERAL (
        SELECT * FROM conduit.usage_correction
        WHERE tenant_id = used.tenant_id AND usage_at = used.at AND usage_id = used.id
        ORDER BY id DESC LIMIT 1
    ) AS last ON true
    WHERE used.at >= :since AND used.at < :until ORDER BY used.at, used.id""")


@dataclass(slots=True)
class Difference:
    """What pricing anew changes for one model: calls, and micro-dollars before and after."""

    provider: str | None
    model: str | None
    calls: int = 0
    before: int = 0
    after: int = 0

    @property
    def difference(self) -> int:
        """In micro-dollars; negative where calls become cheaper."""
        return self.after - self.before


@dataclass(slots=True)
class Repriced:
    """The outcome: how many calls were looked at, and what changes, by provider and model."""

    calls: int = 0
    differences: dict[tuple[str | None, str | None], Difference] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many calls cost something else."""
        return sum(each.calls for each in self.differences.values())

    @property
    def difference(self) -> int:
        """In micro-dollars, over all."""
        return sum(each.difference for each in self.differences.values())


async def reprice(
    store: Store, *, actor: Actor, tenant_id: TenantId, since: datetime, until: datetime, apply: bool
) -> Repriced:
    """Price a tenant's calls of ``[since, until)`` by the rules in force for their moments.

    With ``apply`` each difference is written as a correction of today, with one act over all of them in the
    same transaction; without it nothing is written. Budgets count what was charged at the time of the calls.
    """
    async with store.platform(Purpose.REPORTING) as reporting:
        rules = await prices.in_force_for(reporting, tenant_id=tenant_id)
    terms, outcome, now = terms_of(rule.as_policy() for rule in rules), Repriced(), datetime.now(UTC)
    async with store.tenant(tenant_id) as session:
        if apply:
            # Two at once would both find the same differences, and correct them twice.
            lock = func.pg_advisory_xact_lock(func.hashtextextended(f"conduit.reprice {tenant_id}", 0))
            await session.execute(select(lock))
        async for batch in _batches(session, since, until):
            corrections = [found for row in batch if (found := _corrected(row, terms, outcome, now))]
            if apply and corrections:
                await session.execute(insert(USAGE_CORRECTION), corrections)
        if apply:
            await record(
                session,
                actor,
                "usage.reprice",
                tenant_id=tenant_id,
                target=tenant_id,
                since=since.isoformat(),
                until=until.isoformat(),
                calls=outcome.changed,
                difference_micro_dollars=outcome.difference,
            )
    return outcome


async def _batches(session: AsyncSession, since: datetime, until: datetime) -> AsyncIterator[list[Row[Any]]]:
    statement = _ROWS.bindparams(since=since, until=until).execution_options(yield_per=BATCH_ROWS)
    result = await session.stream(statement)
    async for batch in result.partitions():
        yield list(batch)


def _corrected(row: Row[Any], terms: Terms, outcome: Repriced, now: datetime) -> dict[str, Any] | None:
    """The correction of one call, if it needs one; ``outcome`` takes note of it."""
    outcome.calls += 1
    before = _priced(row)
    new = repriced(Charged(row.provider, row.model, row.at, _units(row), before), terms)
    if new is None:
        return None
    amount = before.amount if before is not None else 0
    subject = (row.provider, row.model)
    found = outcome.differences.setdefault(subject, Difference(*subject))
    found.calls += 1
    found.before += amount
    found.after += new.amount
    return {
        "tenant_id": row.tenant_id,
        "id": uuid7(),
        "usage_id": row.id,
        "usage_at": row.at,
        "made_at": now,
        "cost_micro_dollars": new.amount - amount,
        "list_micro_dollars": new.listed,
        "discount_basis_points": new.discount,
        "price_source": new.source,
        "price_version": new.version,
    }


def _priced(row: Row[Any]) -> Priced | None:
    cost = MicroDollars((row.cost_micro_dollars or 0) + int(row.corrected or 0))
    if row.made:
        return Priced(cost, row.last_listed, row.last_source, row.last_version, row.last_discount)
    if row.cost_micro_dollars is None:
        return None
    if row.list_micro_dollars is None or row.price_source is None:
        return charged_by_list(cost)
    return Priced(
        cost, row.list_micro_dollars, row.price_source, row.price_version or "", row.discount_basis_points
    )


def _units(row: Row[Any]) -> dict[str, int]:
    return {
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "output_reasoning_tokens": row.reasoning_tokens,
    }
