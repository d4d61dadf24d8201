"""What happened, written down: before the call leaves, and when it has ended.

A call that cannot be written down does not leave.
"""

from loguru import logger

from addons.step import Step
from addons.visit import Visit
from policy.event import answered, asked
from policy.refusals import Reason, Refusal
from store.spool import Spool, SpoolError


class Record(Step):
    """Appends to the spool; the shipper does the rest."""

    name = "record"

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def body(self, visit: Visit) -> Refusal | None:
        """Write down that the call leaves. Traffic that is no AI call is none of the record's business."""
        if visit.exchange.endpoint is None:
            return None
        visit.asked = asked(visit.exchange)
        try:
            self._spool.append({"type": "admitted", "event": visit.asked | answered(visit.exchange)})
        except SpoolError:
            return Refusal(
                Reason.DEGRADED, "This call cannot be recorded at the moment; try again.", "recordable", 5
            )
        return None

    def ended(self, visit: Visit) -> None:
        """Write down how it ended."""
        if visit.exchange.endpoint is None and visit.exchange.refusal is None:
            return
        known = visit.asked or asked(visit.exchange)
        try:
            self._spool.append({"type": "ended", "event": known | answered(visit.exchange)})
        except SpoolError as problem:
            # The `admitted` record stands; the shipper will call this exchange lost, which is the truth.
            logger.error("the end of call {} was not recorded: {}", visit.exchange.id, problem)
