"""Ends calls under way whose placeholder, user or tenant has been revoked, also where nothing comes.

``addons.metering`` looks at each chunk that comes; a model that thinks, or a provider that stalls, sends none
for minutes. So each time that the policy is replaced, every open call that was judged by an older one is
judged again.
"""

import asyncio
from datetime import UTC, datetime
from typing import NoReturn

from loguru import logger

from addons import answering
from addons.connections import Connections
from addons.deadlines import Deadlines
from addons.protocol import CUT, EndNow
from addons.snapshots import Snapshots
from addons.visit import Visit
from policy.attribution import revoked_since
from policy.snapshot import PolicySnapshot

# How often to look for a new policy, and for calls that could not be ended at the last look.
LOOK_EVERY_S = 0.2


class Rejudgement:
    """Looks over the open calls of this worker."""

    def __init__(self, connections: Connections, snapshots: Snapshots, deadlines: Deadlines) -> None:
        self._connections, self._snapshots, self._deadlines = connections, snapshots, deadlines

    async def run(self) -> NoReturn:
        """Look for as long as the doors are open. A call that cannot be judged keeps no other from it."""
        while True:
            current = self._snapshots.current
            for visit in self._connections.open_visits():
                if visit.judged_by is current:
                    continue
                try:
                    await self._look(visit, current)
                except Exception:
                    logger.opt(exception=True).error("call {} could not be judged again", visit.exchange.id)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self, visit: Visit, current: PolicySnapshot) -> None:
        exchange = visit.exchange
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
