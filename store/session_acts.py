"""Acts about who holds which address, each with its event in the same transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from policy.identifiers import TenantId
from policy.snapshot import Address
from store import address_sessions, networks
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord, NotFound

SESSIONS_AT_ONCE_MAX = 1000
# DHCP leases last hours, seldom more than a week. What lasts longer would outlive who it names.
SESSION_LIFETIME_MAX = timedelta(days=30)


async def begin_sessions(
    store: Store, *, actor: Actor, tenant_id: TenantId, sessions: Sequence[address_sessions.NewSession]
) -> list[address_sessions.AddressSession]:
    """Note who holds which addresses from when until when; all of them or none.

    The addresses lie in networks of the tenant, since elsewhere they would count for nothing.
    """
    if not 0 < len(sessions) <= SESSIONS_AT_ONCE_MAX:
        raise InvalidRecord(f"between 1 and {SESSIONS_AT_ONCE_MAX} sessions can be told of at once")
    for new in sessions:
        _check_session(new)
    async with store.tenant(tenant_id) as session:
        own = [registered.network for registered in await networks.every(session)]
        for new in sessions:
            if not any(new.address in network for network in own):
                raise InvalidRecord(f"{new.address} is in none of the tenant's networks")
        begun = await address_sessions.begin(session, told=sessions)
        told = [f"{item.address} {item.user_name} until {item.expires_at.isoformat()}" for item in begun]
        await record(session, actor, "session.begin", tenant_id=tenant_id, target=tenant_id, sessions=told)
    return begun


async def end_sessions(
    store: Store,
    *,
    actor: Actor,
    tenant_id: TenantId,
    address: Address,
    at: datetime,
    user_name: str | None = None,
) -> list[address_sessions.AddressSession]:
    """Note that nobody, or not this user, holds an address any more; raises ``NotFound`` if so before."""
    async with store.tenant(tenant_id) as session:
        ended = await address_sessions.end(session, address=address, at=at, user_name=user_name)
        if not ended:
            raise NotFound("no such session")
        told = [item.user_name for item in ended]
        await record(session, actor, "session.end", tenant_id=tenant_id, target=str(address), users=told)
    return ended


def _check_session(new: address_sessions.NewSession) -> None:
    if new.started_at.tzinfo is None or new.expires_at.tzinfo is None:
        raise InvalidRecord("a session's times have an offset from UTC")
    if not timedelta(0) < new.expires_at - new.started_at <= SESSION_LIFETIME_MAX:
        raise InvalidRecord(f"a session ends after it began, within {SESSION_LIFETIME_MAX.days} days")
    if not new.user_name.isprintable():
        raise InvalidRecord("a user's name is of printable characters")
