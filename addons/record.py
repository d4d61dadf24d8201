"""What happened, written down: before the call leaves, and when it has ended.

A call that cannot be written down does not leave.
"""

from dataclasses import replace
from typing import Any

from loguru import logger

from addons.step import Step
from addons.switching import SWITCHED
from addons.visit import Visit
from policy.decoys import decoy_used
from policy.event import Event, answered, asked, tunnel_event
from policy.exchange import Mode
from policy.forwarding import address_of
from policy.refusals import Reason, Refusal
from policy.snapshot import Placeholder
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
        """Write down how it ended, and an alarm for each honeytoken that it carried."""
        for decoy in visit.decoys:
            self._alarm(visit, decoy)
        if visit.exchange.endpoint is None and visit.exchange.refusal is None:
            if visit.exchange.status == SWITCHED:
                self._passed(visit)
            return
        known = visit.asked or _where(visit) | asked(visit.exchange)
        try:
            self._spool.append_event(known | answered(visit.exchange))
        except SpoolError as problem:
            # The `admitted` record stands; the shipper will call this exchange lost, which is the truth.
            logger.error("the end of call {} was not recorded: {}", visit.exchange.id, problem)

    def _passed(self, visit: Visit) -> None:
        """A WebSocket that is no AI call: nobody has read it, so it is written down as a tunnel is."""
        exchange = visit.exchange
        client = replace(exchange.client, **_named(visit))
        whose = exchange.principal or visit.snapshot.tenant_at(address_of(client.address))
        event = tunnel_event(exchange.id, exchange.timing.started_at, whose=whose, client=client)
        try:
            self._spool.append_event(
                event | {"bytes_up": exchange.bytes_up, "bytes_down": exchange.bytes_down}
            )
        except SpoolError as problem:
            logger.error("a WebSocket to {} was not recorded: {}", client.connect_host, problem)

    def _alarm(self, visit: Visit, decoy: Placeholder) -> None:
        exchange = visit.exchange
        host = exchange.endpoint.host if exchange.endpoint is not None else visit.headers.get("host")
        if exchange.client.mode is Mode.GATEWAY and exchange.endpoint is None:
            host = None  # the name of our own door
        event = decoy_used(decoy, exchange.client, exchange.timing.started_at, use=exchange.id, host=host)
        try:
            self._spool.append_event(event)
        except SpoolError as problem:
            logger.critical("the use of honeytoken {} was not recorded: {}", decoy.id, problem)


def _named(visit: Visit) -> dict[str, Any]:
    destination = visit.destination
    if destination is None:
        return {}
    return {"connect_host": destination.host, "connect_port": destination.port}


def _where(visit: Visit) -> Event:
    """The host of a refused call that was found to be for no AI endpoint, or not yet for one."""
    destination = visit.destination
    return {} if destination is None else {"host": destination.host, "port": destination.port}
