"""What the two synthetic tenants of the isolation canary have, and how a probe is written down.

Nothing here judges; ``store.canary`` does.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from policy.branding import Branding
from policy.catalogue import build
from policy.endpoints import Defaults
from policy.exchange import EndpointState, IdentitySource
from policy.identifiers import CredentialId, LimitId, PlaceholderId, TenantId, UserId
from policy.limit_setting import LimitSetting
from policy.limits import LimitKind
from store import (
    accounts,
    address_sessions,
    approvals,
    branding,
    content,
    credentials,
    custody,
    endpoints,
    events,
    inventory,
    limits,
    members,
    networks,
    pinned,
    placeholders,
    prices,
    retention,
    sufficiency,
    teams,
    tenants,
    usage,
)
from store.catalogues import Catalogues
from store.errors import AlreadyExists

AGES_AGO = datetime(2000, 1, 1, tzinfo=UTC)


AGES_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)
# How the inventory is read: an empty catalogue, and the shipped defaults.
JUDGED = inventory.Defaults(
    Defaults(EndpointState.BLOCKED, EndpointState.MONITORED), Catalogues(build(()), ())
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known about one tenant's rows: the target of a probe, or what an attacker has guessed."""

    tenant_id: TenantId
    name: str
    team_id: UUID
    member_id: UserId
    credential_id: CredentialId
    placeholder_id: PlaceholderId
    limit_id: LimitId
    exception_id: UUID
    approval_id: UUID
    price_id: UUID
    hold_id: UUID
    network_id: UUID
    digest: bytes
    envelope: bytes
    host: str
    network: IPv4Network


class HasTenant(Protocol):
    """A record of one tenant."""

    @property
    def tenant_id(self) -> TenantId: ...


@dataclass(frozen=True, slots=True)
class Probe:
    """One call. ``aims`` is true where it names the target's rows, so that it must change nothing."""

    function: Callable[..., Awaitable[Any]]
    call: Callable[[AsyncSession, Rows], Awaitable[Any]]
    aims: bool = True

    @property
    def name(self) -> str:
        return f"{self.function.__module__.removeprefix('store.')}.{self.function.__name__}"


async def furnish(session: AsyncSession, tenant_id: TenantId, *, number: int) -> Rows:
    """Give a tenant one row of each kind that its own session may write."""
    name, host = f"canary {number}", f"canary-{number}.invalid"
    digest, envelope = bytes([number]) * 32, b"canary envelope %d" % number
    network = IPv4Network(f"192.0.2.{number}/32")  # TEST-NET-1, RFC 5737
    team = await teams.create(session, name=name)
    member = await members.create(session, name=name, team_id=team.id)
    credential = await credentials.create(
        session, provider="canary", name=name, hosts=[host], options=credentials.Options(pool=name)
    )
    await custody.write_data_key(session, tenant_id=tenant_id, version=1, data_key=envelope)
    await custody.write_envelope(session, credential_id=credential.id, version=1, envelope=envelope)
    binding = placeholders.Binding(member.id, credential.id)
    await placeholders.create(session, digest=digest, binding=binding)
    await networks.add(session, network=network)
    await address_sessions.begin(session, told=[holding(network, name)])
    await limits.put(
        session,
        setting=LimitSetting(LimitKind.CONCURRENT, number),
        subject=limits.LimitSubject(member_id=member.id),
    )
    await endpoints.set_rule(session, host=host, state=EndpointState.BLOCKED)
    await accounts.put(session, product="canary", accounts=[name])
    await branding.put(session, branding=Branding(name))
    await pinned.put(session, host=host, reason=name, approved_by=name, expires_at=AGES_AHEAD)
    await sufficiency.put(session, host=host, sources=[IdentitySource.NETWORK])
    await endpoints.add_exception(
        session,
        host=host,
        subject=endpoints.ExceptionSubject(team_id=team.id),
        reason=name,
        approved_by=name,
        expires_at=AGES_AHEAD,
    )
    if await prices.add(session, new=a_discount(AGES_AGO)) is None:
        raise AlreadyExists("the canary has a price rule already")
    await approvals.request(session, action="canary", subject=name, requested_by=name, expires_at=AGES_AHEAD)
    await content.put_policy(session, keep=False, bytes_max=1, content_key=envelope)
    await retention.put(session, event_days=None, content_days=None)
    await _ended_hold(session, name)
    return await _own_rows(session, tenant_id)


