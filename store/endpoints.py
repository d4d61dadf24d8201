"""AI endpoints: what was decided about them, what was seen of them, who is excepted and until when."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.exchange import EndpointState
from policy.identifiers import TenantId, UserId
from store.rows import columns, many, one
from store.tables import (
    CLAIMED_TENANT,
    ENDPOINT_EXCEPTION,
    ENDPOINT_RULE,
    PLATFORM_ENDPOINT_RULE,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A tenant's decision about a host, and whose it is."""

    tenant_id: TenantId
    host: str
    state: EndpointState
    note: str
    updated_at: datetime
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class PlatformRule:
    """The decision about a host for every tenant that has none of its own."""

    host: str
    state: EndpointState
    note: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionSubject:
    """For whom: exactly one of the two is given (the database refuses anything else)."""

    member_id: UserId | None = None
    team_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EndpointException:
    """A user, or a team, that may use a host until ``expires_at`` whatever its state."""

    tenant_id: TenantId
    id: UUID
    host: str
    member_id: UserId | None
    team_id: UUID | None
    reason: str
    approved_by: str
    created_at: datetime
    expires_at: datetime


_RULE = columns(ENDPOINT_RULE, Rule)
_PLATFORM_RULE = columns(PLATFORM_ENDPOINT_RULE, PlatformRule)
_EXCEPTION = columns(ENDPOINT_EXCEPTION, EndpointException)


async def set_rule(
    session: AsyncSession, *, host: str, state: EndpointState, note: str = "", decided_by: str = ""
) -> Rule:
    """Decide about a host (canonical: lower case, A-label) for the tenant."""
    said = {"state": state.value, "note": note, "decided_by": decided_by}
    statement = insert(ENDPOINT_RULE).values(tenant_id=CLAIMED_TENANT, host=host, **said)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id", "host"], set_={**said, "updated_at": func.now()}
    )
    return await one(session, Rule, replaced.returning(*_RULE))


async def clear_rule(session: AsyncSession, *, host: str) -> Rule:
    """Take a decision back, so that the rule for all holds again; raises ``NotFound``."""
    statement = delete(ENDPOINT_RULE).where(ENDPOINT_RULE.c.host == host)
    return await one(session, Rule, statement.returning(*_RULE))


async def rules(session: AsyncSession) -> list[Rule]:
    """Every decision of the tenant, by host."""
    return await many(session, Rule, select(*_RULE).order_by(ENDPOINT_RULE.c.host))


async def set_platform_rule(
    session: AsyncSession, *, host: str, state: EndpointState, note: str = ""
) -> PlatformRule:
    """Decide about a host for all; for ``Purpose.ADMINISTRATION``."""
    statement = insert(PLATFORM_ENDPOINT_RULE).values(host=host, state=state.value, note=note)
    replaced = statement.on_conflict_do_update(
        index_elements=["host"], set_={"state": state.value, "note": note, "updated_at": func.now()}
    )
    return await one(session, PlatformRule, replaced.returning(*_PLATFORM_RULE))


async def clear_platform_rule(session: AsyncSession, *, host: str) -> PlatformRule:
    """Take a decision for all back; for ``Purpose.ADMINISTRATION``. Raises ``NotFound``."""
    statement = delete(PLATFORM_ENDPOINT_RULE).where(PLATFORM_ENDPOINT_RULE.c.host == host)
    return await one(session, PlatformRule, statement.returning(*_PLATFORM_RULE))


async def platform_rules(session: AsyncSession) -> list[PlatformRule]:
    """Every decision for all, by host; readable in any session."""
    query = select(*_PLATFORM_RULE).order_by(PLATFORM_ENDPOINT_RULE.c.host)
    return await many(session, PlatformRule, query)


async def add_exception(
    session: AsyncSession,
    *,
    host: str,
    subject: ExceptionSubject,
    reason: str,
    approved_by: str,
    expires_at: datetime,
) -> EndpointException:
    """Except a user or a team from the state of a host, for a reason and a time."""
    statement = insert(ENDPOINT_EXCEPTION).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        host=host,
        member_id=subject.member_id,
        team_id=subject.team_id,
        reason=reason,
        approved_by=approved_by,
        expires_at=expires_at,
    )
    return await one(session, EndpointException, statement.returning(*_EXCEPTION))


async def exceptions(session: AsyncSession) -> list[EndpointException]:
    """Every exception, expired ones included, oldest first."""
    return await many(session, EndpointException, select(*_EXCEPTION).order_by(ENDPOINT_EXCEPTION.c.id))


async def remove_exception(session: AsyncSession, *, exception_id: UUID) -> EndpointException:
    """End an exception before its time; raises ``NotFound``."""
    statement = delete(ENDPOINT_EXCEPTION).where(ENDPOINT_EXCEPTION.c.id == exception_id)
    return await one(session, EndpointException, statement.returning(*_EXCEPTION))
