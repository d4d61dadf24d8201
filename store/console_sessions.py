"""Sessions of signed-in administrators: kept as token digests, revocable, ended by time."""

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store.rows import many, optional
from store.tables import ADMINISTRATOR, CONSOLE_SESSION


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A session with whom it belongs to, as they are now. ``digest`` is of the cookie's token (32 bytes)."""

    tenant_id: TenantId
    id: UUID
    administrator_id: UUID
    digest: bytes = field(repr=False)
    source_address: IPv4Address | IPv6Address | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    name: str
    role: str


_COLUMNS = [*CONSOLE_SESSION.c, ADMINISTRATOR.c.name, ADMINISTRATOR.c.role]
_OWNER = (CONSOLE_SESSION.c.administrator_id == ADMINISTRATOR.c.id) & (
    CONSOLE_SESSION.c.tenant_id == ADMINISTRATOR.c.tenant_id
)


async def start(
    session: AsyncSession,
    *,
    tenant_id: TenantId,
    administrator_id: UUID,
    digest: bytes,
    source_address: IPv4Address | IPv6Address | None,
    expires_at: datetime,
) -> UUID:
    """Begin a session and return its id; for ``Purpose.SIGN_IN``."""
    session_id = uuid7()
    await session.execute(
        insert(CONSOLE_SESSION).values(
            tenant_id=tenant_id,
            id=session_id,
            administrator_id=administrator_id,
            digest=digest,
            source_address=source_address,
            expires_at=expires_at,
        )
    )
    return session_id


async def resume(
    session: AsyncSession, *, digest: bytes, now: datetime, idle_since: datetime
) -> ConsoleSession | None:
    """The live session of a token, marked as seen.

    ``None`` when the token is unknown, its session ended or idle since ``idle_since``, or its owner disabled.
    """
    change = update(CONSOLE_SESSION).where(*_live(digest, now, idle_since)).values(last_seen_at=now)
    return await optional(session, ConsoleSession, change.returning(*_COLUMNS))


async def look_up(
    session: AsyncSession, *, digest: bytes, now: datetime, idle_since: datetime
) -> ConsoleSession | None:
    """As ``resume``, without marking it as seen: for what a page does by itself, without its reader."""
    query = select(*_COLUMNS).where(*_live(digest, now, idle_since))
    return await optional(session, ConsoleSession, query)


def _live(digest: bytes, now: datetime, idle_since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        _OWNER,
        CONSOLE_SESSION.c.digest == digest,
        CONSOLE_SESSION.c.revoked_at.is_(None),
        CONSOLE_SESSION.c.expires_at > now,
        CONSOLE_SESSION.c.last_seen_at > idle_since,
        ADMINISTRATOR.c.enabled,
    )


async def revoke(session: AsyncSession, *, digest: bytes, now: datetime) -> bool:
    """End one session; whether there was one to end."""
    change = update(CONSOLE_SESSION).where(
        CONSOLE_SESSION.c.digest == digest, CONSOLE_SESSION.c.revoked_at.is_(None)
    )
    ended = await session.execute(change.values(revoked_at=now).returning(CONSOLE_SESSION.c.id))
    return ended.one_or_none() is not None


async def revoke_all(session: AsyncSession, *, administrator_id: UUID, now: datetime) -> int:
    """End every session of an administrator; how many."""
    change = update(CONSOLE_SESSION).where(
        CONSOLE_SESSION.c.administrator_id == administrator_id, CONSOLE_SESSION.c.revoked_at.is_(None)
    )
    ended = await session.execute(change.values(revoked_at=now).returning(CONSOLE_SESSION.c.id))
    return len(ended.all())


async def every(session: AsyncSession, *, administrator_id: UUID) -> list[ConsoleSession]:
    """Every session of an administrator, ended ones included, newest first."""
    query = select(*_COLUMNS).where(_OWNER, CONSOLE_SESSION.c.administrator_id == administrator_id)
    return await many(session, ConsoleSession, query.order_by(CONSOLE_SESSION.c.id.desc()))
