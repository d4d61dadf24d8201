"""Who is calling: the sources of identity that a request presents, and what they agree on.

The keyed digest of a placeholder is computed by ``vault``; here it is only looked up and judged. What a
placeholder may be used for is judged here too, but for its host, which the credentials step holds it to.
"""

from dataclasses import dataclass
from datetime import datetime

from policy.exchange import IdentitySource, Principal
from policy.identifiers import TenantId
from policy.refusals import Reason, Refusal
from policy.snapshot import Address, Placeholder, PolicySnapshot


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key found in a request. ``digest`` is set where it has the form of one of our placeholders.

    ``provider_form`` is true where the text has the published form of a real provider key.
    """

    place: str
    digest: bytes | None
    provider_form: bool


def attribute(
    snapshot: PolicySnapshot, *, keys: tuple[PresentedKey, ...], source: Address, now: datetime
) -> Principal | Refusal:
    """The principal that every present source agrees on, or the refusal that says what is wrong.

    The placeholder outranks the source network, but both must name the same tenant.
    """
    network_tenant = snapshot.tenant_at(source)
    ours = [key for key in keys if key.digest is not None]
    if len(ours) > 1:
        return Refusal(
            Reason.REQUEST_MALFORMED, "Send exactly one key: this request carries several.", "one-key"
        )
    if ours:
        return _by_placeholder(snapshot, ours[0], network_tenant, source, now)
    if network_tenant is not None and snapshot.tenants[network_tenant].enabled:
        return _by_network(snapshot, network_tenant)
    if any(key.provider_form for key in keys):
        return unvaulted_key()
    return Refusal(
        Reason.UNIDENTIFIED,
        "Use a placeholder issued to you by your APIConduit administrator as the API key.",
        "identity-required",
    )


def unvaulted_key() -> Refusal:
    """The refusal of a provider key that the vault did not issue."""
    return Refusal(
        Reason.UNVAULTED_KEY,
        "This is a provider key of your own; use the placeholder that your administrator issued instead.",
        "vaulted-keys-only",
    )


def _by_placeholder(
    snapshot: PolicySnapshot,
    key: PresentedKey,
    network_tenant: TenantId | None,
    source: Address,
    now: datetime,
) -> Principal | Refusal:
    placeholder = snapshot.placeholder(key.digest or b"")
    if placeholder is None:
        return Refusal(
            Reason.PLACEHOLDER_UNKNOWN,
            "This placeholder is not known here; ask your APIConduit administrator for a new one.",
            "placeholder-known",
        )
    refusal = _standing(snapshot, placeholder, now) or _conflict(placeholder, network_tenant)
    if refusal is None and placeholder.networks and not any(source in net for net in placeholder.networks):
        refusal = misused("This placeholder may not be used from this network.", "placeholder-network")
    if refusal is not None:
        return refusal
    tenant, user = snapshot.tenants[placeholder.tenant_id], snapshot.users[placeholder.user_id]
    sources = (IdentitySource.PLACEHOLDER,)
    return Principal(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        user_id=user.id,
        user_name=user.name,
        team=user.team,
        cost_centre=user.cost_centre,
        placeholder_id=placeholder.id,
        credential_id=placeholder.credential_id,
        sources=sources if network_tenant is None else (*sources, IdentitySource.NETWORK),
    )


def misused(message: str, rule: str) -> Refusal:
    """The refusal of a valid placeholder used for something that it is not bound to."""
    return Refusal(Reason.PLACEHOLDER_MISUSED, message, rule)


def _standing(snapshot: PolicySnapshot, placeholder: Placeholder, now: datetime) -> Refusal | None:
    """Whether the placeholder, its user, tenant and credential are all in force."""
    tenant = snapshot.tenants.get(placeholder.tenant_id)
    user = snapshot.users.get(placeholder.user_id)
    credential = snapshot.credentials.get(placeholder.credential_id)
    in_force = tenant and tenant.enabled and user and user.enabled and credential and not credential.revoked
    if placeholder.revoked or not in_force:
        return Refusal(
            Reason.PLACEHOLDER_REVOKED,
            "This placeholder has been revoked; ask your APIConduit administrator for a new one.",
            "placeholder-in-force",
        )
    if placeholder.expires_at is not None and placeholder.expires_at <= now:
        return Refusal(
            Reason.PLACEHOLDER_EXPIRED,
            "This placeholder has expired; ask your APIConduit administrator for a new one.",
            "placeholder-expiry",
        )
    return None


def _conflict(placeholder: Placeholder, network_tenant: TenantId | None) -> Refusal | None:
    if network_tenant is None or network_tenant == placeholder.tenant_id:
        return None
    return Refusal(
        Reason.IDENTITY_CONFLICT,
        "The placeholder and the network that the call comes from belong to different tenants.",
        "sources-agree",
    )


def _by_network(snapshot: PolicySnapshot, tenant_id: TenantId) -> Principal:
    tenant = snapshot.tenants[tenant_id]
    return Principal(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        user_id=None,
        user_name=None,
        team=None,
        cost_centre=None,
        placeholder_id=None,
        credential_id=None,
        sources=(IdentitySource.NETWORK,),
    )
