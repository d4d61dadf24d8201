"""Whether a TLS tunnel that is open may stay so: what let it pass unread may have ended meanwhile.

A tunnel has no end of its own, and nothing in it is seen. So it is judged again by its names, as a new one to
the same host would be.
"""

from collections.abc import Sequence
from datetime import datetime

from policy.attribution import revoked_since
from policy.exchange import Principal
from policy.pinning import Settings, bypasses
from policy.refusals import Reason, Refusal
from policy.snapshot import PolicySnapshot


def ended_since(
    snapshot: PolicySnapshot,
    principal: Principal | None,
    names: Sequence[str],
    *,
    bypassed: bool,
    settings: Settings,
    now: datetime,
) -> Refusal | None:
    """Why the tunnel that claimed ``names`` (canonical) ends; ``None`` while it may stay.

    ``principal`` is whose it is, as far as is known. ``bypassed`` tells whether it was let through to an AI
    endpoint because its client pins a certificate.
    """
    tenant = principal.tenant_id if principal is not None else None
    if not any(settings.decryption.is_ai(snapshot, tenant, name) for name in names):
        return settings.decryption.blocked(snapshot, tenant, names)
    if principal is not None:
        refusal = revoked_since(snapshot, principal, None, now)
        if refusal is not None or bypasses(snapshot, principal, names, settings, now):
            return refusal
    if bypassed:
        message = "Connections of this client to this host are no longer let through unread."
        return Refusal(Reason.SHADOW_ENDPOINT, message, "pinned-bypass-ended")
    message = "This host is an AI endpoint now; open the connection again."
    return Refusal(Reason.SHADOW_ENDPOINT, message, "tunnel-to-ai")
