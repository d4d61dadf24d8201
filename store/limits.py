"""Limits in force. Enforcement is ``store.limiter``; setting a limit never resets what was used."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import LimitId, PlaceholderId, TenantId, UserId
from policy.limits import Limit, LimitKind, LimitScope, Window
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, LIMIT_RULE


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit as it is stored; ``limit`` is the same as a decision reads it."""

    tenant_id: TenantId
    id: LimitId
    scope: LimitScope
    member_id: UserId | None
    placeholder_id: PlaceholderId | None
    kind: LimitKind
    amount: int
    budget_window: Window | None
    updated_at: datetime

    @property
    def limit(self) -> Limit:
        subject: UUID = self.placeholder_id or self.member_id or self.tenant_id
        return Limit(self.id, self.tenant_id, self.scope, subject, self.kind, self.amount, self.budget_window)


_COLUMNS = columns(LIMIT_RULE, LimitRule)
_KEY = ["tenant_id", "scope", "member_id", "placeholder_id", "kind", "budget_window"]


async def put(
    session: AsyncSession,
    *,
    kind: LimitKind,
    amount: int,
    member_id: UserId | None = None,
    placeholder_id: PlaceholderId | None = None,
    window: Window | None = None,
) -> LimitRule:
    """Set the one limit of this kind for the tenant, or for the user or placeholder that is named.

    ``amount`` is in the unit of ``kind``; ``window`` is given for budgets and only for them.
    """
    statement = insert(LIMIT_RULE).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        scope=_scope(member_id, placeholder_id).value,
        member_id=member_id,
        placeholder_id=placeholder_id,
        kind=kind.value,
        amount=amount,
        budget_window=window.value if window else None,
    )
    replaced = statement.on_conflict_do_update(
        index_elements=_KEY, set_={"amount": statement.excluded.amount, "updated_at": func.now()}
    )
    return await one(session, LimitRule, replaced.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[LimitRule]:
    """Every limit, oldest first."""
    return await many(session, LimitRule, select(*_COLUMNS).order_by(LIMIT_RULE.c.id))


async def remove(session: AsyncSession, *, limit_id: LimitId) -> LimitRule:
    """Remove a limit; raises ``NotFound``."""
    statement = delete(LIMIT_RULE).where(LIMIT_RULE.c.id == limit_id)
    return await one(session, LimitRule, statement.returning(*_COLUMNS))


def _scope(member_id: UserId | None, placeholder_id: PlaceholderId | None) -> LimitScope:
    """The database refuses both at once (a CHECK)."""
    if placeholder_id is not None:
        return LimitScope.PLACEHOLDER
    return LimitScope.USER if member_id is not None else LimitScope.TENANT
