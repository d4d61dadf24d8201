"""Reading the record. Writing it is ``store.chain``: an event exists only as a link of its tenant's chain."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import PlaceholderId, TenantId, UserId
from store.rows import columns, many
from store.tables import EVENT

LIMIT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One link; ``body`` is the exact JSON text that was hashed."""

    tenant_id: TenantId
    sequence: int
    id: UUID
    at: datetime
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Search:
    """Which events; what is ``None`` does not narrow. ``since`` is inclusive, ``until`` is not."""

    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    user_id: UserId | None = None
    placeholder_id: PlaceholderId | None = None
    host: str | None = None
    model: str | None = None
    reason: str | None = None
    outcome: str | None = None


EVERYTHING = Search()
_COLUMNS = columns(EVENT, RecordedEvent)


async def latest(session: AsyncSession, *, limit: int, search: Search = EVERYTHING) -> list[RecordedEvent]:
    """The last ``limit`` events (at most ``LIMIT_MAX``) that match, newest first."""
    query = select(*_COLUMNS).order_by(EVENT.c.at.desc(), EVENT.c.sequence.desc())
    for name in ("kind", "user_id", "placeholder_id", "host", "model", "reason", "outcome"):
        wanted = getattr(search, name)
        if wanted is not None:
            query = query.where(EVENT.c[name] == wanted)
    if search.since is not None:
        query = query.where(EVENT.c.at >= search.since)
    if search.until is not None:
        query = query.where(EVENT.c.at < search.until)
    return await many(session, RecordedEvent, query.limit(min(limit, LIMIT_MAX)))
