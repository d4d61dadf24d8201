"""Tenants. They are created and listed in platform sessions; a tenant session sees its own alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from policy.money import MicroDollars
from store.rows import columns, many, one, optional
from store.tables import TENANT

# What belongs to no tenant (platform acts, unidentified calls) is recorded under this one.
PLATFORM = TenantId(UUID(int=0))

# The two synthetic tenants of ``store.canary``: nobody's, so they are in no list and in no snapshot.
CANARIES = (TenantId(UUID(int=1)), TenantId(UUID(int=2)))
INTERNAL = (PLATFORM, *CANARIES)


class TenantState(StrEnum):
    """Where a tenant is in its life: ``active`` → ``deleting`` → ``deleted``; there is no way back."""

    ACTIVE = "active"
    DELETING = "deleting"
    DELETED = "deleted"


class DegradedMode(StrEnum):
    """What happens to a tenant's calls while the limiter is away."""

    CLOSED = "closed"
    LOCAL_ALLOWANCE = "local_allowance"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant's settings. ``time_zone`` is an IANA name; budgets turn over at its midnights.

    ``degraded_allowance`` is micro-dollars an hour, of ``local_allowance`` alone (``policy.allowance``).
    ``decrypt_unknown`` and ``never_decrypted`` are for TLS to hosts outside the catalogue; ``None``: as the
    operator decided (``policy.decryption``).
    """

    tenant_id: TenantId
    name: str
    region: str
    data_residency: tuple[str, ...]
    time_zone: str
    degraded_mode: DegradedMode
    degraded_allowance: MicroDollars | None
    enabled: bool
    state: TenantState
    created_at: datetime
    decrypt_unknown: bool | None
    never_decrypted: tuple[str, ...]


_COLUMNS = columns(TENANT, Tenant)


async def create(session: AsyncSession, *, name: str, region: str, time_zone: str = "UTC") -> Tenant:
    """Create a tenant; for ``Purpose.ADMINISTRATION``."""
    values = {"tenant_id": uuid7(), "name": name, "region": region, "time_zone": time_zone}
    return await one(session, Tenant, insert(TENANT).values(values).returning(*_COLUMNS))


async def create_canaries(session: AsyncSession) -> None:
    """Create the two synthetic tenants where they are missing; for ``Purpose.ADMINISTRATION``."""
    rows = [
        {"tenant_id": tenant_id, "name": f"isolation canary {number}", "region": "platform"}
        for number, tenant_id in enumerate(CANARIES, start=1)
    ]
    await session.execute(insert(TENANT).values(rows).on_conflict_do_nothing())


async def every(session: AsyncSession) -> list[Tenant]:
    """Every tenant that the session may see, by name; the platform is none, a deleted one no more."""
    query = select(*_COLUMNS).where(TENANT.c.tenant_id.not_in(INTERNAL)).order_by(TENANT.c.name)
    query = query.where(TENANT.c.state != TenantState.DELETED.value)
    return await many(session, Tenant, query)


async def find(session: AsyncSession, *, name: str) -> Tenant | None:
    """The tenant of this name, whatever its case."""
    query = select(*_COLUMNS).where(func.lower(TENANT.c.name) == name.lower())
    return await optional(session, Tenant, query.where(TENANT.c.tenant_id.not_in(INTERNAL)))


async def get(session: AsyncSession, *, tenant_id: TenantId) -> Tenant:
    """One tenant; raises ``NotFound``."""
    return await one(session, Tenant, select(*_COLUMNS).where(TENANT.c.tenant_id == tenant_id))


async def set_enabled(session: AsyncSession, *, tenant_id: TenantId, enabled: bool) -> Tenant:
    """Let a tenant's calls through, or stop them; for ``Purpose.ADMINISTRATION``."""
    return await _changed(session, tenant_id, enabled=enabled)


async def set_state(session: AsyncSession, *, tenant_id: TenantId, state: TenantState) -> Tenant:
    """Step a tenant through its deletion (``store.erasure``); it stops calling with the first step."""
    return await _changed(session, tenant_id, state=state.value, enabled=False)


async def set_time_zone(session: AsyncSession, *, tenant_id: TenantId, time_zone: str) -> Tenant:
    """Say where a tenant's days and months turn over."""
    return await _changed(session, tenant_id, time_zone=time_zone)


async def set_residency(session: AsyncSession, *, tenant_id: TenantId, regions: Sequence[str]) -> Tenant:
    """Name the regions in which a tenant's data may be processed; none: every one."""
    return await _changed(session, tenant_id, data_residency=list(regions))


async def set_allowance(
    session: AsyncSession, *, tenant_id: TenantId, allowance: MicroDollars | None
) -> Tenant:
    """Say what a tenant's calls may cost while the limiter is away, and with it its degraded mode."""
    mode = DegradedMode.CLOSED if allowance is None else DegradedMode.LOCAL_ALLOWANCE
    return await _changed(session, tenant_id, degraded_mode=mode.value, degraded_allowance=allowance)


async def set_decryption(
    session: AsyncSession, *, tenant_id: TenantId, unknown: bool | None, never: Sequence[str]
) -> Tenant:
    """Say whether TLS of a tenant's callers to unknown hosts is looked into, and to which of them never."""
    return await _changed(session, tenant_id, decrypt_unknown=unknown, never_decrypted=list(never))


async def _changed(session: AsyncSession, tenant_id: TenantId, **values: Any) -> Tenant:
    """The tenant with these columns changed and no other; raises ``NotFound``."""
    change = update(TENANT).where(TENANT.c.tenant_id == tenant_id).values(**values)
    return await one(session, Tenant, change.returning(*_COLUMNS))
