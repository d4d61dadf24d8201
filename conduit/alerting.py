"""Tells incidents to the destinations of the settings: each by a dispatcher of its own, so that a slow or
dead receiver holds up no other.
"""

import asyncio
import json
import random
import time
from datetime import UTC, datetime, timedelta
from functools import partial

from loguru import logger
from prometheus_client import Counter, Gauge
from uuid_utils.compat import uuid7

from conduit.alert_channels import ATTEMPT_TIMEOUT_S, Channel, DeliveryFailed, channel_of
from conduit.alert_settings import Alerts, Destination
from console import alert_destinations as console_destinations
from policy.alert import Alert
from policy.event import timestamp
from policy.incident import Severity, incident
from store import alerts
from store.claim import Purpose
from store.door import Store

LOOK_EVERY_S = 1.0
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 300.0
# Beyond it an attempt has died with its process, and the message is anybody's again.
LEASE = timedelta(seconds=4 * ATTEMPT_TIMEOUT_S)
# Incidents wait in the record while more than this has not been told: they are folded anyway.
BATCHES_AT_ONCE = 20

DELIVERED = Counter("conduit_alerts_delivered", "Messages that a destination has taken.", ["destination"])
FAILED = Counter("conduit_alert_attempts_failed", "Messages that it did not take.", ["destination"])
FAILING = Gauge(
    "conduit_alert_destination_failing",
    "1 where the last attempt at a destination failed.",
    ["destination"],
    multiprocess_mode="livemostrecent",
)


class Dispatcher:
    """Brings one destination what the record has for it, at its pace."""

    def __init__(self, store: Store, settings: Destination, *, channel: Channel, window_s: float) -> None:
        self._store, self._channel = store, channel
        self._name = settings.name
        self._wanted = alerts.Subscription(settings.name, settings.severity, settings.tenant)
        self._window = timedelta(seconds=window_s)
        self._gap_s = 60.0 / settings.rate_per_minute
        self._not_before = 0.0
        self._failures = 0
        FAILING.labels(self._name).set(0)

    async def turn(self) -> None:
        """Take in what is new and send what is due, until nothing is or the destination needs a rest.

        Raises ``store.errors.StoreError``, after which the next turn goes on where this one was.
        """
        for _ in range(BATCHES_AT_ONCE):
            async with self._store.platform(Purpose.ADMINISTRATION) as session:
                if await alerts.take_in(session, subscription=self._wanted) == 0:
                    break
        while time.monotonic() >= self._not_before and await self._send_one():
            pass

    async def _send_one(self) -> bool:
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            message = await alerts.claim(session, destination=self._name, lease=LEASE)
        if message is None:
            return False
        self._not_before = time.monotonic() + self._gap_s
        try:
            await self._channel.deliver(alert_of(message))
        except DeliveryFailed as problem:
            await self._failed(message, str(problem))
        else:
            await self._delivered(message)
        return True

    async def _delivered(self, message: alerts.Message) -> None:
        self._failures = 0
        DELIVERED.labels(self._name).inc()
        FAILING.labels(self._name).set(0)
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            await alerts.delivered(session, message=message, window=self._window)

    async def _failed(self, message: alerts.Message, problem: str) -> None:
        """The message waits by its own count, the destination by its failures in a row: one message that
        a receiver will never take does not keep the others from it.
        """
        self._failures += 1
        self._not_before = time.monotonic() + max(self._gap_s, retry_s(self._failures))
        FAILED.labels(self._name).inc()
        FAILING.labels(self._name).set(1)
        logger.warning("the alert destination {} took no message: {}", self._name, problem)
        wait = timedelta(seconds=retry_s(message.attempts))
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            await alerts.failed(session, message=message, wait=wait, problem=problem)


def dispatchers(store: Store, settings: Alerts) -> list[Dispatcher]:
    """One for each destination."""
    return [
        Dispatcher(store, each, channel=channel_of(each), window_s=settings.repeat_window_s)
        for each in settings.destinations
    ]


def retry_s(failures: int) -> float:
    """Doubling from a second to five minutes, a quarter of it by chance, so that senders do not march."""
    whole: float = min(RETRY_FIRST_S * 2 ** min(failures - 1, 16), RETRY_MAX_S)
    return whole * random.uniform(0.75, 1.0)  # noqa: S311 - no secret


def alert_of(message: alerts.Message) -> Alert:
    """The message as a channel takes it."""
    return Alert(
        id=f"{message.id}.{message.rounds}",
        event=json.loads(message.body),
        tenant=message.tenant,
        repeats=message.repeats,
        follows=message.told,
        last_at=timestamp(message.last_at) if message.repeats else "",
    )


def destinations(settings: Alerts) -> list[console_destinations.Destination]:
    """The destinations as the console shows and tries them; no address and no secret goes along."""
    return [
        console_destinations.Destination(
            each.name,
            kind_of(each),
            each.severity,
            each.tenant,
            each.rate_per_minute,
            test=partial(_told, channel_of(each)),
        )
        for each in settings.destinations
    ]


def kind_of(destination: Destination) -> str:
    """``webhook``, ``syslog`` or ``mail``."""
    return type(destination).__name__.lower()


async def _told(channel: Channel) -> str:
    try:
        return await send_test(channel, str(uuid7()))
    except (DeliveryFailed, TimeoutError) as problem:
        raise console_destinations.NotTaken(str(problem) or "it did not answer in time") from None


async def send_test(channel: Channel, identity: str) -> str:
    """Send an alert that says it is a test, once, and say what came back; raises ``DeliveryFailed``."""
    event = incident(
        "alert.test",
        datetime.now(UTC),
        severity=Severity.NOTICE,
        detail={"text": "This is a test of the way; nothing has happened."},
    )
    return await asyncio.wait_for(
        channel.deliver(Alert(id=identity, event=event, tenant="platform")), 2 * ATTEMPT_TIMEOUT_S
    )
