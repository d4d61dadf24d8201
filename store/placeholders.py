"""Placeholders: stored as the keyed digest alone, bound to a user and a credential of the same tenant."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from policy.snapshot import Network
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Binding:
    """What a placeholder may be used for; empty ``models`` or ``networks`` restrict nothing.

    It stands for one credential, or for all of a pool where ``credential_id`` is ``None``.
    """

    member_id: UserId
    credential_id: CredentialId | None
    models: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    expires_at: datetime | None = None
    honeytoken: bool = False
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class Placeholder:
    tenant_id: TenantId
    id: PlaceholderId
    member_id: UserId
    credential_id: CredentialId | None
    digest: bytes = field(repr=False)
    models: frozenset[str]
    networks: tuple[Network, ...]
    honeytoken: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    pool: str | None


_COLUMNS = columns(PLACEHOLDER, Placeholder)


async def create(session: AsyncSession, *, digest: bytes, binding: Binding) -> Placeholder:
    """Keep the keyed digest (32 bytes) of a new placeholder; raises where user or credential is not here."""
    statement = insert(PLACEHOLDER).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        digest=digest,
        member_id=binding.member_id,
        credential_id=binding.credential_id,
        pool=binding.pool,
        models=sorted(binding.models),
        networks=list(binding.networks),
        expires_at=binding.expires_at,
        honeytoken=binding.honeytoken,
    )
    return await one(session, Placeholder, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[Placeholder]:
    """Every placeholder, revoked and expired ones included, oldest first."""
    return await many(session, Placeholder, select(*_COLUMNS).order_by(PLACEHOLDER.c.id))


async def get(session: AsyncSession, *, placeholder_id: PlaceholderId) -> Placeholder:
    """One placeholder; raises ``NotFound``."""
    return await one(session, Placeholder, select(*_COLUMNS).where(PLACEHOLDER.c.id == placeholder_id))


async def revoke(session: AsyncSession, *, placeholder_id: PlaceholderId) -> Placeholder:
    """End a placeholder; raises ``NotFound`` where there is none that lives."""
    change = update(PLACEHOLDER).where(PLACEHOLDER.c.id == placeholder_id, PLACEHOLDER.c.revoked_at.is_(None))
    return await one(session, Placeholder, change.values(revoked_at=func.now()).returning(*_COLUMNS))


async def revoke_all(session: AsyncSession, *, member_ids: Iterable[UserId]) -> list[Placeholder]:
    """End every live placeholder of these users."""
    change = update(PLACEHOLDER).where(
        PLACEHOLDER.c.member_id.in_(list(member_ids)), PLACEHOLDER.c.revoked_at.is_(None)
    )
    return await many(session, Placeholder, change.values(revoked_at=func.now()).returning(*_COLUMNS))
