"""The policy snapshot: everything a worker needs to decide, held in memory, immutable, versioned.

``store.snapshot`` loads it from PostgreSQL and replaces it whole; nothing here changes after it is built.
Look-ups cost the same whatever the number of tenants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID
from zoneinfo import ZoneInfo

from policy.branding import Branding, TenantBranding
from policy.catalogue import Catalogue, Entry
from policy.exchange import EndpointState, IdentitySource, Principal
from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from policy.limits import Limit, LimitScope
from policy.money import MicroDollars
from policy.price_rules import PriceRule, Terms, terms_of

Network = IPv4Network | IPv6Network
PLAIN = Branding()
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class KeepsContent:
    """That a tenant's policy keeps what is said: so many bytes a direction, under this key (wrapped)."""

    tenant_id: TenantId
    bytes_max: int
    content_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation or part of one. ``data_key`` is its data key, wrapped by the key-encryption key.

    ``keeps`` is ``None`` where nothing of what is said is kept, the default.
    ``residency`` names the regions that its data may be processed in; empty: every one.
    ``allowance`` is how many micro-dollars an hour it lets pass while limits cannot be counted; ``None``
    lets nothing pass (``policy.allowance``).
    ``decrypt_unknown`` and ``never_decrypted`` say how TLS to hosts outside the catalogue is treated
    (``policy.decryption``); ``None``: as the operator decided.
    """

    id: TenantId
    name: str
    region: str
    time_zone: ZoneInfo
    enabled: bool
    data_key: bytes
    keeps: KeepsContent | None = None
    allowance: MicroDollars | None = None
    residency: frozenset[str] = frozenset()
    decrypt_unknown: bool | None = None
    never_decrypted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    tenant_id: TenantId
    name: str
    team: str | None
    cost_centre: str | None
    enabled: bool
    team_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What the provider said of one version of a credential. ``refusals`` counts how often it fell ill."""

    refused_at: datetime | None = None
    accepted_at: datetime | None = None
    refusals: int = 0

    @property
    def refused(self) -> bool:
        """Whether the provider's last word was no."""
        if self.refused_at is None:
            return False
        return self.accepted_at is None or self.accepted_at < self.refused_at

    @property
    def judged_at(self) -> datetime | None:
        """When the provider said its last word."""
        return max((moment for moment in (self.refused_at, self.accepted_at) if moment), default=None)


