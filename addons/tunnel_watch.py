"""Open tunnels are looked at again: those to AI endpoints at each look, all others at each new policy."""

from datetime import UTC, datetime

from addons.configuration import Configuration
from addons.connections import ClientConnection
from addons.deadlines import Deadlines
from addons.snapshots import Snapshots, stale
from policy.refusals import Refusal
from policy.tunnels import ended_since


class TunnelWatch:
    """Closes the connections whose tunnel may not go on; ``addons.tunnels`` writes down why."""

    def __init__(self, configuration: Configuration, snapshots: Snapshots, deadlines: Deadlines) -> None:
        self._snapshots, self._deadlines = snapshots, deadlines
        self._age_max_s = configuration.bounds.snapshot_age_max_s
        self._pinning = configuration.pinning

    async def look(self, client_id: str, facts: ClientConnection) -> None:
        """End a tunnel that may not stay open, once."""
        tunnel, current = facts.tunnel, self._snapshots.current
        if tunnel is None or tunnel.cut is not None or (facts.judged_by is current and not facts.bypassed):
            return
        tunnel.cut = self._judge(facts)
        if tunnel.cut is None:
            facts.judged_by = current
        else:
            self._deadlines.end(client_id)

    def _judge(self, facts: ClientConnection) -> Refusal | None:
        too_old = stale(self._snapshots, self._age_max_s) if facts.bypassed else None
        return too_old or ended_since(
            self._snapshots.current,
            facts.principal,
            facts.names,
            bypassed=facts.bypassed,
            settings=self._pinning,
            now=datetime.now(UTC),
        )
