"""Every repository function, as one tenant would call it to get at another's rows.

``store.canary`` runs these against two synthetic tenants; a test fails when a repository function is
missing here. No probe knows what the right answer is: the canary judges them all by the same rules.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.branding import Branding
from policy.catalogue import build
from policy.endpoints import Defaults
from policy.exchange import EndpointState, IdentitySource
from policy.identifiers import CredentialId, ExchangeId, LimitId, PlaceholderId, TenantId, UserId
from policy.incident import Severity
from policy.limit_setting import LimitSetting
from policy.limits import LimitKind, LimitScope
from policy.money import MicroDollars
from store import (
    accounts,
    address_sessions,
    administrators,
    alerts,
    approvals,
    branding,
    console_sessions,
    consumption,
    content,
    credentials,
    custody,
    endpoints,
    events,
    inventory,
    limits,
    members,
    networks,
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
    placeholder = await placeholders.create(session, digest=digest, binding=binding)
    await networks.add(session, network=network)
    await address_sessions.begin(session, told=[_holding(network, name)])
    limit = await limits.put(
        session,
        setting=LimitSetting(LimitKind.CONCURRENT, number),
        subject=limits.LimitSubject(member_id=member.id),
    )
    await endpoints.set_rule(session, host=host, state=EndpointState.BLOCKED)
    await accounts.put(session, product="canary", accounts=[name])
    await branding.put(session, branding=Branding(name))
    await sufficiency.put(session, host=host, sources=[IdentitySource.NETWORK])
    exception = await endpoints.add_exception(
        session,
        host=host,
        subject=endpoints.ExceptionSubject(team_id=team.id),
        reason=name,
        approved_by=name,
        expires_at=AGES_AHEAD,
    )
    price = await prices.add(session, new=_a_discount(AGES_AGO))
    if price is None:
        raise AlreadyExists("the canary has a price rule already")
    approval = await approvals.request(
        session, action="canary", subject=name, requested_by=name, expires_at=AGES_AHEAD
    )
    await content.put_policy(session, keep=False, bytes_max=1, content_key=envelope)
    await retention.put(session, event_days=None, content_days=None)
    hold = await _ended_hold(session, name)
    return Rows(
        tenant_id=tenant_id,
        name=name,
        team_id=team.id,
        member_id=member.id,
        credential_id=credential.id,
        placeholder_id=placeholder.id,
        limit_id=limit.id,
        exception_id=exception.id,
        approval_id=approval.id,
        price_id=price.id,
        hold_id=hold.id,
        digest=digest,
        envelope=envelope,
        host=host,
        network=network,
    )


def _sealed_record(rows: Rows) -> dict[str, str]:
    return {"id": str(rows.hold_id), "at": AGES_AGO.isoformat(), "sealed": "dGhlaXJz"}


async def _ended_hold(session: AsyncSession, name: str) -> retention.Hold:
    """One that holds nothing any more: a tenant under a hold could not be deleted."""
    placed = await retention.place(session, reason=name, placed_by=name)
    return await retention.release(session, hold_id=placed.id, released_by=f"{name} too", reason=name)


async def rows_of(session: AsyncSession, tenant_id: TenantId) -> Rows | None:
    """What ``furnish`` wrote for this tenant, if it did; picked by tenant, for isolation is in doubt."""

    def own[T: HasTenant](records: list[T]) -> T:
        return next(record for record in records if record.tenant_id == tenant_id)

    if all(team.tenant_id != tenant_id for team in await teams.every(session)):
        return None
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
        await endpoints.seen(session),
        await endpoints.exceptions(session),
        await accounts.every(session),
        await branding.find(session),
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


def _usage_row(rows: Rows) -> usage.UsageRow:
    return usage.UsageRow(
        tenant_id=rows.tenant_id,
        id=ExchangeId(uuid7()),
        at=datetime.now(UTC),
        team_id=None,
        member_id=rows.member_id,
        placeholder_id=None,
        credential_id=None,
        provider=None,
        model=None,
        input_tokens=1,
        output_tokens=1,
        cache_read_tokens=0,
        cache_write_tokens=0,
        reasoning_tokens=0,
        cost_micro_dollars=MicroDollars(1),
        estimated=False,
        outcome="finished",
    )


def _a_discount(since: datetime) -> prices.NewRule:
    return prices.NewRule(provider="canary", model="*", since=since, discount=1)


def _holding(network: IPv4Network, name: str) -> address_sessions.NewSession:
    return address_sessions.NewSession(
        network.network_address, name, "canary", started_at=AGES_AGO, expires_at=AGES_AHEAD
    )


def _sighting(rows: Rows) -> endpoints.SeenEndpoint:
    now = datetime.now(UTC)
    return endpoints.SeenEndpoint(rows.tenant_id, rows.host, None, "ai", 100, (), 1, 1, 1, now, now)


def _message(rows: Rows) -> alerts.Message:
    return alerts.Message(rows.tenant_id, rows.team_id, rows.name, "{}", 0, AGES_AGO, 0, 0, told=False)


_SUBSCRIPTION = alerts.Subscription("canary", Severity.NOTICE)
_ENROLMENT = administrators.Enrolment(password_hash="-", totp_secret=b"-", totp_step=0)  # noqa: S106 - opens nothing

_JUDGED = inventory.Defaults(
    Defaults(EndpointState.BLOCKED, EndpointState.MONITORED), Catalogues(build(()), ())
)

PROBES: tuple[Probe, ...] = (
    Probe(tenants.create, lambda s, r: tenants.create(s, name=f"{r.name} again", region="eu")),
    Probe(tenants.create_canaries, lambda s, _: tenants.create_canaries(s)),
    Probe(tenants.every, lambda s, _: tenants.every(s)),
    Probe(tenants.find, lambda s, r: tenants.find(s, name=f"isolation {r.name}")),
    Probe(tenants.get, lambda s, r: tenants.get(s, tenant_id=r.tenant_id)),
    Probe(tenants.set_enabled, lambda s, r: tenants.set_enabled(s, tenant_id=r.tenant_id, enabled=False)),
    Probe(
        tenants.set_state,
        lambda s, r: tenants.set_state(s, tenant_id=r.tenant_id, state=tenants.TenantState.DELETING),
    ),
    Probe(
        tenants.set_settings,
        lambda s, r: tenants.set_settings(
            s,
            tenant_id=r.tenant_id,
            time_zone="Asia/Tokyo",
            data_residency=(),
            degraded_allowance=MicroDollars(1),
        ),
    ),
    Probe(teams.create, lambda s, r: teams.create(s, name=r.name), aims=False),
    Probe(teams.every, lambda s, _: teams.every(s)),
    Probe(teams.find, lambda s, r: teams.find(s, name=r.name)),
    Probe(teams.remove, lambda s, r: teams.remove(s, team_id=r.team_id)),
    Probe(members.create, lambda s, r: members.create(s, name=r.name), aims=False),
    Probe(members.create, lambda s, r: members.create(s, name=f"{r.name} 2", team_id=r.team_id)),
    Probe(members.every, lambda s, _: members.every(s)),
    Probe(members.find, lambda s, r: members.find(s, name=r.name)),
    Probe(members.get, lambda s, r: members.get(s, member_id=r.member_id)),
    Probe(
        members.assign,
        lambda s, r: members.assign(s, member_id=r.member_id, team_id=None, cost_centre="theirs"),
    ),
    Probe(members.set_enabled, lambda s, r: members.set_enabled(s, member_id=r.member_id, enabled=False)),
    Probe(
        credentials.create,
        lambda s, r: credentials.create(s, provider="canary", name=r.name, hosts=[r.host]),
        aims=False,
    ),
    Probe(credentials.every, lambda s, _: credentials.every(s)),
    Probe(credentials.find, lambda s, r: credentials.find(s, name=r.name)),
    Probe(credentials.get, lambda s, r: credentials.get(s, credential_id=r.credential_id)),
    Probe(credentials.in_pool, lambda s, r: credentials.in_pool(s, pool=r.name)),
    Probe(
        credentials.change,
        lambda s, r: credentials.change(
            s, credential_id=r.credential_id, options=credentials.Options(weight=9)
        ),
    ),
    Probe(credentials.rotate, lambda s, r: credentials.rotate(s, credential_id=r.credential_id)),
    Probe(credentials.revoke, lambda s, r: credentials.revoke(s, credential_id=r.credential_id)),
    Probe(custody.read_data_key, lambda s, _: custody.read_data_key(s)),
    Probe(
        custody.write_data_key,
        lambda s, r: custody.write_data_key(s, tenant_id=r.tenant_id, version=9, data_key=b"theirs"),
    ),
    Probe(custody.count_data_key_use, lambda s, _: custody.count_data_key_use(s), aims=False),
    Probe(custody.destroy_data_key, lambda s, _: custody.destroy_data_key(s), aims=False),
    Probe(custody.read_envelope, lambda s, r: custody.read_envelope(s, credential_id=r.credential_id)),
    Probe(
        custody.write_envelope,
        lambda s, r: custody.write_envelope(s, credential_id=r.credential_id, version=9, envelope=b"theirs"),
    ),
    Probe(custody.destroy_envelope, lambda s, r: custody.destroy_envelope(s, credential_id=r.credential_id)),
    Probe(custody.every_data_key, lambda s, _: custody.every_data_key(s)),
    Probe(custody.every_envelope, lambda s, _: custody.every_envelope(s)),
    Probe(
        placeholders.create,
        lambda s, r: placeholders.create(
            s, digest=b"c" * 32, binding=placeholders.Binding(r.member_id, r.credential_id)
        ),
    ),
    Probe(placeholders.every, lambda s, _: placeholders.every(s)),
    Probe(placeholders.get, lambda s, r: placeholders.get(s, placeholder_id=r.placeholder_id)),
    Probe(placeholders.revoke, lambda s, r: placeholders.revoke(s, placeholder_id=r.placeholder_id)),
    Probe(placeholders.revoke_all, lambda s, r: placeholders.revoke_all(s, member_ids=[r.member_id])),
    Probe(networks.add, lambda s, r: networks.add(s, network=r.network), aims=False),
    Probe(networks.every, lambda s, _: networks.every(s)),
    Probe(networks.holders, lambda s, r: networks.holders(s, network=r.network)),
    Probe(networks.remove, lambda s, r: networks.remove(s, network=r.network)),
    Probe(
        address_sessions.begin,
        lambda s, r: address_sessions.begin(s, told=[_holding(r.network, r.name)]),
        aims=False,
    ),
    Probe(
        address_sessions.end,
        lambda s, r: address_sessions.end(s, address=r.network.network_address, at=datetime.now(UTC)),
    ),
    Probe(
        address_sessions.holder,
        lambda s, r: address_sessions.holder(s, address=r.network.network_address, at=datetime.now(UTC)),
    ),
    Probe(address_sessions.live, lambda s, _: address_sessions.live(s, at=AGES_AGO)),
    Probe(
        limits.put,
        lambda s, r: limits.put(
            s,
            setting=LimitSetting(LimitKind.CONCURRENT, 0),
            subject=limits.LimitSubject(member_id=r.member_id),
        ),
    ),
    Probe(limits.every, lambda s, _: limits.every(s)),
    Probe(limits.remove, lambda s, r: limits.remove(s, limit_id=r.limit_id)),
    Probe(
        endpoints.set_rule,
        lambda s, r: endpoints.set_rule(s, host=r.host, state=EndpointState.SANCTIONED),
        aims=False,
    ),
    Probe(accounts.put, lambda s, _: accounts.put(s, product="canary", accounts=["theirs"]), aims=False),
    Probe(branding.put, lambda s, _: branding.put(s, branding=Branding("theirs")), aims=False),
    Probe(branding.find, lambda s, _: branding.find(s)),
    Probe(branding.clear, lambda s, _: branding.clear(s), aims=False),
    Probe(accounts.every, lambda s, _: accounts.every(s)),
    Probe(accounts.clear, lambda s, _: accounts.clear(s, product="other"), aims=False),
    Probe(
        sufficiency.put,
        lambda s, _: sufficiency.put(s, host="canary.invalid", sources=[IdentitySource.TOKEN]),
        aims=False,
    ),
    Probe(sufficiency.every, lambda s, _: sufficiency.every(s)),
    Probe(sufficiency.clear, lambda s, r: sufficiency.clear(s, host=r.host)),
    Probe(prices.add, lambda s, _: prices.add(s, new=_a_discount(AGES_AHEAD)), aims=False),
    Probe(prices.add, lambda s, _: prices.add(s, new=_a_discount(AGES_AHEAD), for_all=True)),
    Probe(prices.remove, lambda s, r: prices.remove(s, rule_id=r.price_id)),
    Probe(prices.every, lambda s, _: prices.every(s)),
    Probe(prices.in_force_for, lambda s, r: prices.in_force_for(s, tenant_id=r.tenant_id)),
    Probe(endpoints.clear_rule, lambda s, r: endpoints.clear_rule(s, host=r.host)),
    Probe(endpoints.rules, lambda s, _: endpoints.rules(s)),
    Probe(
        endpoints.set_platform_rule,
        lambda s, r: endpoints.set_platform_rule(s, host=r.host, state=EndpointState.SANCTIONED),
    ),
    Probe(endpoints.clear_platform_rule, lambda s, r: endpoints.clear_platform_rule(s, host=r.host)),
    Probe(endpoints.platform_rules, lambda s, _: endpoints.platform_rules(s)),
    Probe(inventory.items, lambda s, _: inventory.items(s, defaults=_JUDGED)),
    Probe(inventory.detail, lambda s, r: inventory.detail(s, host=r.host, defaults=_JUDGED)),
    Probe(inventory.find_review, lambda s, r: inventory.find_review(s, host=r.host)),
    Probe(
        inventory.put_review,
        lambda s, r: inventory.put_review(s, host=r.host, owner="theirs", note="", reviewed_by="theirs"),
    ),
    Probe(inventory.clear_review, lambda s, r: inventory.clear_review(s, host=r.host)),
    Probe(endpoints.seen, lambda s, _: endpoints.seen(s)),
    Probe(endpoints.record_seen, lambda s, r: endpoints.record_seen(s, sighting=_sighting(r))),
    Probe(
        endpoints.add_exception,
        lambda s, r: endpoints.add_exception(
            s,
            host=r.host,
            subject=endpoints.ExceptionSubject(member_id=r.member_id),
            reason="theirs",
            approved_by="theirs",
            expires_at=AGES_AHEAD,
        ),
    ),
    Probe(endpoints.exceptions, lambda s, _: endpoints.exceptions(s)),
    Probe(
        endpoints.remove_exception, lambda s, r: endpoints.remove_exception(s, exception_id=r.exception_id)
    ),
    Probe(usage.add, lambda s, r: usage.add(s, rows=[_usage_row(r)])),
    Probe(
        usage.totals,
        lambda s, _: usage.totals(s, since=AGES_AGO, until=AGES_AHEAD, grouping=usage.Grouping.TENANT),
    ),
    Probe(
        consumption.consumed,
        lambda s, r: consumption.consumed(
            s,
            consumption.Consumption(
                LimitScope.USER, r.member_id, LimitKind.TOKENS, None, since=AGES_AGO, until=AGES_AHEAD
            ),
        ),
    ),
    Probe(
        usage.by_credential_and_day,
        lambda s, _: usage.by_credential_and_day(s, since=AGES_AGO, until=AGES_AHEAD),
    ),
    Probe(usage.latest, lambda s, _: usage.latest(s, limit=1000)),
    Probe(usage.prepare_months, lambda s, _: usage.prepare_months(s, months_ahead=1)),
    Probe(alerts.take_in, lambda s, _: alerts.take_in(s, subscription=_SUBSCRIPTION)),
    Probe(alerts.claim, lambda s, _: alerts.claim(s, destination="canary", lease=timedelta(0))),
    Probe(alerts.delivered, lambda s, r: alerts.delivered(s, message=_message(r), window=timedelta(0))),
    Probe(
        alerts.failed, lambda s, r: alerts.failed(s, message=_message(r), wait=timedelta(0), problem="theirs")
    ),
    Probe(alerts.standings, lambda s, _: alerts.standings(s)),
    Probe(events.latest, lambda s, _: events.latest(s, limit=1000)),
    Probe(
        administrators.invite,
        lambda s, r: administrators.invite(
            s, tenant_id=r.tenant_id, name=r.name, role="x", digest=r.digest, expires_at=AGES_AHEAD
        ),
    ),
    Probe(
        administrators.open_invitation,
        lambda s, r: administrators.open_invitation(s, digest=r.digest, now=AGES_AGO),
    ),
    Probe(
        administrators.accept,
        lambda s, r: administrators.accept(s, digest=r.digest, now=AGES_AGO, enrolment=_ENROLMENT),
    ),
    Probe(administrators.every, lambda s, _: administrators.every(s)),
    Probe(administrators.find, lambda s, r: administrators.find(s, name=r.name)),
    Probe(
        administrators.accept_totp_step,
        lambda s, r: administrators.accept_totp_step(s, administrator_id=r.member_id, step=1),
    ),
    Probe(
        administrators.count_failure,
        lambda s, r: administrators.count_failure(
            s, administrator_id=r.member_id, attempts_max=1, locked_until=AGES_AHEAD
        ),
    ),
    Probe(
        administrators.set_enabled,
        lambda s, r: administrators.set_enabled(s, administrator_id=r.member_id, enabled=False),
    ),
    Probe(
        administrators.replace_totp_secret,
        lambda s, r: administrators.replace_totp_secret(
            s, administrator_id=r.member_id, totp_secret=b"theirs"
        ),
    ),
    Probe(
        console_sessions.start,
        lambda s, r: console_sessions.start(
            s,
            tenant_id=r.tenant_id,
            administrator_id=r.member_id,
            digest=r.digest,
            source_address=None,
            expires_at=AGES_AHEAD,
        ),
    ),
    Probe(
        console_sessions.resume,
        lambda s, r: console_sessions.resume(
            s, digest=r.digest, now=datetime.now(UTC), idle_since=datetime.now(UTC) - timedelta(days=1)
        ),
    ),
    Probe(
        console_sessions.look_up,
        lambda s, r: console_sessions.look_up(s, digest=r.digest, now=AGES_AGO, idle_since=AGES_AGO),
    ),
    Probe(console_sessions.revoke, lambda s, r: console_sessions.revoke(s, digest=r.digest, now=AGES_AGO)),
    Probe(
        console_sessions.revoke_all,
        lambda s, r: console_sessions.revoke_all(s, administrator_id=r.member_id, now=AGES_AGO),
    ),
    Probe(console_sessions.every, lambda s, r: console_sessions.every(s, administrator_id=r.member_id)),
    Probe(
        approvals.request,
        lambda s, r: approvals.request(
            s, action="canary", subject=r.name, requested_by=r.name, expires_at=AGES_AHEAD
        ),
        aims=False,
    ),
    Probe(
        approvals.decide,
        lambda s, r: approvals.decide(
            s, approval_id=r.approval_id, state=approvals.ApprovalState.APPROVED, decided_by="theirs"
        ),
    ),
    Probe(approvals.every, lambda s, _: approvals.every(s)),
    Probe(content.find_policy, lambda s, _: content.find_policy(s)),
    Probe(
        content.put_policy,
        lambda s, _: content.put_policy(s, keep=True, bytes_max=1, content_key=b"theirs"),
        aims=False,
    ),
    Probe(content.latest, lambda s, _: content.latest(s, limit=1000)),
    Probe(content.read, lambda s, r: content.read(s, approval_id=r.approval_id, reader=r.name)),
    Probe(content.keep, lambda s, r: content.keep(s, r.tenant_id, [_sealed_record(r)])),
    Probe(retention.find, lambda s, _: retention.find(s)),
    Probe(retention.put, lambda s, _: retention.put(s, event_days=1, content_days=1), aims=False),
    Probe(retention.place, lambda s, r: retention.place(s, reason=r.name, placed_by="theirs"), aims=False),
    Probe(
        retention.release,
        lambda s, r: retention.release(s, hold_id=r.hold_id, released_by="theirs", reason="theirs"),
    ),
    Probe(retention.holds, lambda s, _: retention.holds(s)),
)
