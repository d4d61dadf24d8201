"""Who holds which address: sessions that DHCP, VPN or directory tell of, kept as a history.

Rows are added and ended, never removed: who a past call came from can be asked for years later. Of several
sessions at one moment the one that began last counts, then the longest, in whatever order they were told.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from policy.snapshot import Address
from store.rows import columns, many, one, optional
from store.tables import ADDRESS_SESSION, CLAIMED_TENANT


@dataclass(frozen=True, slots=True)
class NewSession:
    """``user_name`` holds ``address`` from ``started_at`` until before ``expires_at``, says ``source``."""

    address: Address
    user_name: str
    source: str
    started_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AddressSession:
    tenant_id: TenantId
    id: UUID
    address: Address
    user_name: str
    source: str
    started_at: datetime
    expires_at: datetime
    created_at: datetime


_COLUMNS = columns(ADDRESS_SESSION, AddressSession)


async def begin(session: AsyncSession, *, new: NewSession) -> AddressSession:
    """Note a session, or that one goes on: the same person's, told of by the same source, is made longer."""
    current = (
        _at(new.address, new.started_at)
        .with_only_columns(ADDRESS_SESSION.c.id)
        .with_for_update()
        .scalar_subquery()
    )
    longer = (
        update(ADDRESS_SESSION)
        .where(
            ADDRESS_SESSION.c.id == current,
            ADDRESS_SESSION.c.user_name == new.user_name,
            ADDRESS_SESSION.c.source == new.source,
        )
        .values(expires_at=func.greatest(ADDRESS_SESSION.c.expires_at, new.expires_at))
    )
    extended = await optional(session, AddressSession, longer.returning(*_COLUMNS))
    if extended is not None:
        return extended
    statement = insert(ADDRESS_SESSION).values(
        tenant_id=CLAIMED_TENANT,
        id=uuid7(),
        address=new.address,
        user_name=new.user_name,
        source=new.source,
        started_at=new.started_at,
        expires_at=new.expires_at,
    )
    return await one(session, AddressSession, statement.returning(*_COLUMNS))


async def end(
    session: AsyncSession, *, address: Address, at: datetime, user_name: str | None = None
) -> list[AddressSession]:
    """End every session at an address, or one user's, that has begun before and lasts beyond ``at``."""
    change = update(ADDRESS_SESSION).where(
        ADDRESS_SESSION.c.address == address,
        ADDRESS_SESSION.c.started_at < at,
        ADDRESS_SESSION.c.expires_at > at,
    )
    if user_name is not None:
        change = change.where(ADDRESS_SESSION.c.user_name == user_name)
    return await many(session, AddressSession, change.values(expires_at=at).returning(*_COLUMNS))


async def holder(session: AsyncSession, *, address: Address, at: datetime) -> AddressSession | None:
    """Who held an address at a moment, however long ago."""
    return await optional(session, AddressSession, _at(address, at))


async def live(session: AsyncSession, *, at: datetime) -> list[AddressSession]:
    """Every session that has not ended by then, by address."""
    query = select(*_COLUMNS).where(ADDRESS_SESSION.c.expires_at > at)
    return await many(
        session, AddressSession, query.order_by(ADDRESS_SESSION.c.address, ADDRESS_SESSION.c.id)
    )


def _at(address: Address, at: datetime) -> Select[tuple[object, ...]]:
    return (
        select(*_COLUMNS)
        .where(
            ADDRESS_SESSION.c.address == address,
            ADDRESS_SESSION.c.started_at <= at,
            ADDRESS_SESSION.c.expires_at > at,
        )
        .order_by(ADDRESS_SESSION.c.started_at.desc(), ADDRESS_SESSION.c.expires_at.desc())
        .limit(1)
    )
