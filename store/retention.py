"""How long a tenant's events and kept content stay, and the holds that forbid deleting either.

These are the rows; ``store.retention_acts`` has the acts, and migration 0012 what the database enforces.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store.rows import columns, many, one, optional
from store.tables import CLAIMED_TENANT, HOLD, RETENTION

# A hundred years; beyond it, keep without end.
DAYS_MAX = 36_500


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after which events and content are deleted; ``None`` keeps them.

    Events up to number ``through`` may be emptied, those up to ``emptied`` are.
    """

    tenant_id: TenantId
    event_days: int | None
    content_days: int | None
    through: int
    emptied: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of the tenant is deleted while it stands: until ``released_at`` is set."""

    tenant_id: TenantId
    id: UUID
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None
    release_reason: str | None


_COLUMNS = columns(RETENTION, Retention)
_HOLD_COLUMNS = columns(HOLD, Hold)


async def find(session: AsyncSession) -> Retention | None:
    """What the session's tenant has stated; ``None`` where it has stated nothing."""
    query = select(*_COLUMNS).where(RETENTION.c.tenant_id == CLAIMED_TENANT)
    return await optional(session, Retention, query)


async def put(session: AsyncSession, *, event_days: int | None, content_days: int | None) -> Retention:
    """State both periods of the session's tenant."""
    stated = {"event_days": event_days, "content_days": content_days}
    statement = upsert(RETENTION).values(tenant_id=CLAIMED_TENANT, **stated)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id"], set_={**stated, "updated_at": func.now()}
    )
    return await one(session, Retention, replaced.returning(*_COLUMNS))


async def place(session: AsyncSession, *, reason: str, placed_by: str) -> Hold:
    """Forbid deleting anything of the session's tenant."""
    statement = insert(HOLD).values(tenant_id=CLAIMED_TENANT, id=uuid7(), reason=reason, placed_by=placed_by)
    return await one(session, Hold, statement.returning(*_HOLD_COLUMNS))


async def release(session: AsyncSession, *, hold_id: UUID, released_by: str, reason: str) -> Hold:
    """End a hold. The database refuses it to who placed it; raises ``NotFound`` for one that has ended."""
    change = update(HOLD).where(HOLD.c.id == hold_id, HOLD.c.released_at.is_(None))
    change = change.values(released_by=released_by, released_at=func.now(), release_reason=reason)
    return await one(session, Hold, change.returning(*_HOLD_COLUMNS))


async def held(session: AsyncSession, *, tenant_id: TenantId) -> bool:
    """Whether a hold of this tenant stands; for ``Purpose.DELETION``, which sees those of all."""
    standing = select(func.count()).where(HOLD.c.tenant_id == tenant_id, HOLD.c.released_at.is_(None))
    return bool((await session.execute(standing)).scalar_one())


async def holds(session: AsyncSession) -> list[Hold]:
    """Every hold, standing or ended, newest first."""
    return await many(session, Hold, select(*_HOLD_COLUMNS).order_by(HOLD.c.id.desc()))
