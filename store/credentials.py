"""Provider credentials without their secret; the envelope is in ``store.custody``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Update, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import CredentialId, TenantId
from policy.snapshot import Health
from store.rows import columns, many, one, optional
from store.tables import CLAIMED_TENANT, CREDENTIAL


class Purpose(StrEnum):
    """What a credential is for: the calls of those who hold its placeholders, or reading usage reports."""

    CALLS = "calls"
    USAGE = "usage"


@dataclass(frozen=True, slots=True)
class Options:
    """What may be stated of a credential besides its name and place.

    ``pool`` names those that stand for each other, ``weight`` (0 to 1000) is its share of their calls, and
    ``provider_key_id`` is the id by which the provider's usage reports know it.
    """

    weight: int = 1
    pool: str | None = None
    purpose: Purpose = Purpose.CALLS
    provider_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """``version`` counts the rotations; it is bound into the envelope, so an old envelope does not open.

    ``refused_at`` is when the provider last began to refuse this version, with ``refused_status``, and
    ``accepted_at`` when it took it again; ``refusals`` counts how often it began to.
    """

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
    purpose: Purpose
    pool: str | None
    provider_key_id: str | None
    refused_at: datetime | None
    refused_status: int | None
    refusals: int
    accepted_at: datetime | None

    @property
    def health(self) -> Health:
        """What the provider said of it."""
        return Health(self.refused_at, self.accepted_at, self.refusals)

    @property
    def bound_provider(self) -> str:
        """The provider as its envelope is bound to it: one of another purpose does not open for calls."""
        return self.provider if self.purpose is Purpose.CALLS else f"{self.provider}/{self.purpose}"


NO_OPTIONS = Options()
_COLUMNS = columns(CREDENTIAL, Credential)


async def create(
    session: AsyncSession, *, provider: str, name: str, hosts: Sequence[str], options: Options = NO_OPTIONS
) -> Credential:
    """Create a credential bound to ``hosts``; its name is unique among the tenant's live ones.

    Write its envelope in the same transaction (``custody.write_envelope``).
    """
    statement = insert(CREDENTIAL).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        provider=provider,
        name=name,
        hosts=list(hosts),
        weight=options.weight,
        pool=options.pool,
        purpose=options.purpose.value,
        provider_key_id=options.provider_key_id,
    )
    return await one(session, Credential, statement.returning(*_COLUMNS))


async def change(session: AsyncSession, *, credential_id: CredentialId, options: Options) -> Credential:
    """State weight, pool and the provider's id of a live credential anew; raises ``NotFound``."""
    return await one(
        session,
        Credential,
        _live(credential_id)
        .values(weight=options.weight, pool=options.pool, provider_key_id=options.provider_key_id)
        .returning(*_COLUMNS),
    )


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


async def in_pool(session: AsyncSession, *, pool: str) -> list[Credential]:
    """The live credentials of a pool, by name."""
    query = select(*_COLUMNS).where(CREDENTIAL.c.pool == pool, CREDENTIAL.c.revoked_at.is_(None))
    return await many(session, Credential, query.order_by(CREDENTIAL.c.name))


async def rotate(session: AsyncSession, *, credential_id: CredentialId) -> Credential:
    """Count the next version of a live credential; seal the new secret for it in the same transaction.

    What the provider said, and by which id it knew the key, was about the version before.
    """
    change = _live(credential_id).values(
        version=CREDENTIAL.c.version + 1,
        rotated_at=func.now(),
        provider_key_id=None,
        refused_at=None,
        refused_status=None,
        refusals=0,
        accepted_at=None,
    )
    return await one(session, Credential, change.returning(*_COLUMNS))


async def revoke(session: AsyncSession, *, credential_id: CredentialId) -> Credential:
    """End a live credential; destroy its envelope in the same transaction. Raises ``NotFound``."""
    change = _live(credential_id).values(revoked_at=func.now())
    return await one(session, Credential, change.returning(*_COLUMNS))


def _live(credential_id: CredentialId) -> Update:
    return update(CREDENTIAL).where(CREDENTIAL.c.id == credential_id, CREDENTIAL.c.revoked_at.is_(None))
