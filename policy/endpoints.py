"""Where a call is going: the endpoint, and what this tenant's organisation has decided about it."""

from dataclasses import dataclass

from policy.catalogue import Entry, is_api, wire_shape
from policy.destination import Destination
from policy.evidence import Verdict
from policy.exchange import Endpoint, EndpointState, Shape
from policy.identifiers import TenantId
from policy.snapshot import PolicySnapshot

# What an exception lifts: its holder then uses the host as a monitored one.
HELD_BACK = frozenset({EndpointState.BLOCKED, EndpointState.COACHED})


@dataclass(frozen=True, slots=True)
class Defaults:
    """The state of an endpoint that nobody decided on: catalogued, or given away only by evidence."""

    catalogued: EndpointState
    unknown: EndpointState


def state_of(
    snapshot: PolicySnapshot, tenant: TenantId | None, host: str, entry: Entry | None, defaults: Defaults
) -> EndpointState:
    """An administrator's decision; else a held credential sanctions its provider's API; else the default."""
    if tenant is not None:
        decided = snapshot.endpoint_state(tenant, host)
        if decided is not None:
            return decided
        if entry is not None and is_api(entry) and snapshot.holds_credential(tenant, entry.provider):
            return EndpointState.SANCTIONED
    return defaults.unknown if entry is None else defaults.catalogued


def known(
    destination: Destination, path: str, entry: Entry | None, state: EndpointState, shape: Shape
) -> Endpoint:
    """The endpoint of a host that the catalogue has, or that an administrator decided on.

    ``shape`` is what the path speaks, if it tells.
    """
    if shape is Shape.OTHER and entry is not None:
        shape = wire_shape(entry)
    return Endpoint(
        host=destination.host,
        port=destination.port,
        scheme=destination.scheme,
        path=path,
        provider=entry.provider if entry else None,
        shape=shape,
        region=entry.region if entry else "unknown",
        catalogued=entry is not None,
        state=state,
        verdict="ai",
        score=100,
        evidence=("catalogue",) if entry else ("decided by an administrator",),
        web=entry is not None and not is_api(entry),
    )


def suspected(
    destination: Destination, path: str, state: EndpointState, shape: Shape, verdict: Verdict
) -> Endpoint:
    """The endpoint of a host that only its traffic gives away."""
    return Endpoint(
        host=destination.host,
        port=destination.port,
        scheme=destination.scheme,
        path=path,
        provider=None,
        shape=shape,
        region="unknown",
        catalogued=False,
        state=state,
        verdict=verdict.verdict,
        score=verdict.score,
        evidence=verdict.evidence,
    )
