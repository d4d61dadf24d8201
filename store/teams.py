"""Teams of a tenant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store.rows import columns, many, one, optional
from store.tables import CLAIMED_TENANT, TEAM


@dataclass(frozen=True, slots=True)
class Team:
    tenant_id: TenantId
    id: UUID
    name: str
    created_at: datetime


_COLUMNS = columns(TEAM, Team)


async def create(session: AsyncSession, *, name: str) -> Team:
    """Create a team; its name is unique within the tenant."""
    statement = insert(TEAM).values(tenant_id=CLAIMED_TENANT, id=uuid7(), name=name)
    return await one(session, Team, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[Team]:
    """Every team, by name."""
    return await many(session, Team, select(*_COLUMNS).order_by(TEAM.c.name))


async def find(session: AsyncSession, *, name: str) -> Team | None:
    """The team of this name."""
    return await optional(session, Team, select(*_COLUMNS).where(TEAM.c.name == name))


async def remove(session: AsyncSession, *, team_id: UUID) -> Team:
    """Remove a team that nobody belongs to; raises ``NotFound``."""
    return await one(session, Team, delete(TEAM).where(TEAM.c.id == team_id).returning(*_COLUMNS))
