"""Who is calling: the sources of identity that a request presents, and what they agree on.

What takes cryptography has been done before: placeholders come as their keyed digest, tokens and
certificates as whom they name, or as the refusal that they deserve. Each source yields ``Evidence``; all
evidence must name one tenant and, where it names users, one user. What a placeholder may be used for is
judged here too, but for its host, which the credentials step holds it to.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from policy.exchange import IdentitySource, Principal
from policy.identifiers import CredentialId
from policy.refusals import Reason, Refusal
from policy.snapshot import Address, Placeholder, PolicySnapshot, Tenant, User
from policy.tokens import Claimed


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key found in a request. ``digest`` is set where it has the form of one of our placeholders.

    ``provider_form`` is true where the text has the published form of a real provider key.
    """

    place: str
    digest: bytes | None
    provider_form: bool


@dataclass(frozen=True, slots=True)
class ProxyCredentials:
    """What a client told the proxy: a user's name, and a placeholder as the password.

    ``digest`` is ``None`` where the password has not the form of a placeholder.
    """

    user: str
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Presented:
    """Everything in and around one request that may say whose it is."""

    source: Address
    keys: tuple[PresentedKey, ...] = ()
    tokens: tuple[Claimed | Refusal, ...] = ()
    proxy: ProxyCredentials | None = None
    certificate: Claimed | Refusal | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one source establishes. ``user`` is ``None`` where it names nobody, or nobody known here.

    ``user_name`` is then the name that it gives, if any.
    """

    source: IdentitySource
    tenant: Tenant
    user: User | None = None
    user_name: str | None = None
    placeholder: Placeholder | None = None

    @property
    def person(self) -> object:
        """What two sources that name the same user have in common; ``None`` where none is named."""
        if self.user is not None:
            return self.user.id
        return self.user_name.casefold() if self.user_name else None


def attribute(snapshot: PolicySnapshot, presented: Presented, now: datetime) -> Principal | Refusal:
    """The principal that every present source agrees on, or the refusal that says what is wrong."""
    evidence: list[Evidence] = []
    for ask in _SOURCES:
        found = ask(snapshot, presented, now)
        if isinstance(found, Refusal):
            return found
        evidence.extend(found)
    if not evidence:
        return _nobody(presented)
    refusal = _disagreement(evidence) or _outside(evidence, presented.source)
    if refusal is None and not evidence[0].tenant.enabled:
        refusal = _nobody(presented)
    return refusal or _principal(evidence)


def asks_a_person(user_agent: str) -> bool:
    """Whether a client asks its user for the proxy's credentials once it is challenged: browsers do.

    Applications built on Electron call themselves so too, but hold their own keys and mostly cannot ask.
    """
    return user_agent.startswith("Mozilla/") and "Electron/" not in user_agent


def challenge(refusal: Refusal) -> Refusal:
    """The same, asking for credentials for the proxy (RFC 9110 section 11.7.1)."""
    message = "Sign in to the proxy with your name and a placeholder issued to you as the password."
    return replace(refusal, message=message, rule="proxy-credentials-asked", proxy=True)


def concerned(snapshot: PolicySnapshot, presented: Presented) -> Principal | None:
    """In whose record the refusal of a call stands that nobody could be established for.

    The holder of the placeholder that was presented, in force or not; else the tenant of the source network.
    This admits nobody, and no source stands behind it: it says who must be able to see that it was tried.
    """
    for key in presented.keys:
        placeholder = snapshot.placeholder(key.digest) if key.digest is not None else None
        if placeholder is not None and placeholder.tenant_id in snapshot.tenants:
            tenant, user = snapshot.tenants[placeholder.tenant_id], snapshot.users.get(placeholder.user_id)
            name = user.name if user is not None else None
            holder = Evidence(IdentitySource.PLACEHOLDER, tenant, user, name, placeholder)
            return replace(_principal([holder]), sources=())
    tenant_id = snapshot.tenant_at(presented.source)
    if tenant_id is None or tenant_id not in snapshot.tenants:
        return None
    network = Evidence(IdentitySource.NETWORK, snapshot.tenants[tenant_id])
    return replace(_principal([network]), sources=())


def revoked_since(
    snapshot: PolicySnapshot,
    principal: Principal,
    placeholder: Placeholder | None,
    now: datetime,
    *,
    used: CredentialId | None = None,
) -> Refusal | None:
    """Whether what a call under way was admitted by has been revoked in a later policy: key, user or tenant.

    ``used`` is the credential that it was given. One that has only expired meanwhile lets its call end.
    """
    credential = snapshot.credentials.get(used) if used is not None else None
    if credential is not None and credential.revoked:
        return _revoked()
    if placeholder is not None:
        known = snapshot.placeholder(placeholder.digest) or replace(placeholder, revoked=True)
        refusal = _standing(snapshot, known, now)
        return refusal if refusal is not None and refusal.reason is Reason.PLACEHOLDER_REVOKED else None
    tenant = snapshot.tenants.get(principal.tenant_id)
    user = snapshot.users.get(principal.user_id) if principal.user_id is not None else None
    if tenant is not None and tenant.enabled and (user is None or user.enabled):
        return None
    message = "Your access has been stopped while this answer came."
    return Refusal(Reason.PLACEHOLDER_REVOKED, message, "placeholder-in-force")


def expired(placeholder: Placeholder, now: datetime) -> Refusal | None:
    """The refusal of a placeholder whose time is over."""
    if placeholder.expires_at is None or placeholder.expires_at > now:
        return None
    return Refusal(
        Reason.PLACEHOLDER_EXPIRED,
        "This placeholder has expired; ask your APIConduit administrator for a new one.",
        "placeholder-expiry",
    )


def judge_proxy_credentials(
    snapshot: PolicySnapshot, credentials: ProxyCredentials, now: datetime
) -> Evidence | Refusal:
    """Whom credentials for the proxy name. The user's name must be the placeholder's holder, or empty."""
    found = _by_placeholder(snapshot, credentials.digest, IdentitySource.PROXY_CREDENTIALS, now)
    if isinstance(found, Refusal) or not credentials.user:
        return found
    holder = snapshot.user_named(found.tenant.id, credentials.user)
    return found if holder is not None and holder == found.user else _unknown_placeholder()


# The finding of a call with such a key, whether or not it was refused.
UNVAULTED = "unvaulted_key"


def unvaulted_key() -> Refusal:
    """The refusal of a provider key that the vault did not issue."""
    return Refusal(
        Reason.UNVAULTED_KEY,
        "This is a provider key of your own; use the placeholder that your administrator issued instead.",
        "vaulted-keys-only",
    )


def misused(message: str, rule: str) -> Refusal:
    """The refusal of a valid placeholder used for something that it is not bound to."""
    return Refusal(Reason.PLACEHOLDER_MISUSED, message, rule)


def unproven(message: str, rule: str) -> Refusal:
    """The refusal of a source that is present and proves nothing: it is not as if it were absent."""
    return Refusal(Reason.UNIDENTIFIED, message, rule)


# Sources

_Found = tuple[Evidence, ...] | Refusal


def _from_keys(snapshot: PolicySnapshot, presented: Presented, now: datetime) -> _Found:
    ours = [key for key in presented.keys if key.digest is not None]
    if not ours:
        return ()
    if len(ours) > 1:
        message = "Send exactly one key: this request carries several."
        return Refusal(Reason.REQUEST_MALFORMED, message, "one-key")
    return _one(_by_placeholder(snapshot, ours[0].digest, IdentitySource.PLACEHOLDER, now))


def _from_tokens(snapshot: PolicySnapshot, presented: Presented, _: datetime) -> _Found:
    found: tuple[Evidence, ...] = ()
    for token in presented.tokens:
        one = _named(snapshot, IdentitySource.TOKEN, token)
        if isinstance(one, Refusal):
            return one
        found += (one,)
    return found


def _from_proxy(snapshot: PolicySnapshot, presented: Presented, now: datetime) -> _Found:
    if presented.proxy is None:
        return ()
    return _one(judge_proxy_credentials(snapshot, presented.proxy, now))


def _from_certificate(snapshot: PolicySnapshot, presented: Presented, _: datetime) -> _Found:
    if presented.certificate is None:
        return ()
    return _one(_named(snapshot, IdentitySource.CERTIFICATE, presented.certificate))


def _from_address(snapshot: PolicySnapshot, presented: Presented, now: datetime) -> _Found:
    """The network's tenant, and who of it holds the address now."""
    tenant_id = snapshot.tenant_at(presented.source)
    tenant = snapshot.tenants.get(tenant_id) if tenant_id is not None else None
    if tenant is None:
        return ()
    network = Evidence(IdentitySource.NETWORK, tenant)
    session = snapshot.session_at(tenant.id, presented.source, now)
    if session is None:
        return (network,)
    person = _member(snapshot, IdentitySource.SESSION, tenant, session.user_name)
    return person if isinstance(person, Refusal) else (person, network)


