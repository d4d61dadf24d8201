"""Hosts to which a tenant's clients that pin a certificate pass unread (``policy.pinning``)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, PINNED_BYPASS


@dataclass(frozen=True, slots=True)
class PinnedBypass:
    """One host, why, by whose approval, and until when."""

    tenant_id: TenantId
    host: str
    reason: str
    approved_by: str
    created_at: datetime
    expires_at: datetime


_COLUMNS = columns(PINNED_BYPASS, PinnedBypass)


async def put(
    session: AsyncSession, *, host: str, reason: str, approved_by: str, expires_at: datetime
) -> PinnedBypass:
    """Let a host (canonical) be passed to unread; what was said of it before is replaced."""
    said = {"reason": reason, "approved_by": approved_by, "expires_at": expires_at}
    statement = insert(PINNED_BYPASS).values(tenant_id=CLAIMED_TENANT, host=host, **said)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id", "host"], set_={**said, "created_at": func.now()}
    )
    return await one(session, PinnedBypass, replaced.returning(*_COLUMNS))


async def remove(session: AsyncSession, *, host: str) -> PinnedBypass:
    """Take it back; raises ``NotFound``."""
    statement = delete(PINNED_BYPASS).where(PINNED_BYPASS.c.host == host)
    return await one(session, PinnedBypass, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[PinnedBypass]:
    """Those of the tenant, by host; those that are over included."""
    return await many(session, PinnedBypass, select(*_COLUMNS).order_by(PINNED_BYPASS.c.host))
