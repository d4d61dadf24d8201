"""Source networks that belong to a tenant: where a call comes from can say whose it is."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from policy.snapshot import Network
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, NETWORK


@dataclass(frozen=True, slots=True)
class RegisteredNetwork:
    tenant_id: TenantId
    id: UUID
    network: Network
    created_at: datetime


_COLUMNS = columns(NETWORK, RegisteredNetwork)


async def add(session: AsyncSession, *, network: Network) -> RegisteredNetwork:
    """Register a network; two tenants that register the same one are both without it (``store.snapshot``)."""
    statement = insert(NETWORK).values(tenant_id=CLAIMED_TENANT, id=uuid7(), network=network)
    return await one(session, RegisteredNetwork, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[RegisteredNetwork]:
    """Every registered network, in the order of addresses."""
    return await many(session, RegisteredNetwork, select(*_COLUMNS).order_by(NETWORK.c.network))


async def get(session: AsyncSession, *, network_id: UUID) -> RegisteredNetwork:
    """The network of this id; raises ``NotFound``."""
    return await one(session, RegisteredNetwork, select(*_COLUMNS).where(NETWORK.c.id == network_id))


async def holders(session: AsyncSession, *, network: Network) -> list[RegisteredNetwork]:
    """Who has registered exactly this network; under ``ADMINISTRATION``, whichever tenant it is."""
    query = select(*_COLUMNS).where(NETWORK.c.network == network)
    return await many(session, RegisteredNetwork, query)


async def remove(session: AsyncSession, *, network: Network) -> RegisteredNetwork:
    """Remove a network; raises ``NotFound``."""
    statement = delete(NETWORK).where(NETWORK.c.network == network)
    return await one(session, RegisteredNetwork, statement.returning(*_COLUMNS))
