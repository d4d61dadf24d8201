"""Every change of the control plane: the change, its event and the policy's new version in one transaction.

Command line and console write through here and nowhere else. The policy's version is raised by triggers
(migration 0003), so that no write can forget it. Whether the actor may is decided before, by the console.
"""

from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncSession

from policy.destination import InvalidDestination, canonical_host
from policy.exchange import EndpointState
from policy.identifiers import CredentialId, LimitId, PlaceholderId, TenantId, UserId
from policy.limits import LimitKind, Window
from policy.snapshot import Address, Network
from store import (
    address_sessions,
    credentials,
    custody,
    endpoints,
    key_custody,
    limits,
    members,
    networks,
    placeholders,
    teams,
    tenants,
)
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord, NotFound
from vault import credential_kinds, placeholder
from vault.envelope import Binding
from vault.secret import Secret
from vault.vault import Vault

NETWORK_PREFIX_MIN = {4: 8, 6: 16}
SESSIONS_AT_ONCE_MAX = 1000
# DHCP leases last hours, seldom more than a week. What lasts longer would outlive who it names.
SESSION_LIFETIME_MAX = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class IssuedPlaceholder:
    """A new placeholder. ``text`` is shown to its holder once and kept nowhere."""

    record: placeholders.Placeholder
    text: Secret


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One limit to set. ``amount`` is in the unit of ``kind``; ``window`` is for budgets only."""

    kind: LimitKind
    amount: int
    window: Window | None = None


class Operations:
    """The acts. Each raises errors of ``store.errors``, and of ``vault.errors`` where keys are involved."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def create_tenant(
        self, *, actor: Actor, name: str, region: str = "eu", time_zone: str = "UTC"
    ) -> tenants.Tenant:
        """Create a tenant with a data key of its own. ``time_zone`` is an IANA name."""
        _check_time_zone(time_zone)
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            if await tenants.find(session, name=name):
                raise AlreadyExists(f"a tenant named {name!r} exists already")
            tenant = await tenants.create(session, name=name, region=region, time_zone=time_zone)
            await key_custody.share_kek(session)
            ring = await to_thread(self._vault.new_data_key, tenant.tenant_id)
            await custody.write_data_key(session, tenant_id=tenant.tenant_id, version=1, data_key=ring)
            await record(
                session,
                actor,
                "tenant.create",
                tenant_id=None,
                target=tenant.tenant_id,
                name=name,
                region=region,
            )
        return tenant

    async def set_tenant_enabled(self, *, actor: Actor, tenant_id: TenantId, enabled: bool) -> tenants.Tenant:
        """Let a tenant's calls through, or stop them."""
        action = "tenant.enable" if enabled else "tenant.disable"
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            tenant = await tenants.set_enabled(session, tenant_id=tenant_id, enabled=enabled)
            await record(session, actor, action, tenant_id=None, target=tenant_id, name=tenant.name)
        return tenant

    async def create_user(
        self,
        *,
        actor: Actor,
        tenant_id: TenantId,
        name: str,
        role: str = "member",
        team: str | None = None,
        cost_centre: str | None = None,
    ) -> members.Member:
        """Create a user of a tenant; a team that does not exist yet is created with it."""
        async with self._store.tenant(tenant_id) as session:
            if await members.find(session, name=name):
                raise AlreadyExists(f"the tenant has a user named {name!r} already")
            team_id = None
            if team is not None:
                found = await teams.find(session, name=team) or await teams.create(session, name=team)
                team_id = found.id
            user = await members.create(
                session, name=name, role=role, team_id=team_id, cost_centre=cost_centre
            )
            await record(
                session,
                actor,
                "user.create",
                tenant_id=tenant_id,
                target=user.id,
                name=name,
                role=role,
                team=team,
                cost_centre=cost_centre,
            )
        return user

    async def set_user_enabled(
        self, *, actor: Actor, tenant_id: TenantId, user_id: UserId, enabled: bool
    ) -> members.Member:
        """Let a user's calls through, or stop them."""
        action = "user.enable" if enabled else "user.disable"
        async with self._store.tenant(tenant_id) as session:
            user = await members.set_enabled(session, member_id=user_id, enabled=enabled)
            await record(session, actor, action, tenant_id=tenant_id, target=user_id, name=user.name)
        return user

    async def add_credential(
        self,
        *,
        actor: Actor,
        tenant_id: TenantId,
        provider: str,
        name: str,
        hosts: Sequence[str],
        secret: Secret,
    ) -> credentials.Credential:
        """Seal a provider key for ``hosts`` and no other; holding it sanctions its provider."""
        bound = tuple(sorted({_host(host) for host in hosts}))
        async with self._store.tenant(tenant_id) as session:
            if await credentials.find(session, name=name):
                raise AlreadyExists(f"the tenant has a credential named {name!r} already")
            credential = await credentials.create(session, provider=provider, name=name, hosts=bound)
            await self._seal(session, credential, secret)
            await record(
                session,
                actor,
                "credential.add",
                tenant_id=tenant_id,
                target=credential.id,
                name=name,
                provider=provider,
                hosts=bound,
            )
        return credential

    async def rotate_credential(
        self, *, actor: Actor, tenant_id: TenantId, credential_id: CredentialId, secret: Secret
    ) -> credentials.Credential:
        """Put a new provider key in place of the old one. Calls in flight end with the one they have."""
        async with self._store.tenant(tenant_id) as session:
            credential = await credentials.rotate(session, credential_id=credential_id)
            await self._seal(session, credential, secret)
            await record(
                session,
                actor,
                "credential.rotate",
                tenant_id=tenant_id,
                target=credential_id,
                name=credential.name,
                version=credential.version,
            )
        return credential

    async def revoke_credential(
        self, *, actor: Actor, tenant_id: TenantId, credential_id: CredentialId
    ) -> credentials.Credential:
        """End a credential and destroy its envelope."""
        async with self._store.tenant(tenant_id) as session:
            credential = await credentials.revoke(session, credential_id=credential_id)
            await custody.destroy_envelope(session, credential_id=credential_id)
            await record(
                session,
                actor,
                "credential.revoke",
                tenant_id=tenant_id,
                target=credential_id,
                name=credential.name,
            )
        return credential

    async def issue_placeholder(
        self, *, actor: Actor, tenant_id: TenantId, binding: placeholders.Binding
    ) -> IssuedPlaceholder:
        """Issue a placeholder in the shape of its credential's provider. Only its digest is kept."""
        await self._vault.ready()
        async with self._store.tenant(tenant_id) as session:
            credential = await credentials.get(session, credential_id=binding.credential_id)
            if credential.revoked_at is not None:
                raise InvalidRecord(f"the credential {credential.name!r} has been revoked")
            text = placeholder.issue(credential.provider)
            with text.revealed() as revealed:
                digest = self._vault.digest(revealed)
            created = await placeholders.create(session, digest=digest, binding=binding)
            await record(
                session,
                actor,
                "placeholder.issue",
                tenant_id=tenant_id,
                target=created.id,
                user_id=str(binding.member_id),
                credential_id=str(binding.credential_id),
                models=sorted(binding.models) or None,
                networks=[str(network) for network in binding.networks] or None,
                expires_at=binding.expires_at.isoformat() if binding.expires_at else None,
                honeytoken=binding.honeytoken or None,
            )
        return IssuedPlaceholder(created, text)

    async def revoke_placeholder(
        self, *, actor: Actor, tenant_id: TenantId, placeholder_id: PlaceholderId
    ) -> placeholders.Placeholder:
        """End a placeholder."""
        async with self._store.tenant(tenant_id) as session:
            revoked = await placeholders.revoke(session, placeholder_id=placeholder_id)
            await record(session, actor, "placeholder.revoke", tenant_id=tenant_id, target=placeholder_id)
        return revoked

    async def add_network(
        self, *, actor: Actor, tenant_id: TenantId, network: Network
    ) -> networks.RegisteredNetwork:
        """Register a source network, which from then on names this tenant."""
        if network.prefixlen < NETWORK_PREFIX_MIN[network.version]:
            raise InvalidRecord(f"{network} is too wide to belong to one tenant")
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            holders = await networks.holders(session, network=network)
        if holders:
            # Not whose it is: a tenant's administrator may be asking.
            raise AlreadyExists(f"{network} is registered already")
        async with self._store.tenant(tenant_id) as session:
            added = await networks.add(session, network=network)
            await record(session, actor, "network.add", tenant_id=tenant_id, target=str(network))
        return added

    async def remove_network(
        self, *, actor: Actor, tenant_id: TenantId, network: Network
    ) -> networks.RegisteredNetwork:
        """Take a source network away from the tenant."""
        async with self._store.tenant(tenant_id) as session:
            removed = await networks.remove(session, network=network)
            await record(session, actor, "network.remove", tenant_id=tenant_id, target=str(network))
        return removed

    async def begin_sessions(
        self, *, actor: Actor, tenant_id: TenantId, sessions: Sequence[address_sessions.NewSession]
    ) -> list[address_sessions.AddressSession]:
        """Note who holds which addresses from when until when; all of them or none.

        The addresses lie in networks of the tenant, since elsewhere they would count for nothing.
        """
        if not 0 < len(sessions) <= SESSIONS_AT_ONCE_MAX:
            raise InvalidRecord(f"between 1 and {SESSIONS_AT_ONCE_MAX} sessions can be told of at once")
        for new in sessions:
            _check_session(new)
        async with self._store.tenant(tenant_id) as session:
            own = [registered.network for registered in await networks.every(session)]
            for new in sessions:
                if not any(new.address in network for network in own):
                    raise InvalidRecord(f"{new.address} is in none of the tenant's networks")
            begun = await address_sessions.begin(session, told=sessions)
            told = [f"{item.address} {item.user_name} until {item.expires_at.isoformat()}" for item in begun]
            await record(
                session, actor, "session.begin", tenant_id=tenant_id, target=tenant_id, sessions=told
            )
        return begun

    async def end_sessions(
        self,
        *,
        actor: Actor,
        tenant_id: TenantId,
        address: Address,
        at: datetime,
        user_name: str | None = None,
    ) -> list[address_sessions.AddressSession]:
        """Note that nobody, or not this user, holds an address any more; raises ``NotFound`` if so before."""
        async with self._store.tenant(tenant_id) as session:
            ended = await address_sessions.end(session, address=address, at=at, user_name=user_name)
            if not ended:
                raise NotFound("no such session")
            told = [item.user_name for item in ended]
            await record(session, actor, "session.end", tenant_id=tenant_id, target=str(address), users=told)
        return ended

    async def set_limits(
        self,
        *,
        actor: Actor,
        tenant_id: TenantId,
        changes: Sequence[LimitChange],
        user_id: UserId | None = None,
        placeholder_id: PlaceholderId | None = None,
    ) -> list[limits.LimitRule]:
        """Set limits for the tenant, or for one user or placeholder of it; all of them or none."""
        if user_id is not None and placeholder_id is not None:
            raise InvalidRecord("a limit is for a user or for a placeholder, not for both")
        async with self._store.tenant(tenant_id) as session:
            rules = [
                await limits.put(
                    session,
                    kind=change.kind,
                    amount=change.amount,
                    member_id=user_id,
                    placeholder_id=placeholder_id,
                    window=change.window,
                )
                for change in changes
            ]
            await record(
                session,
                actor,
                "limit.set",
                tenant_id=tenant_id,
                target=placeholder_id or user_id or tenant_id,
                **{_limit_name(change): change.amount for change in changes},
            )
        return rules

    async def remove_limit(self, *, actor: Actor, tenant_id: TenantId, limit_id: LimitId) -> limits.LimitRule:
        """Remove a limit."""
        async with self._store.tenant(tenant_id) as session:
            rule = await limits.remove(session, limit_id=limit_id)
            await record(
                session, actor, "limit.remove", tenant_id=tenant_id, target=limit_id, limit=rule.kind.value
            )
        return rule

    async def set_endpoint_state(
        self,
        *,
        actor: Actor,
        host: str,
        state: EndpointState,
        tenant_id: TenantId | None = None,
        note: str = "",
    ) -> endpoints.Rule | endpoints.PlatformRule:
        """Decide about a host, for one tenant or, without one, for all that have no decision of their own."""
        name = _host(host)
        detail = {"state": state.value, "note": note or None}
        rule: endpoints.Rule | endpoints.PlatformRule
        if tenant_id is None:
            async with self._store.platform(Purpose.ADMINISTRATION) as session:
                rule = await endpoints.set_platform_rule(session, host=name, state=state, note=note)
                await record(session, actor, "endpoint.set", tenant_id=None, target=name, **detail)
        else:
            async with self._store.tenant(tenant_id) as session:
                rule = await endpoints.set_rule(session, host=name, state=state, note=note)
                await record(session, actor, "endpoint.set", tenant_id=tenant_id, target=name, **detail)
        return rule

    async def _seal(self, session: AsyncSession, credential: credentials.Credential, secret: Secret) -> None:
        with secret.revealed() as text:
            credential_kinds.parse(text)  # raises now rather than at each call
        await key_custody.lock_tenant_keys(session, credential.tenant_id)
        tenant = await key_custody.keyed_tenant(session, credential.tenant_id)
        await key_custody.count_use(session)
        await self._vault.unlock(tenant)
        binding = Binding(
            tenant_id=credential.tenant_id,
            credential_id=credential.id,
            provider=credential.provider,
            hosts=credential.hosts,
            version=credential.version,
        )
        sealed = self._vault.seal_credential(tenant, binding, secret)
        await custody.write_envelope(
            session, credential_id=credential.id, version=credential.version, envelope=sealed
        )


def _host(text: str) -> str:
    try:
        return canonical_host(text)
    except InvalidDestination as error:
        raise InvalidRecord(str(error)) from error


def _check_session(new: address_sessions.NewSession) -> None:
    if new.started_at.tzinfo is None or new.expires_at.tzinfo is None:
        raise InvalidRecord("a session's times have an offset from UTC")
    if not timedelta(0) < new.expires_at - new.started_at <= SESSION_LIFETIME_MAX:
        raise InvalidRecord(f"a session ends after it began, within {SESSION_LIFETIME_MAX.days} days")
    if not new.user_name.isprintable():
        raise InvalidRecord("a user's name is of printable characters")


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRecord(f"{name!r} is not a time zone, such as Europe/Berlin") from error


def _limit_name(change: LimitChange) -> str:
    return f"{change.kind.value}_{change.window.value}" if change.window else change.kind.value
