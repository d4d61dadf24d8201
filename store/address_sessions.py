"""Who holds which address: sessions that DHCP, VPN or directory tell of, kept as a history.

Rows are added and ended, never removed: who a past call came from can be asked for years later. Of several
sessions at one moment the one that began last counts, then the longest, in whatever order they were told.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from policy.snapshot import Address
from store.rows import columns, many, optional
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


async def begin(session: AsyncSession, *, told: Sequence[NewSession]) -> list[AddressSession]:
    """Note sessions, in this order. One that goes on, of the same person by the same source, gets longer."""
    held: dict[Address, list[_Held]] = defaultdict(list)
    for row in await many(session, AddressSession, _around(told)):
        held[row.address].append(_Held(row.id, row, row.expires_at))
    added: dict[UUID, NewSession] = {}
    longer: dict[UUID, datetime] = {}
    noted: list[UUID] = []
    for new in told:
        goes_on = _current(held[new.address], new.started_at)
        if goes_on is None or (goes_on.told.user_name, goes_on.told.source) != (new.user_name, new.source):
            goes_on = _Held(uuid7(), new, new.expires_at)
            held[new.address].append(goes_on)
            added[goes_on.id] = new
        goes_on.expires_at = max(goes_on.expires_at, new.expires_at)
        longer[goes_on.id] = goes_on.expires_at
        noted.append(goes_on.id)
    await _write(session, added, longer)
    query = select(*_COLUMNS).where(ADDRESS_SESSION.c.id.in_(set(noted)))
    written = {row.id: row for row in await many(session, AddressSession, query)}
    return [written[session_id] for session_id in noted]


@dataclass(slots=True)
class _Held:
    """A session that is there, or will be, and how long it lasts."""

    id: UUID
    told: NewSession | AddressSession
    expires_at: datetime


def _around(told: Sequence[NewSession]) -> Select[tuple[object, ...]]:
    """The sessions that one of these may be the going on of."""
    return (
        select(*_COLUMNS)
        .where(
            ADDRESS_SESSION.c.address.in_({new.address for new in told}),
            ADDRESS_SESSION.c.started_at <= max(new.started_at for new in told),
            ADDRESS_SESSION.c.expires_at > min(new.started_at for new in told),
        )
        .with_for_update()
    )


def _current(held: list[_Held], at: datetime) -> _Held | None:
    covering = [item for item in held if item.told.started_at <= at < item.expires_at]
    return max(covering, key=lambda item: (item.told.started_at, item.expires_at), default=None)


async def _write(session: AsyncSession, added: dict[UUID, NewSession], longer: dict[UUID, datetime]) -> None:
    rows = [
        {
            "tenant_id": CLAIMED_TENANT,
            "id": session_id,
            "address": new.address,
            "user_name": new.user_name,
            "source": new.source,
            "started_at": new.started_at,
            "expires_at": longer[session_id],
        }
        for session_id, new in added.items()
    ]
    if rows:
        await session.execute(insert(ADDRESS_SESSION).values(rows))
    changes = [
        {"which": session_id, "until": until}
        for session_id, until in longer.items()
        if session_id not in added
    ]
    if changes:
        change = update(ADDRESS_SESSION).where(ADDRESS_SESSION.c.id == bindparam("which"))
        await session.execute(change.values(expires_at=bindparam("until")), changes)


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
