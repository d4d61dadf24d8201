"""Provider credentials without their secret; the envelope is in ``store.custody``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import CredentialId, TenantId
from store.rows import columns, many, one, optional
from store.tables import CLAIMED_TENANT, CREDENTIAL


@dataclass(frozen=True, slots=True)
class Credential:
    """``version`` counts the rotations; it is bound into the envelope, so an old envelope does not open."""

    tenant_id: TenantId
    id: CredentialId
    provider: str
    name: str
    hosts: tuple[str, ...]
    version: int
    weight: int
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = columns(CREDENTIAL, Credential)


async def create(
    session: AsyncSession, *, provider: str, name: str, hosts: Sequence[str], weight: int = 1
) -> Credential:
    """Create a credential bound to ``hosts``; its name is unique among the tenant's live ones.

    Write its envelope in the same transaction (``custody.write_envelope``).
    """
    statement = insert(CREDENTIAL).values(
        tenant_id=CLAIMED_TENANT, id=uuid7(), provider=provider, name=name, hosts=list(hosts), weight=weight
    )
    return await one(session, Credential, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[Credential]:
    """Every credential, revoked ones included, by name."""
    return await many(session, Credential, select(*_COLUMNS).order_by(CREDENTIAL.c.name, CREDENTIAL.c.id))


async def find(session: AsyncSession, *, name: str) -> Credential | None:
    """The live credential of this name."""
    query = select(*_COLUMNS).where(CREDENTIAL.c.name == name, CREDENTIAL.c.revoked_at.is_(None))
    return await optional(session, Credential, query)


async def get(session: AsyncSession, *, credential_id: CredentialId) -> Credential:
    """One credential; raises ``NotFound``."""
    return await one(session, Credential, select(*_COLUMNS).where(CREDENTIAL.c.id == credential_id))


async def rotate(session: AsyncSession, *, credential_id: CredentialId) -> Credential:
    """Count the next version of a live credential; seal the new secret for it in the same transaction."""
    change = update(CREDENTIAL).where(CREDENTIAL.c.id == credential_id, CREDENTIAL.c.revoked_at.is_(None))
    change = change.values(version=CREDENTIAL.c.version + 1, rotated_at=func.now())
    return await one(session, Credential, change.returning(*_COLUMNS))


async def revoke(session: AsyncSession, *, credential_id: CredentialId) -> Credential:
    """End a live credential; destroy its envelope in the same transaction. Raises ``NotFound``."""
    change = update(CREDENTIAL).where(CREDENTIAL.c.id == credential_id, CREDENTIAL.c.revoked_at.is_(None))
    return await one(session, Credential, change.values(revoked_at=func.now()).returning(*_COLUMNS))
