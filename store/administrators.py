"""Who signs in to the console: administrators, their sessions, and the one-time links that invite them.

Everything here runs in a platform session: signing in and accepting under ``Purpose.SIGN_IN``, the rest
under ``Purpose.ADMINISTRATION``. An administrator of the tenant ``store.tenants.PLATFORM`` administers the
platform; any other, that tenant alone. Passwords are hashed and tokens digested by the caller.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store.errors import OneTimeUseSpent
from store.rows import columns, many, one, optional
from store.tables import ADMINISTRATOR, INVITATION


@dataclass(frozen=True, slots=True)
class Administrator:
    """``totp_step`` is the last 30 s step whose code was accepted; ``locked_until`` ends a lock-out."""

    tenant_id: TenantId
    id: UUID
    name: str
    role: str
    password_hash: str = field(repr=False)
    totp_secret: bytes = field(repr=False)
    totp_step: int
    failed_attempts: int
    locked_until: datetime | None
    enabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link, kept as the digest (32 bytes) of its token."""

    tenant_id: TenantId
    id: UUID
    digest: bytes = field(repr=False)
    name: str
    role: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an invited person chose: an argon2id hash, and the TOTP secret wrapped by the vault."""

    password_hash: str = field(repr=False)
    totp_secret: bytes = field(repr=False)
    totp_step: int


_ADMINISTRATOR = columns(ADMINISTRATOR, Administrator)
_INVITATION = columns(INVITATION, Invitation)


async def invite(
    session: AsyncSession,
    *,
    tenant_id: TenantId,
    name: str,
    role: str,
    digest: bytes,
    expires_at: datetime,
) -> Invitation:
    """Keep a one-time invitation for a sign-in name and a role in a tenant."""
    statement = insert(INVITATION).values(
        tenant_id=tenant_id, id=uuid7(), name=name, role=role, digest=digest, expires_at=expires_at
    )
    return await one(session, Invitation, statement.returning(*_INVITATION))


async def open_invitation(session: AsyncSession, *, digest: bytes, now: datetime) -> Invitation:
    """The invitation while it may still be used; raises ``OneTimeUseSpent`` otherwise."""
    query = select(*_INVITATION).where(INVITATION.c.digest == digest, *_still_open(now))
    found = await optional(session, Invitation, query)
    if found is None:
        raise OneTimeUseSpent("the invitation is not valid, or no longer")
    return found


async def accept(
    session: AsyncSession, *, digest: bytes, now: datetime, enrolment: Enrolment
) -> Administrator:
    """Use an invitation up and create its administrator, in one transaction.

    Of two that come at once, one gets the administrator; the other, ``OneTimeUseSpent``.
    """
    change = update(INVITATION).where(INVITATION.c.digest == digest, *_still_open(now)).values(used_at=now)
    used = await optional(session, Invitation, change.returning(*_INVITATION))
    if used is None:
        raise OneTimeUseSpent("the invitation is not valid, or no longer")
    statement = insert(ADMINISTRATOR).values(
        tenant_id=used.tenant_id,
        id=uuid7(),
        name=used.name,
        role=used.role,
        password_hash=enrolment.password_hash,
        totp_secret=enrolment.totp_secret,
        totp_step=enrolment.totp_step,
    )
    return await one(session, Administrator, statement.returning(*_ADMINISTRATOR))


async def every(session: AsyncSession) -> list[Administrator]:
    """Every administrator, by name."""
    query = select(*_ADMINISTRATOR).order_by(ADMINISTRATOR.c.name)
    return await many(session, Administrator, query)


async def find(session: AsyncSession, *, name: str) -> Administrator | None:
    """The administrator of this sign-in name, whatever its case; enabled or not, locked or not."""
    query = select(*_ADMINISTRATOR).where(func.lower(ADMINISTRATOR.c.name) == name.lower())
    return await optional(session, Administrator, query)


async def accept_totp_step(session: AsyncSession, *, administrator_id: UUID, step: int) -> Administrator:
    """Accept a code of this step once, and forget failed attempts.

    Compare and set: raises ``OneTimeUseSpent`` where this step or a later one was accepted before
    (RFC 6238 section 5.2), also when two come at once.
    """
    change = update(ADMINISTRATOR).where(
        ADMINISTRATOR.c.id == administrator_id, ADMINISTRATOR.c.totp_step < step
    )
    change = change.values(totp_step=step, failed_attempts=0, locked_until=None)
    found = await optional(session, Administrator, change.returning(*_ADMINISTRATOR))
    if found is None:
        raise OneTimeUseSpent("the code was used before")
    return found


async def count_failure(
    session: AsyncSession, *, administrator_id: UUID, attempts_max: int, locked_until: datetime
) -> Administrator:
    """Count a failed sign-in; from ``attempts_max`` on, lock until ``locked_until``."""
    attempts = ADMINISTRATOR.c.failed_attempts + 1
    change = (
        update(ADMINISTRATOR)
        .where(ADMINISTRATOR.c.id == administrator_id)
        .values(
            failed_attempts=attempts,
            locked_until=case((attempts >= attempts_max, locked_until), else_=ADMINISTRATOR.c.locked_until),
        )
    )
    return await one(session, Administrator, change.returning(*_ADMINISTRATOR))


async def set_enabled(session: AsyncSession, *, administrator_id: UUID, enabled: bool) -> Administrator:
    """Let an administrator sign in, or not; end the sessions with ``console_sessions.revoke_all``."""
    change = update(ADMINISTRATOR).where(ADMINISTRATOR.c.id == administrator_id).values(enabled=enabled)
    return await one(session, Administrator, change.returning(*_ADMINISTRATOR))


async def replace_totp_secret(session: AsyncSession, *, administrator_id: UUID, totp_secret: bytes) -> None:
    """Keep the same secret wrapped by another key; for ``Purpose.ADMINISTRATION``."""
    change = update(ADMINISTRATOR).where(ADMINISTRATOR.c.id == administrator_id)
    await session.execute(change.values(totp_secret=totp_secret))


def _still_open(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return INVITATION.c.used_at.is_(None), INVITATION.c.expires_at > now
