"""TLS to AI endpoints from clients that pin their provider's certificate: passed unread, if a tenant says so.

Nothing that is said is then seen: no key of ours goes out, no limit counts, an own key is not noticed. So
whatever else would refuse the call still does, as far as the name of the host tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from policy.admission import endpoint_allowed, region_allowed
from policy.decryption import Decryption
from policy.destination import Destination
from policy.endpoints import HELD_BACK, Defaults, known, state_of
from policy.exchange import EndpointState, Principal, Shape
from policy.snapshot import PolicySnapshot
from policy.sufficiency import OperatorRule, insufficient

# As it stands in the event.
BYPASSED = "bypassed"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided beside: what is AI, states by default, sources that suffice."""

    decryption: Decryption
    defaults: Defaults
    sufficiency: tuple[OperatorRule, ...]


def bypasses(
    snapshot: PolicySnapshot, principal: Principal, names: Sequence[str], settings: Settings, now: datetime
) -> bool:
    """Whether TLS that claims ``names`` (canonical) may pass unread: each decided on, and calls allowed."""
    return bool(names) and all(
        snapshot.bypass_in_force(principal.tenant_id, name, now)
        and _allowed(snapshot, principal, name, settings, now)
        and insufficient(snapshot, principal, name, settings.sufficiency) is None
        for name in names
    )


def _allowed(
    snapshot: PolicySnapshot, principal: Principal, name: str, settings: Settings, now: datetime
) -> bool:
    entry = snapshot.entry_of(name, settings.decryption.catalogue)
    state = state_of(snapshot, principal.tenant_id, name, entry, settings.defaults)
    if state in HELD_BACK and snapshot.exception_for(principal, name, now) is not None:
        state = EndpointState.MONITORED
    endpoint = known(Destination("https", name, 443), "/", entry, state, Shape.OTHER)
    tenant = snapshot.tenants.get(principal.tenant_id)
    refusal = endpoint_allowed(endpoint, (), None)
    return tenant is not None and (refusal or region_allowed(endpoint, tenant.residency)) is None
