"""Finding records by what people type: a name, or an id."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from conduit.command import CommandFailed, Invocation
from conduit.instance import Instance, opened
from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from policy.snapshot import Address, Network
from store import credentials, members, placeholders, teams, tenants
from store.claim import Purpose
from store.door import Store
from store.errors import NotFound

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_AMOUNT_MAX = 100_000


@asynccontextmanager
async def opened_for(invocation: Invocation, text: str) -> AsyncIterator[tuple[Instance, tenants.Tenant]]:
    """The running instance, and its tenant of this name or id; raises ``CommandFailed`` for none."""
    async with opened(invocation) as instance:
        yield instance, await tenant(instance.store, text)


@asynccontextmanager
async def reading(store: Store, text: str | None) -> AsyncIterator[AsyncSession]:
    """A session that sees the rows of the tenant of this name or id, or without one every tenant's."""
    door = (
        store.platform(Purpose.REPORTING)
        if text is None
        else store.tenant((await tenant(store, text)).tenant_id)
    )
    async with door as session:
        yield session


async def tenant(store: Store, text: str) -> tenants.Tenant:
    """The tenant of this name or id; raises ``CommandFailed``."""
    identity = _uuid(text)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        found = await tenants.find(session, name=text)
        if found is None and identity is not None and identity != tenants.PLATFORM:
            try:
                found = await tenants.get(session, tenant_id=TenantId(identity))
            except NotFound:
                found = None
    if found is None:
        raise CommandFailed(f"there is no tenant {text!r}; `conduit tenant list` shows all")
    return found


async def every_tenant(store: Store, text: str | None) -> list[tenants.Tenant]:
    """The one tenant that was named, or all of them."""
    if text is not None:
        return [await tenant(store, text)]
    async with store.platform(Purpose.ADMINISTRATION) as session:
        return await tenants.every(session)


async def user(store: Store, tenant_id: TenantId, text: str) -> members.Member:
    """The tenant's user of this name or id; raises ``CommandFailed``."""
    identity = _uuid(text)
    async with store.tenant(tenant_id) as session:
        found = await members.find(session, name=text)
        if found is None and identity is not None:
            try:
                found = await members.get(session, member_id=UserId(identity))
            except NotFound:
                found = None
    if found is None:
        raise CommandFailed(f"the tenant has no user {text!r}")
    return found


async def team(store: Store, tenant_id: TenantId, name: str) -> teams.Team:
    """The tenant's team of this name; raises ``CommandFailed``."""
    async with store.tenant(tenant_id) as session:
        found = await teams.find(session, name=name)
    if found is None:
        raise CommandFailed(f"the tenant has no team {name!r}")
    return found


async def credential(store: Store, tenant_id: TenantId, text: str) -> credentials.Credential:
    """The tenant's live credential of this name or id; raises ``CommandFailed``."""
    identity = _uuid(text)
    async with store.tenant(tenant_id) as session:
        found = await credentials.find(session, name=text)
        if found is None and identity is not None:
            try:
                found = await credentials.get(session, credential_id=CredentialId(identity))
            except NotFound:
                found = None
    if found is None or found.revoked_at is not None:
        raise CommandFailed(f"the tenant has no live credential {text!r}")
    return found


async def credential_or_pool(
    store: Store, tenant_id: TenantId, text: str
) -> tuple[CredentialId | None, str | None]:
    """The live credential of this name or id, or else the pool of this name; raises ``CommandFailed``."""
    async with store.tenant(tenant_id) as session:
        if await credentials.in_pool(session, pool=text):
            return None, text
    return (await credential(store, tenant_id, text)).id, None


async def placeholder(store: Store, tenant_name: str | None, text: str) -> placeholders.Placeholder:
    """The placeholder of this id, in the named tenant or in any; raises ``CommandFailed``."""
    identity = by_id(text, "a placeholder", shown_by="conduit placeholder list")
    for each in await every_tenant(store, tenant_name):
        async with store.tenant(each.tenant_id) as session:
            try:
                return await placeholders.get(session, placeholder_id=PlaceholderId(identity))
            except NotFound:
                continue
    raise CommandFailed(f"there is no placeholder {text}")


def by_id(text: str, what: str, *, shown_by: str) -> UUID:
    """The id of what has no name; raises ``CommandFailed`` that tells which command shows it."""
    identity = _uuid(text)
    if identity is None:
        raise CommandFailed(f"{what} is named by its id; `{shown_by}` shows them")
    return identity


def network(text: str) -> Network:
    """A network in CIDR form, without host bits; raises ``CommandFailed``."""
    try:
        return ip_network(text)
    except ValueError:
        raise CommandFailed(f"{text!r} is not a network, such as 10.20.0.0/16 or 2001:db8::/48") from None


def address(text: str) -> Address:
    """An IP address; raises ``CommandFailed``."""
    try:
        return ip_address(text)
    except ValueError:
        raise CommandFailed(f"{text!r} is not an IP address") from None


def moment(text: str, *, now: datetime, forward: bool) -> datetime:
    """A time as people write it: ``90d`` (from now on, or back), ``2026-12-31``, RFC 3339."""
    unit = _UNITS.get(text[-1:])
    if unit is not None and text[:-1].isascii() and text[:-1].isdecimal():
        amount = min(int(text[:-1]), _AMOUNT_MAX)
        return now + amount * unit if forward else now - amount * unit
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{text!r} is not a time; write 90d, 12h, or 2026-12-31") from None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