@dataclass(frozen=True, slots=True)
class Credential:
    """A provider key in its envelope; opened only by ``vault``, only for one of ``hosts``.

    An empty ``envelope`` means that the credential has been revoked. ``pool`` names those of the tenant and
    provider that stand for each other; ``weight`` is its share of their calls.
    """

    id: CredentialId
    tenant_id: TenantId
    provider: str
    name: str
    hosts: tuple[str, ...]
    version: int
    envelope: bytes
    revoked: bool
    pool: str | None = None
    weight: int = 1
    health: Health = Health()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a developer's machine holds instead of a key; empty ``models``, ``networks`` restrict nothing.

    It stands for one credential, or, where ``credential_id`` is ``None``, for those of ``pool``.
    """

    id: PlaceholderId
    tenant_id: TenantId
    user_id: UserId
    credential_id: CredentialId | None
    digest: bytes
    models: frozenset[str]
    networks: tuple[Network, ...]
    expires_at: datetime | None
    revoked: bool
    honeytoken: bool = False
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class TenantNetwork:
    tenant_id: TenantId
    network: Network


@dataclass(frozen=True, slots=True)
class AddressSession:
    """Who holds an address, as DHCP, VPN or directory told: from ``started_at`` until ``expires_at``.

    It counts only within the tenant's own networks: private addresses mean something else elsewhere.
    """

    tenant_id: TenantId
    address: Address
    user_name: str
    started_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """A decision about a host. ``tenant_id`` ``None``: for every tenant that has no rule of its own."""

    tenant_id: TenantId | None
    host: str
    state: EndpointState


@dataclass(frozen=True, slots=True)
class EndpointException:
    """A user, or a team by its name, that may use a host until ``expires_at`` whatever its state."""

    id: UUID
    tenant_id: TenantId
    host: str
    user_id: UserId | None
    team: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PinnedBypass:
    """A host to which the tenant's clients that pin a certificate pass unread, until ``expires_at``."""

    tenant_id: TenantId
    host: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccountList:
    """The accounts of ``product`` (see ``policy.accounts``) that are the tenant's own."""

    tenant_id: TenantId
    product: str
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SufficientSources:
    """Which sources of identity are enough, each alone, for the tenant's calls to ``host``.

    ``host`` may be ``*.name`` for everything below it, or ``*`` for every host.
    """

    tenant_id: TenantId
    host: str
    sources: frozenset[IdentitySource]


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """One version of the policy. Build it with ``build``; read it with the look-ups below."""

    version: int
    loaded_at: datetime
    catalogue: Catalogue | None
    tenants: Mapping[TenantId, Tenant]
    users: Mapping[UserId, User]
    credentials: Mapping[CredentialId, Credential]
    placeholders: Mapping[bytes, Placeholder]
    _pools: Mapping[tuple[TenantId, str], tuple[Credential, ...]] = field(repr=False)
    _networks: Mapping[tuple[int, int, int], TenantId] = field(repr=False)
    _prefixes: tuple[tuple[int, int], ...] = field(repr=False)
    _limits: Mapping[tuple[LimitScope, UUID], tuple[Limit, ...]] = field(repr=False)
    _rules: Mapping[tuple[TenantId | None, str], EndpointState] = field(repr=False)
    _sanctioned: frozenset[tuple[TenantId, str]] = field(repr=False)
    _decided: frozenset[str] = field(repr=False)
    _tenants_by_name: Mapping[str, Tenant] = field(repr=False)
    _users_by_name: Mapping[tuple[TenantId, str], User] = field(repr=False)
    _users_by_folded_name: Mapping[tuple[TenantId, str], User] = field(repr=False)
    _sessions: Mapping[tuple[TenantId, int, int], tuple[AddressSession, ...]] = field(repr=False)
    _exceptions: Mapping[tuple[TenantId, str], tuple[EndpointException, ...]] = field(repr=False)
    _accounts: Mapping[tuple[TenantId, str], tuple[str, ...]] = field(repr=False)
    _brandings: Mapping[TenantId, Branding] = field(repr=False)
    _bypasses: Mapping[tuple[TenantId, str], datetime] = field(repr=False)
    _sufficient: Mapping[tuple[TenantId, str], frozenset[IdentitySource]] = field(repr=False)
    _terms: Mapping[TenantId | None, Terms] = field(repr=False)

    def placeholder(self, digest: bytes) -> Placeholder | None:
        """The placeholder with this keyed digest."""
        return self.placeholders.get(digest)

    def credentials_of(self, placeholder: Placeholder) -> tuple[Credential, ...]:
        """The live credentials that a placeholder stands for: its one, or those of its pool."""
        if placeholder.credential_id is None:
            return self._pools.get((placeholder.tenant_id, placeholder.pool or ""), ())
        found = self.credentials.get(placeholder.credential_id)
        if found is None or found.revoked or found.tenant_id != placeholder.tenant_id:
            return ()
        return (found,)

    def tenant_at(self, address: Address) -> TenantId | None:
        """The tenant of the longest registered network that holds ``address``."""
        number, bits = int(address), address.max_prefixlen
        for version, prefix in self._prefixes:
            if version == address.version:
                found = self._networks.get((version, prefix, number >> (bits - prefix)))
                if found is not None:
                    return found
        return None

    def tenant_named(self, name: str) -> Tenant | None:
        """The tenant of this name, in whatever case: names are unique so."""
        return self._tenants_by_name.get(name.casefold())

    def user_named(self, tenant: TenantId, name: str) -> User | None:
        """The tenant's user of this name; in another case, if it is then but one user's."""
        exact = self._users_by_name.get((tenant, name))
        return exact or self._users_by_folded_name.get((tenant, name.casefold()))

    def session_at(self, tenant: TenantId, address: Address, now: datetime) -> AddressSession | None:
        """Who holds the address now: of several sessions the one that began last, then the longest."""
        for session in self._sessions.get((tenant, address.version, int(address)), ()):
            if session.started_at <= now < session.expires_at:
                return session
        return None

    def limits_for(
        self, tenant: TenantId, user: UserId | None, placeholder: PlaceholderId | None, model: str | None
    ) -> tuple[Limit, ...]:
        """Every limit of one call, widest scope first."""
        found = self._limits.get((LimitScope.TENANT, tenant), ())
        if user is not None:
            team = self.users[user].team_id if user in self.users else None
            if team is not None:
                found += self._limits.get((LimitScope.TEAM, team), ())
            found += self._limits.get((LimitScope.USER, user), ())
        if placeholder is not None:
            found += self._limits.get((LimitScope.PLACEHOLDER, placeholder), ())
        return tuple(limit for limit in found if limit.covers(model))

    def endpoint_state(self, tenant: TenantId, host: str) -> EndpointState | None:
        """What was decided about ``host``: the tenant's own rule, else the rule for all, else unstated."""
        own = self._rules.get((tenant, host))
        return own if own is not None else self._rules.get((None, host))

    def exception_for(self, principal: Principal, host: str, now: datetime) -> EndpointException | None:
        """The exception under which the caller may use ``host`` now, for its user or for its team."""
        for each in self._exceptions.get((principal.tenant_id, host), ()):
            mine = each.user_id is not None and each.user_id == principal.user_id
            ours = each.team is not None and each.team == principal.team
            if (mine or ours) and now < each.expires_at:
                return each
        return None

    def bypass_in_force(self, tenant: TenantId, host: str, now: datetime) -> bool:
        """Whether clients of the tenant that pin a certificate may pass to ``host`` unread now."""
        expires_at = self._bypasses.get((tenant, host))
        return expires_at is not None and now < expires_at

    def accounts_of(self, tenant: TenantId, product: str) -> tuple[str, ...]:
        """The accounts of ``product`` that the tenant has stated to be its own; empty: it has stated none."""
        return self._accounts.get((tenant, product), ())

    def branding_of(self, tenant: TenantId) -> Branding:
        """How the tenant's coaching page looks: as it has said, else plain."""
        return self._brandings.get(tenant, PLAIN)

    def terms_of(self, tenant: TenantId) -> Terms:
        """What the tenant pays: its own price rules, and the operator's."""
        own = self._terms.get(tenant)
        return own if own is not None else self._terms[None]

    def entry_of(self, host: str, shipped: Catalogue) -> Entry | None:
        """What the catalogue in force says about ``host``: the one that was loaded, else the shipped one."""
        return (shipped if self.catalogue is None else self.catalogue).find(host)

    def is_decided(self, tenant: TenantId | None, host: str) -> bool:
        """Whether the tenant, or the operator, has decided about ``host``: for the tenant it is then AI.

        ``None`` is a caller that nothing names; it may be of any tenant, so each one's decision counts.
        """
        if tenant is None:
            return host in self._decided
        return (tenant, host) in self._rules or (None, host) in self._rules

    def named_ai(self, host: str, shipped: Catalogue) -> bool:
        """Whether the name alone says AI to every tenant: catalogued, not mixed, or said by the operator."""
        entry = self.entry_of(host, shipped)
        return (entry is not None and not entry.mixed) or (None, host) in self._rules

    def sufficient(self, tenant: TenantId, host: str) -> frozenset[IdentitySource] | None:
        """The sources that the tenant takes for enough; ``None`` for any. The most exact rule counts."""
        found = self._sufficient.get((tenant, host))
        below = host
        while found is None and below:
            below = below.partition(".")[2]
            found = self._sufficient.get((tenant, f"*.{below}" if below else "*"))
        return found

    def holds_credential(self, tenant: TenantId, provider: str) -> bool:
        """Whether the tenant has a live credential of ``provider``, which sanctions that provider for it."""
        return (tenant, provider) in self._sanctioned


