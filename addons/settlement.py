"""The reservation is settled: what was used is charged, the rest given back, exactly once.

After the record, so that whatever the limiter has been told is in the record too: a worker that is killed
between the two leaves the limiter with less than the usage rows say, never with more, and the next
reconciliation raises it.
"""

from datetime import datetime

from loguru import logger

from addons.reservations import InvalidDemand, Reservations
from addons.step import Step
from addons.visit import Visit
from policy.allowance import SECONDS
from policy.exchange import Usage
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from policy.money import MicroDollars
from store.spool import Spool, SpoolError


class Settlement(Step):
    """Settles what admission reserved, however the call ended."""

    name = "settlement"

    def __init__(self, reservations: Reservations, spool: Spool) -> None:
        self._reservations = reservations
        self._spool = spool
        self._told: dict[TenantId, int] = {}

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
        if exchange.grant.local and exchange.principal is not None:
            self._tell(exchange.principal.tenant_id, exchange.timing.started_at)

    def _tell(self, tenant_id: TenantId, at: datetime) -> None:
        """That calls pass on an allowance is an incident, once an hour whatever the number of workers."""
        hour = int(at.timestamp()) // SECONDS
        if self._told.get(tenant_id) == hour:
            return
        told = incident(
            "limits.local_allowance",
            at,
            severity=Severity.WARNING,
            whose=tenant_id,
            once=str(hour),
            detail={"why": "limits cannot be counted; calls pass up to what the tenant allows an hour"},
        )
        try:
            self._spool.append_event(told)
        except SpoolError:
            return  # the next call tells it
        self._told[tenant_id] = hour


def _used(usage: Usage | None) -> tuple[int, MicroDollars]:
    if usage is None:
        return 0, MicroDollars(0)
    return usage.input_tokens + usage.output_tokens, usage.cost or MicroDollars(0)
