"""Wrapped keys and envelopes, as bytes that only ``vault`` can open.

No role can SELECT these rows; each function here calls one database function that hands out or takes in
the claimed tenant's alone (migration 0005). The two that read every tenant's are for ``Purpose.SNAPSHOT``.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import column, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import CredentialId, TenantId
from store.errors import NotFound
from store.rows import many, optional


@dataclass(frozen=True, slots=True)
class DataKey:
    """A tenant's data key, wrapped. ``operations`` counts what this version has sealed."""

    version: int
    data_key: bytes = field(repr=False)
    operations: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """A provider key, sealed under the tenant's data key."""

    version: int
    envelope: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TenantDataKey:
    tenant_id: TenantId
    version: int
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CredentialEnvelope:
    tenant_id: TenantId
    credential_id: CredentialId
    version: int
    envelope: bytes = field(repr=False)


async def read_data_key(session: AsyncSession) -> DataKey | None:
    """The tenant's data key; ``None`` before it has one, and after it was destroyed."""
    called = func.conduit.read_data_key().table_valued("version", "data_key", "operations")
    return await optional(session, DataKey, select(called))


async def write_data_key(
    session: AsyncSession, *, tenant_id: TenantId, version: int, data_key: bytes
) -> None:
    """Keep a data key: in a tenant session for that tenant, or for any under ``ADMINISTRATION``.

    A new version starts with no operations counted; the same version wrapped anew keeps its count.
    """
    await _call(session, func.conduit.write_data_key(tenant_id, version, data_key))


async def count_data_key_use(session: AsyncSession) -> int:
    """Count one more sealing under the tenant's data key and return the count; raises ``NotFound``."""
    count = await _call(session, func.conduit.count_data_key_use())
    if count is None:
        raise NotFound("the tenant has no data key")
    return int(count)


async def destroy_data_key(session: AsyncSession) -> bool:
    """Destroy the tenant's data key, and with it every envelope; whether there was one."""
    return bool(await _call(session, func.conduit.destroy_data_key()))


async def read_envelope(session: AsyncSession, *, credential_id: CredentialId) -> Envelope | None:
    """The envelope of one credential of the tenant."""
    called = func.conduit.read_envelope(credential_id).table_valued("version", "envelope")
    return await optional(session, Envelope, select(called))


async def write_envelope(
    session: AsyncSession, *, credential_id: CredentialId, version: int, envelope: bytes
) -> None:
    """Keep the envelope of one credential of the tenant, in place of its last."""
    await _call(session, func.conduit.write_envelope(credential_id, version, envelope))


async def destroy_envelope(session: AsyncSession, *, credential_id: CredentialId) -> bool:
    """Destroy the envelope of one credential of the tenant; whether there was one."""
    return bool(await _call(session, func.conduit.destroy_envelope(credential_id)))


async def every_data_key(session: AsyncSession) -> list[TenantDataKey]:
    """The wrapped data key of every tenant; for ``Purpose.SNAPSHOT``."""
    called = func.conduit.read_all_data_keys().table_valued("tenant_id", "version", "data_key")
    return await many(session, TenantDataKey, select(called))


async def every_envelope(session: AsyncSession) -> list[CredentialEnvelope]:
    """The envelope of every credential; for ``Purpose.SNAPSHOT``."""
    called = func.conduit.read_all_envelopes().table_valued(
        column("tenant_id"), column("credential_id"), column("version"), column("envelope")
    )
    return await many(session, CredentialEnvelope, select(called))


async def _call(session: AsyncSession, function: Any) -> Any:
    return (await session.execute(select(function))).scalar_one()