@dataclass(frozen=True, slots=True)
class Records:
    """The rows that a snapshot is built from, as ``store.snapshot`` read them in one transaction."""

    tenants: Iterable[Tenant] = ()
    users: Iterable[User] = ()
    credentials: Iterable[Credential] = ()
    placeholders: Iterable[Placeholder] = ()
    networks: Iterable[TenantNetwork] = ()
    limits: Iterable[Limit] = ()
    rules: Iterable[EndpointRule] = ()
    sessions: Iterable[AddressSession] = ()
    exceptions: Iterable[EndpointException] = ()
    accounts: Iterable[AccountList] = ()
    sufficient: Iterable[SufficientSources] = ()
    prices: Iterable[PriceRule] = ()
    brandings: Iterable[TenantBranding] = ()
    bypasses: Iterable[PinnedBypass] = ()


def build(
    version: int, loaded_at: datetime, records: Records, catalogue: Catalogue | None = None
) -> PolicySnapshot:
    """Index the records once, so that each look-up on the request path is a few dictionary reads."""
    credentials = {credential.id: credential for credential in records.credentials}
    rules = {(rule.tenant_id, rule.host): rule.state for rule in records.rules}
    networks: dict[tuple[int, int, int], TenantId] = {
        (item.network.version, item.network.prefixlen, _prefix_bits(item.network)): item.tenant_id
        for item in records.networks
    }
    limits: dict[tuple[LimitScope, UUID], tuple[Limit, ...]] = {}
    for limit in records.limits:
        key = (limit.scope, limit.subject)
        limits[key] = (*limits.get(key, ()), limit)
    exceptions: dict[tuple[TenantId, str], tuple[EndpointException, ...]] = {}
    for each in records.exceptions:
        place = (each.tenant_id, each.host)
        exceptions[place] = (*exceptions.get(place, ()), each)
    tenants = {tenant.id: tenant for tenant in records.tenants}
    users = {user.id: user for user in records.users}
    return PolicySnapshot(
        version=version,
        loaded_at=loaded_at,
        catalogue=catalogue,
        tenants=tenants,
        users=users,
        credentials=credentials,
        placeholders={placeholder.digest: placeholder for placeholder in records.placeholders},
        _pools=_by_pool(credentials.values()),
        _networks=networks,
        _prefixes=tuple(sorted({(key[0], key[1]) for key in networks}, key=lambda item: -item[1])),
        _limits=limits,
        _rules=rules,
        _sanctioned=frozenset((c.tenant_id, c.provider) for c in credentials.values() if not c.revoked),
        _decided=frozenset(host for _, host in rules),
        _tenants_by_name={tenant.name.casefold(): tenant for tenant in tenants.values()},
        _users_by_name={(user.tenant_id, user.name): user for user in users.values()},
        _users_by_folded_name=_by_folded_name(users.values()),
        _sessions=_by_address(records.sessions),
        _exceptions=exceptions,
        _accounts={(each.tenant_id, each.product): each.accounts for each in records.accounts},
        _bypasses={(each.tenant_id, each.host): each.expires_at for each in records.bypasses},
        _brandings={each.tenant_id: each.branding for each in records.brandings},
        _sufficient={(each.tenant_id, each.host): each.sources for each in records.sufficient},
        _terms=_terms_by_tenant(records.prices),
    )


