"""A request body that trickles in is not waited for: it holds a place, and memory, for as long as it likes.

It has a time to begin with, and more the more of it has come, so that a long body over a slow line arrives
and a byte now and then does not (as MinRate of Apache's mod_reqtimeout). The idle time-out sees neither.
"""

import time

from addons import answering
from addons.configuration import Bounds
from addons.deadlines import Deadlines
from addons.protocol import EndNow
from addons.visit import Visit
from policy.refusals import Reason, Refusal


class SlowBodies:
    """Looks at calls whose body is held until its end; one that is passed on as it comes holds nothing."""

    def __init__(self, deadlines: Deadlines, bounds: Bounds) -> None:
        self._deadlines, self._bounds = deadlines, bounds

    async def look(self, visit: Visit) -> None:
        """Refuse a call whose body comes too slowly."""
        if (
            visit.body_came
            or visit.judging
            or visit.exchange.refusal is not None
            or visit.flow.request.stream
        ):
            return
        handler = self._deadlines.handlers.get(visit.flow.client_conn.id)
        if handler is None or not self._is_late(visit):
            return
        answering.refuse(visit, _too_slow(self._bounds.body_bytes_per_second_min))
        await handler.server_event(EndNow(visit.flow))

    def _is_late(self, visit: Visit) -> bool:
        taken_s = (time.monotonic_ns() - visit.exchange.timing.started_ns) / 1e9
        earned_s = visit.held_bytes / self._bounds.body_bytes_per_second_min
        return taken_s > self._bounds.body_timeout_s + earned_s


def _too_slow(rate: int) -> Refusal:
    message = f"The body of this request came more slowly than {rate} bytes a second; send it faster."
    return Refusal(Reason.REQUEST_MALFORMED, message, "body-in-time")
