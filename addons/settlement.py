"""The reservation is settled: what was used is charged, the rest given back, exactly once.

After the record, so that whatever the limiter has been told is in the record too: a worker that is killed
between the two leaves the limiter with less than the usage rows say, never with more, and the next
reconciliation raises it.
"""

from loguru import logger

from addons.reservations import InvalidDemand, Reservations
from addons.step import Step
from addons.visit import Visit
from policy.exchange import Usage
from policy.money import MicroDollars


class Settlement(Step):
    """Settles what admission reserved, however the call ended."""

    name = "settlement"

    def __init__(self, reservations: Reservations) -> None:
        self._reservations = reservations

    def ended(self, visit: Visit) -> None:
        """Charge what ``exchange.usage`` says; nothing where no answer came."""
        exchange = visit.exchange
        if exchange.grant is None:
            return
        tokens, cost = _used(exchange.usage)
        try:
            self._reservations.settle(exchange.id, tokens=tokens, cost=cost)
        except InvalidDemand:
            # What no limit can hold is still in the usage rows; what was held ends with its lease.
            logger.error("call {} used more than the limiter can count", exchange.id)


def _used(usage: Usage | None) -> tuple[int, MicroDollars]:
    if usage is None:
        return 0, MicroDollars(0)
    return usage.input_tokens + usage.output_tokens, usage.cost or MicroDollars(0)