# Strongest first: what it finds wrong is said first, and events list the sources so.
_SOURCES: tuple[Callable[[PolicySnapshot, Presented, datetime], _Found], ...] = (
    _from_keys,
    _from_tokens,
    _from_proxy,
    _from_certificate,
    _from_address,
)

SOURCE_NAMES = {
    IdentitySource.PLACEHOLDER: "a placeholder",
    IdentitySource.TOKEN: "an identity token",
    IdentitySource.PROXY_CREDENTIALS: "credentials for the proxy",
    IdentitySource.CERTIFICATE: "a client certificate",
    IdentitySource.SESSION: "a session at the source address",
    IdentitySource.NETWORK: "the source network",
}


def _one(found: Evidence | Refusal) -> _Found:
    return found if isinstance(found, Refusal) else (found,)


def _by_placeholder(
    snapshot: PolicySnapshot, digest: bytes | None, source: IdentitySource, now: datetime
) -> Evidence | Refusal:
    placeholder = snapshot.placeholder(digest) if digest is not None else None
    if placeholder is None:
        return _unknown_placeholder()
    refusal = _standing(snapshot, placeholder, now)
    if refusal is not None:
        return refusal
    tenant, user = snapshot.tenants[placeholder.tenant_id], snapshot.users[placeholder.user_id]
    return Evidence(source, tenant, user, user.name, placeholder)


