"""Acts about how long the record stays: periods, holds, and the deletion itself.

Deleting begins with an act in the tenant's own chain, ``record.prune``: through which event, by which
period, and a checkpoint that was signed when those events were old enough. Only then does the database
empty them, a batch a transaction, and whoever finds it unfinished goes on.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store import retention
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord, RecordHeld
from store.retention import DAYS_MAX, Hold, Retention
from store.rows import optional
from store.tables import CHAIN_HEAD, RETENTION
from store.walk import PRUNE

# Small enough that no lock is held for long, large enough that a million events take minutes.
BATCH_EVENTS = 5000

# One tenant's newest checkpoint that was signed so long ago that all it covers is old enough.
_OLD_ENOUGH = text(
    "SELECT sequence, note FROM conduit.checkpoint WHERE tenant_id = :tenant AND sequence > :after"
    " AND created_at <= now() - make_interval(days => :days) ORDER BY sequence DESC LIMIT 1"
)
_SIGNED_AT = re.compile(r"^time (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a run deleted: so many events, up to number ``through``; ``held`` where a hold stands."""

    tenant_id: TenantId
    events: int
    through: int
    held: bool


async def set_retention(
    store: Store,
    *,
    actor: Actor,
    tenant_id: TenantId,
    event_days: int | None,
    content_days: int | None,
    days_min: int,
) -> Retention:
    """State a tenant's periods in days; ``None`` keeps without end.

    Raises ``InvalidRecord`` for a period of events below ``days_min``, the operator's, or over ``DAYS_MAX``.
    """
    if event_days is not None and not days_min <= event_days <= DAYS_MAX:
        raise InvalidRecord(f"events are kept for {days_min} to {DAYS_MAX} days, or without end")
    if content_days is not None and not 0 <= content_days <= DAYS_MAX:
        raise InvalidRecord(f"content is kept for 0 to {DAYS_MAX} days, or as long as events")
    async with store.tenant(tenant_id) as session:
        stated = await retention.put(session, event_days=event_days, content_days=content_days)
        await record(
            session,
            actor,
            "retention.set",
            tenant_id=tenant_id,
            target=tenant_id,
            event_days=event_days,
            content_days=content_days,
        )
    return stated


async def place_hold(store: Store, *, actor: Actor, tenant_id: TenantId, reason: str) -> Hold:
    """Forbid deleting anything of a tenant, until somebody else releases it."""
    async with store.tenant(tenant_id) as session:
        placed = await retention.place(session, reason=_stated(reason), placed_by=actor.name)
        await record(
            session, actor, "hold.place", tenant_id=tenant_id, target=placed.id, reason=placed.reason
        )
    return placed


async def release_hold(
    store: Store, *, actor: Actor, tenant_id: TenantId, hold_id: UUID, reason: str
) -> Hold:
    """End a hold; raises ``InvalidRecord`` for who placed it, ``NotFound`` for one that does not stand."""
    async with store.tenant(tenant_id) as session:
        standing = [each for each in await retention.holds(session) if each.id == hold_id]
        if standing and standing[0].placed_by == actor.name:
            raise InvalidRecord("a hold is released by another person than the one who placed it")
        ended = await retention.release(
            session, hold_id=hold_id, released_by=actor.name, reason=_stated(reason)
        )
        await record(
            session,
            actor,
            "hold.release",
            tenant_id=tenant_id,
            target=hold_id,
            placed_by=ended.placed_by,
            reason=ended.release_reason,
        )
    return ended


async def prune(
    store: Store, *, actor: Actor, tenant_id: TenantId, batch_events: int = BATCH_EVENTS
) -> Pruned:
    """Delete the text of every event of a tenant that is older than its period; may be killed and repeated.

    Deletes nothing while a hold stands.
    """
    try:
        through = await _permit(store, actor, tenant_id)
        events = 0
        while through:
            async with store.platform(Purpose.DELETION) as session:
                batch = await session.scalar(select(func.conduit.empty_events(tenant_id, batch_events)))
            if not batch:
                break
            events += int(batch)
    except RecordHeld:
        return Pruned(tenant_id, 0, 0, held=True)
    return Pruned(tenant_id, events, through, held=False)


async def _permit(store: Store, actor: Actor, tenant_id: TenantId) -> int:
    """State in the chain how far may be deleted, if further than before; raises ``RecordHeld``."""
    async with store.platform(Purpose.DELETION) as session:
        stated = await _stated_by(session, tenant_id)
        if stated is None or stated.event_days is None:
            return stated.through if stated is not None else 0
        place = {"tenant": tenant_id, "after": stated.through, "days": stated.event_days}
        found = (await session.execute(_OLD_ENOUGH, place)).one_or_none()
        if found is None or not _signed_before(found.note, stated.event_days):
            return stated.through
        await record(
            session,
            actor,
            PRUNE,
            tenant_id=tenant_id,
            target=tenant_id,
            through=found.sequence,
            days=stated.event_days,
            checkpoint=found.note,
        )
        head = select(CHAIN_HEAD.c.sequence).where(CHAIN_HEAD.c.tenant_id == tenant_id)
        act = (await session.execute(head)).scalar_one()
        await session.execute(select(func.conduit.permit_emptying(tenant_id, act)))
    return int(found.sequence)


async def _stated_by(session: AsyncSession, tenant_id: TenantId) -> Retention | None:
    if await retention.held(session, tenant_id=tenant_id):
        raise RecordHeld("the record of this tenant is under a hold")
    query = select(*RETENTION.c).where(RETENTION.c.tenant_id == tenant_id)
    return await optional(session, Retention, query)


def _signed_before(note: str, days: int) -> bool:
    """Whether the signer's own clock says so too: that is what verification will ask."""
    signed_at = _SIGNED_AT.search(note)
    return signed_at is not None and datetime.fromisoformat(signed_at[1]) + timedelta(
        days=days
    ) <= datetime.now(UTC)


def _stated(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise InvalidRecord("a hold states its reason")
    return text
