"""Limits in force. Enforcement is ``store.limiter``; setting a limit never resets what was used."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import LimitId, PlaceholderId, TenantId, UserId
from policy.limit_setting import LimitSetting
from policy.limits import DEFAULT_THRESHOLDS, WINDOWED, Limit, LimitKind, LimitScope, Window
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, LIMIT_RULE


@dataclass(frozen=True, slots=True)
class LimitSubject:
    """Whom a limit counts for: at most one of the three, else the whole tenant; and which models of them."""

    team_id: UUID | None = None
    member_id: UserId | None = None
    placeholder_id: PlaceholderId | None = None
    model: str | None = None

    @property
    def scope(self) -> LimitScope:
        """The database refuses two of the three at once (a CHECK)."""
        if self.placeholder_id is not None:
            return LimitScope.PLACEHOLDER
        if self.member_id is not None:
            return LimitScope.USER
        return LimitScope.TENANT if self.team_id is None else LimitScope.TEAM


WHOLE_TENANT = LimitSubject()


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit as it is stored; ``limit`` is the same as a decision reads it."""

    tenant_id: TenantId
    id: LimitId
    scope: LimitScope
    team_id: UUID | None
    member_id: UserId | None
    placeholder_id: PlaceholderId | None
    model: str | None
    kind: LimitKind
    amount: int
    counting_window: Window | None
    rolling_hours: int | None
    burst: int | None
    thresholds: tuple[int, ...] | None
    updated_at: datetime

    @property
    def limit(self) -> Limit:
        return limit_of(self)


def limit_of(row: Any) -> Limit:
    """The limit that a row of the table, or a ``LimitRule``, says."""
    kind = LimitKind(row.kind)
    told_at = DEFAULT_THRESHOLDS if kind in WINDOWED else ()
    return Limit(
        id=row.id,
        tenant_id=row.tenant_id,
        scope=LimitScope(row.scope),
        subject=row.placeholder_id or row.member_id or row.team_id or row.tenant_id,
        kind=kind,
        amount=row.amount,
        window=Window(row.counting_window) if row.counting_window else None,
        model=row.model,
        burst=row.burst,
        hours=row.rolling_hours,
        thresholds=told_at if row.thresholds is None else tuple(row.thresholds),
    )


_COLUMNS = columns(LIMIT_RULE, LimitRule)
_KEY = [
    *("tenant_id", "scope", "team_id", "member_id", "placeholder_id", "model"),
    *("kind", "counting_window", "rolling_hours"),
]


async def put(
    session: AsyncSession, *, setting: LimitSetting, subject: LimitSubject = WHOLE_TENANT
) -> LimitRule:
    """Set the one limit of this kind and window for its subject, in place of one that was set before."""
    values = {
        "amount": setting.amount,
        "burst": setting.burst,
        "thresholds": None if setting.thresholds is None else list(setting.thresholds),
    }
    statement = insert(LIMIT_RULE).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        scope=subject.scope.value,
        team_id=subject.team_id,
        member_id=subject.member_id,
        placeholder_id=subject.placeholder_id,
        model=subject.model,
        kind=setting.kind.value,
        counting_window=setting.window.value if setting.window else None,
        rolling_hours=setting.hours,
        **values,
    )
    replaced = statement.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: statement.excluded[name] for name in values} | {"updated_at": func.now()},
    )
    return await one(session, LimitRule, replaced.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[LimitRule]:
    """Every limit, oldest first."""
    return await many(session, LimitRule, select(*_COLUMNS).order_by(LIMIT_RULE.c.id))


async def remove(session: AsyncSession, *, limit_id: LimitId) -> LimitRule:
    """Remove a limit; raises ``NotFound``."""
    statement = delete(LIMIT_RULE).where(LIMIT_RULE.c.id == limit_id)
    return await one(session, LimitRule, statement.returning(*_COLUMNS))
