"""The users of a tenant: the people and machines that calls are attributed to. They do not sign in here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId, UserId
from store.rows import columns, many, one, optional
from store.tables import CLAIMED_TENANT, MEMBER


@dataclass(frozen=True, slots=True)
class Member:
    tenant_id: TenantId
    id: UserId
    name: str
    role: str
    team_id: UUID | None
    cost_centre: str | None
    enabled: bool
    created_at: datetime


_COLUMNS = columns(MEMBER, Member)


async def create(
    session: AsyncSession,
    *,
    name: str,
    role: str = "member",
    team_id: UUID | None = None,
    cost_centre: str | None = None,
) -> Member:
    """Create a user; the name is unique within the tenant."""
    statement = insert(MEMBER).values(
        tenant_id=CLAIMED_TENANT, id=uuid7(), name=name, role=role, team_id=team_id, cost_centre=cost_centre
    )
    return await one(session, Member, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[Member]:
    """Every user, by name."""
    return await many(session, Member, select(*_COLUMNS).order_by(MEMBER.c.name))


async def find(session: AsyncSession, *, name: str) -> Member | None:
    """The user of this name."""
    return await optional(session, Member, select(*_COLUMNS).where(MEMBER.c.name == name))


async def get(session: AsyncSession, *, member_id: UserId) -> Member:
    """One user; raises ``NotFound``."""
    return await one(session, Member, select(*_COLUMNS).where(MEMBER.c.id == member_id))


async def assign(
    session: AsyncSession, *, member_id: UserId, team_id: UUID | None, cost_centre: str | None
) -> Member:
    """Put a user into a team and a cost centre; from then on they ride along to usage and events."""
    change = update(MEMBER).where(MEMBER.c.id == member_id)
    change = change.values(team_id=team_id, cost_centre=cost_centre)
    return await one(session, Member, change.returning(*_COLUMNS))


async def set_enabled(session: AsyncSession, *, member_id: UserId, enabled: bool) -> Member:
    """Let a user's calls through, or stop them."""
    change = update(MEMBER).where(MEMBER.c.id == member_id).values(enabled=enabled)
    return await one(session, Member, change.returning(*_COLUMNS))