async def _ended_hold(session: AsyncSession, name: str) -> retention.Hold:
    """One that holds nothing any more: a tenant under a hold could not be deleted."""
    placed = await retention.place(session, reason=name, placed_by=name)
    return await retention.release(session, hold_id=placed.id, released_by=f"{name} too", reason=name)


async def rows_of(session: AsyncSession, tenant_id: TenantId) -> Rows | None:
    """What ``furnish`` wrote for this tenant, if it did."""
    furnished = any(team.tenant_id == tenant_id for team in await teams.every(session))
    return await _own_rows(session, tenant_id) if furnished else None


async def _own_rows(session: AsyncSession, tenant_id: TenantId) -> Rows:
    """Picked by tenant, for isolation is in doubt."""

    def own[T: HasTenant](records: list[T]) -> T:
        return next(record for record in records if record.tenant_id == tenant_id)

    team, placeholder = own(await teams.every(session)), own(await placeholders.every(session))
    limit, exception = own(await limits.every(session)), own(await endpoints.exceptions(session))
    approval, registered = own(await approvals.every(session)), own(await networks.every(session))
    price = own(await prices.every(session))
    credential = own(await credentials.every(session))
    envelope = await custody.read_envelope(session, credential_id=credential.id)
    # Canaries that an earlier version furnished have none yet.
    hold = own(await retention.holds(session) or [await _ended_hold(session, team.name)])
    return Rows(
        tenant_id=tenant_id,
        name=team.name,
        team_id=team.id,
        member_id=placeholder.member_id,
        credential_id=credential.id,
        placeholder_id=placeholder.id,
        limit_id=limit.id,
        exception_id=exception.id,
        approval_id=approval.id,
        price_id=price.id,
        hold_id=hold.id,
        network_id=registered.id,
        digest=placeholder.digest,
        envelope=envelope.envelope if envelope else b"",
        host=exception.host,
        network=IPv4Network(registered.network),
    )


async def state_of(session: AsyncSession) -> tuple[object, ...]:
    """Everything that a tenant's own session can read of its rows, to be compared before and after."""
    credential_rows = await credentials.every(session)
    return (
        await tenants.every(session),
        await teams.every(session),
        await members.every(session),
        credential_rows,
        await custody.read_data_key(session),
        [await custody.read_envelope(session, credential_id=row.id) for row in credential_rows],
        await placeholders.every(session),
        await networks.every(session),
        await address_sessions.live(session, at=AGES_AGO),
        await limits.every(session),
        await endpoints.rules(session),
        await inventory.items(session, defaults=JUDGED),
        await endpoints.exceptions(session),
        await accounts.every(session),
        await branding.find(session),
        await pinned.every(session),
        await sufficiency.every(session),
        await prices.every(session),
        await approvals.every(session),
        await content.find_policy(session),
        await content.latest(session, limit=1000),
        await retention.find(session),
        await retention.holds(session),
        await usage.latest(session, limit=1000),
        await events.latest(session, limit=1000),
    )


def a_discount(since: datetime) -> prices.NewRule:
    return prices.NewRule(provider="canary", model="*", since=since, discount=1)


def holding(network: IPv4Network, name: str) -> address_sessions.NewSession:
    return address_sessions.NewSession(
        network.network_address, name, "canary", started_at=AGES_AGO, expires_at=AGES_AHEAD
    )
