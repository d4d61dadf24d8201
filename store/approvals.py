"""Acts that want a second person: asked for by one, decided by another."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store.rows import columns, many, one
from store.tables import APPROVAL, CLAIMED_TENANT


class ApprovalState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Approval:
    tenant_id: TenantId
    id: UUID
    action: str
    subject: str
    requested_by: str
    decided_by: str | None
    state: ApprovalState
    requested_at: datetime
    decided_at: datetime | None
    expires_at: datetime


_COLUMNS = columns(APPROVAL, Approval)


async def request(
    session: AsyncSession, *, action: str, subject: str, requested_by: str, expires_at: datetime
) -> Approval:
    """Ask for a second person's approval of an act."""
    statement = insert(APPROVAL).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        action=action,
        subject=subject,
        requested_by=requested_by,
        expires_at=expires_at,
    )
    return await one(session, Approval, statement.returning(*_COLUMNS))


async def decide(
    session: AsyncSession, *, approval_id: UUID, state: ApprovalState, decided_by: str
) -> Approval:
    """Approve or refuse, once, before it expires. The database refuses that one person plays both."""
    change = update(APPROVAL).where(
        APPROVAL.c.id == approval_id,
        APPROVAL.c.state == ApprovalState.REQUESTED.value,
        APPROVAL.c.expires_at > func.now(),
    )
    change = change.values(state=state.value, decided_by=decided_by, decided_at=func.now())
    return await one(session, Approval, change.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[Approval]:
    """Every approval, newest first."""
    return await many(session, Approval, select(*_COLUMNS).order_by(APPROVAL.c.id.desc()))
