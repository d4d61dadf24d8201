"""Connections that were refused before there was a call: an event each, counted where many come.

Of one source, door and rule the first is written at once; further ones within ``WINDOW_S`` are counted, and
the count is written when that time is up. So whoever sends rubbish cannot fill the record with it.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from loguru import logger
from mitmproxy import connection
from prometheus_client import Counter
from uuid_utils.compat import uuid7

from addons.connections import ClientConnection, client_facts
from policy.event import Event, connection_event, timestamp
from policy.exchange import Mode
from policy.forwarding import address_of
from policy.identifiers import ExchangeId
from policy.refusals import Refusal
from policy.snapshot import PolicySnapshot
from store.spool import Spool, SpoolError

WINDOW_S = 60.0
# Sources counted apart at a time; beyond, all others of one door and rule share one count.
SOURCES_MAX = 10_000

REFUSED = Counter("conduit_connections_refused", "Connections that ended before a call, by rule.", ["rule"])

_Key = tuple[Mode, str | None, str]


@dataclass(slots=True)
class _Window:
    """The event that was written, and how many more there have been."""

    event: Event
    timer: asyncio.TimerHandle
    more: int = 0


class TurnedAway:
    """Writes the events."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._windows: dict[_Key, _Window] = {}

    def note(
        self, client: connection.Client, facts: ClientConnection, snapshot: PolicySnapshot, refusal: Refusal
    ) -> None:
        """A connection was refused. Whose it is, its source network says, if anything does."""
        REFUSED.labels(refusal.rule).inc()
        seen = client_facts(client, facts)
        key: _Key = (seen.mode, seen.address, refusal.rule)
        if key not in self._windows and len(self._windows) >= SOURCES_MAX:
            key = (seen.mode, None, refusal.rule)
        window = self._windows.get(key)
        if window is not None:
            window.more += 1
            return
        whose = snapshot.tenant_at(address_of(seen.address))
        now = datetime.now(UTC)
        event = connection_event(ExchangeId(uuid7()), now, whose=whose, client=seen, refusal=refusal)
        self._write(event)
        timer = asyncio.get_running_loop().call_later(WINDOW_S, self._sum_up, key)
        shared = {"source_address", "tenant_id"} if key[1] is None else set()
        kept = {name: value for name, value in event.items() if name not in shared}
        self._windows[key] = _Window(kept, timer)

    def done(self) -> None:
        """Write down what has been counted so far."""
        for key, window in list(self._windows.items()):
            window.timer.cancel()
            self._sum_up(key)

    def _sum_up(self, key: _Key) -> None:
        window = self._windows.pop(key)
        if window.more:
            now = timestamp(datetime.now(UTC))
            self._write(window.event | {"id": str(uuid7()), "at": now, "count": window.more})

    def _write(self, event: Event) -> None:
        try:
            self._spool.append_event(event)
        except SpoolError as problem:
            logger.error("a refused connection was not recorded: {}", problem)