def _terms_by_tenant(rules: Iterable[PriceRule]) -> dict[TenantId | None, Terms]:
    """The terms of each tenant that has rules of its own; of all others under ``None``."""
    owned: dict[TenantId | None, list[PriceRule]] = {None: []}
    for rule in rules:
        owned.setdefault(rule.tenant_id, []).append(rule)
    for_all = owned[None]
    return {owner: terms_of(own if owner is None else (*own, *for_all)) for owner, own in owned.items()}


def _by_pool(credentials: Iterable[Credential]) -> dict[tuple[TenantId, str], tuple[Credential, ...]]:
    found: dict[tuple[TenantId, str], tuple[Credential, ...]] = {}
    for credential in credentials:
        if credential.pool is not None and not credential.revoked:
            key = (credential.tenant_id, credential.pool)
            found[key] = (*found.get(key, ()), credential)
    return found


def _by_folded_name(users: Iterable[User]) -> dict[tuple[TenantId, str], User]:
    """Users by their names in lower case, but for names that are then two users'."""
    found: dict[tuple[TenantId, str], User | None] = {}
    for user in users:
        key = (user.tenant_id, user.name.casefold())
        found[key] = None if key in found else user
    return {key: user for key, user in found.items() if user is not None}


def _by_address(
    sessions: Iterable[AddressSession],
) -> dict[tuple[TenantId, int, int], tuple[AddressSession, ...]]:
    """Sessions by address, the one that counts first: the latest begun, then the longest."""
    found: dict[tuple[TenantId, int, int], tuple[AddressSession, ...]] = {}
    for session in sorted(sessions, key=lambda item: (item.started_at, item.expires_at), reverse=True):
        key = (session.tenant_id, session.address.version, int(session.address))
        found[key] = (*found.get(key, ()), session)
    return found


def _prefix_bits(network: Network) -> int:
    return int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