def _unknown_placeholder() -> Refusal:
    return Refusal(
        Reason.PLACEHOLDER_UNKNOWN,
        "This placeholder is not known here; ask your APIConduit administrator for a new one.",
        "placeholder-known",
    )


def _revoked() -> Refusal:
    return Refusal(
        Reason.PLACEHOLDER_REVOKED,
        "This placeholder has been revoked; ask your APIConduit administrator for a new one.",
        "placeholder-in-force",
    )


def _standing(snapshot: PolicySnapshot, placeholder: Placeholder, now: datetime) -> Refusal | None:
    """Whether the placeholder, its user, tenant and credential are all in force."""
    if placeholder.honeytoken:
        # Nobody has a reason to use it. The answer is that of an unknown one; only the rule tells.
        return replace(_unknown_placeholder(), rule="honeytoken")
    tenant = snapshot.tenants.get(placeholder.tenant_id)
    user = snapshot.users.get(placeholder.user_id)
    in_force = tenant and tenant.enabled and user and user.enabled and snapshot.credentials_of(placeholder)
    if placeholder.revoked or not in_force:
        return _revoked()
    return expired(placeholder, now)


def _named(
    snapshot: PolicySnapshot, source: IdentitySource, claimed: Claimed | Refusal
) -> Evidence | Refusal:
    """The evidence of a source that gives names."""
    if isinstance(claimed, Refusal):
        return claimed
    tenant = snapshot.tenant_named(claimed.tenant)
    if tenant is None or not tenant.enabled:
        return unproven(
            f"{SOURCE_NAMES[source].capitalize()} names no tenant that is served here.", "tenant-known"
        )
    if claimed.user is None:
        return Evidence(source, tenant)
    return _member(snapshot, source, tenant, claimed.user)


def _member(
    snapshot: PolicySnapshot, source: IdentitySource, tenant: Tenant, name: str
) -> Evidence | Refusal:
    """Who is not registered is named all the same; who has been stopped is refused."""
    user = snapshot.user_named(tenant.id, name)
    if user is not None and not user.enabled:
        return unproven("Your access has been stopped; ask your APIConduit administrator.", "user-enabled")
    return Evidence(source, tenant, user, user.name if user is not None else name)


# What they say together


def _disagreement(evidence: list[Evidence]) -> Refusal | None:
    first = evidence[0]
    named = next((item for item in evidence if item.person is not None), first)
    for item in evidence:
        if item.tenant.id != first.tenant.id:
            return _conflict(first, item, "tenants")
        if item.person is not None and item.person != named.person:
            return _conflict(named, item, "users")
    return None


def _conflict(one: Evidence, other: Evidence, what: str) -> Refusal:
    message = (
        f"{SOURCE_NAMES[one.source].capitalize()} and {SOURCE_NAMES[other.source]} name different {what}."
    )
    return Refusal(Reason.IDENTITY_CONFLICT, message, "sources-agree")


def _outside(evidence: list[Evidence], source: Address) -> Refusal | None:
    for item in evidence:
        networks = item.placeholder.networks if item.placeholder is not None else ()
        if networks and not any(source in network for network in networks):
            return misused("This placeholder may not be used from this network.", "placeholder-network")
    return None


def _nobody(presented: Presented) -> Refusal:
    if any(key.provider_form for key in presented.keys):
        return unvaulted_key()
    return Refusal(
        Reason.UNIDENTIFIED,
        "Use a placeholder issued to you by your APIConduit administrator as the API key.",
        "identity-required",
    )


def _principal(evidence: list[Evidence]) -> Principal:
    """What the sources establish together. The key that will be swapped is the request's own placeholder."""
    person = next((item for item in evidence if item.person is not None), evidence[0])
    user, tenant = person.user, person.tenant
    first = evidence[0]
    key = first.placeholder if first.source is IdentitySource.PLACEHOLDER else None
    return Principal(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        user_id=user.id if user is not None else None,
        user_name=person.user_name,
        team=user.team if user is not None else None,
        cost_centre=user.cost_centre if user is not None else None,
        placeholder_id=key.id if key is not None else None,
        credential_id=key.credential_id if key is not None else None,
        sources=tuple(dict.fromkeys(item.source for item in evidence)),
        team_id=user.team_id if user is not None else None,
    )
