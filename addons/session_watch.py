"""Open WebSocket sessions are looked at again while they last, even where both sides are silent.

A session has no end of its own. What it was admitted by may be revoked or run out, the policy may go stale,
and nobody may have anything to say any more; a step that acts on messages alone would never notice.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

from addons.configuration import Bounds
from addons.connections import Connections
from addons.deadlines import Deadlines
from addons.session import Session
from addons.snapshots import Snapshots, stale
from addons.visit import Visit
from addons.websocket import EndSession
from policy.admission import endpoint_allowed
from policy.attribution import expired, revoked_since
from policy.endpoints import HELD_BACK
from policy.exchange import EndpointState, Principal
from policy.refusals import Reason, Refusal
from policy.snapshot import PolicySnapshot


class SessionWatch:
    """Judges sessions; other calls are ``addons.rejudgement``'s."""

    def __init__(
        self, connections: Connections, snapshots: Snapshots, deadlines: Deadlines, bounds: Bounds
    ) -> None:
        self._connections, self._snapshots = connections, snapshots
        self._deadlines, self._bounds = deadlines, bounds

    async def look(self, visit: Visit) -> None:
        """End a session that may not go on."""
        refusal = self._judge(visit, datetime.now(UTC))
        handler = self._deadlines.handlers.get(visit.flow.client_conn.id)
        if refusal is not None and handler is not None:
            await handler.server_event(EndSession(visit.flow, refusal))

    def _judge(self, visit: Visit, now: datetime) -> Refusal | None:
        session, principal, current = visit.session, visit.exchange.principal, self._snapshots.current
        if session is None or session.meter is None or not visit.flow.websocket or principal is None:
            return None
        too_old = stale(self._snapshots, self._bounds.snapshot_age_max_s)
        if too_old is not None:
            return too_old
        if self._connections.draining and not session.meter.is_answering:
            return Refusal(Reason.DEGRADED, "The gateway restarts; open a new session.", "restart", 1)
        if current is not visit.judged_by:
            used = visit.exchange.credential_id
            refusal = revoked_since(current, principal, visit.placeholder, now, used=used)
            if refusal is not None:
                return refusal
        refusal = _held_back_since(visit, principal, current, now)
        if refusal is not None:
            return refusal
        visit.judged_by = current
        over = expired(visit.placeholder, now) if visit.placeholder is not None else None
        return over or _silent_for_too_long(session, self._bounds)


def _held_back_since(
    visit: Visit, principal: Principal, current: PolicySnapshot, now: datetime
) -> Refusal | None:
    """Whether the endpoint was blocked meanwhile, or the caller's exception from its state is over.

    What was admitted by an exception was held back otherwise, by a decision or by default.
    """
    endpoint = visit.exchange.endpoint
    if endpoint is None:
        return None
    decided = current.endpoint_state(principal.tenant_id, endpoint.host)
    excepted = any(finding.startswith("exception:") for finding in visit.exchange.findings)
    held_back = decided is EndpointState.BLOCKED or (excepted and (decided is None or decided in HELD_BACK))
    if not held_back or current.exception_for(principal, endpoint.host, now) is not None:
        return None
    state = decided or EndpointState.BLOCKED
    return endpoint_allowed(replace(endpoint, state=state), (), visit.exchange.justification)


def _silent_for_too_long(session: Session, bounds: Bounds) -> Refusal | None:
    """The refusal of a session in which nobody has said anything for too long; pings say nothing."""
    if time.monotonic() - session.last_message_s <= bounds.session_idle_timeout_s:
        return None
    message = f"Nothing was said for {bounds.session_idle_timeout_s:g} seconds; open a new session."
    return Refusal(Reason.UPSTREAM_TIMEOUT, message, "session-idle")
