"""Ends calls under way whose placeholder, user or tenant has been revoked, also where nothing comes.

``addons.metering`` looks at each chunk that comes; a model that thinks, or a provider that stalls, sends none
for minutes. So each time that the policy is replaced, every open call that was judged by an older one is
judged again.
"""

from datetime import UTC, datetime

from addons import answering
from addons.deadlines import Deadlines
from addons.protocol import CUT, EndNow
from addons.snapshots import Snapshots
from addons.visit import Visit
from policy.attribution import revoked_since


class Rejudgement:
    """Judges calls; sessions are ``addons.session_watch``'s."""

    def __init__(self, snapshots: Snapshots, deadlines: Deadlines) -> None:
        self._snapshots, self._deadlines = snapshots, deadlines

    async def look(self, visit: Visit) -> None:
        """End a call that the policy in force does not admit, unless it was judged by that one already."""
        exchange, current = visit.exchange, self._snapshots.current
        if visit.judged_by is current:
            return
        if exchange.refusal is not None or exchange.principal is None or visit.passes or visit.flow.websocket:
            return
        now, used = datetime.now(UTC), exchange.credential_id
        refusal = revoked_since(current, exchange.principal, visit.placeholder, now, used=used)
        if refusal is None:
            visit.judged_by = current
            return
        handler = self._deadlines.handlers.get(visit.flow.client_conn.id)
        if handler is None or not visit.released:
            return
        response = visit.flow.response
        if response is not None and response.stream:
            exchange.refusal = refusal
            visit.flow.metadata[CUT] = True
        else:
            answering.refuse(visit, refusal)
        await handler.server_event(EndNow(visit.flow))
