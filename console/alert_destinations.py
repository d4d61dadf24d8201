"""Whom incidents are told to, as the console sees them; the ways themselves are the assembly's."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.errors import NotFound
from policy.incident import Severity
from store import alert_acts, alerts
from store.acts import Actor
from store.claim import Purpose
from store.door import Store


class NotTaken(Exception):
    """A destination did not take a test alert; the text says what came back, and no address or secret."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination of the settings, without its address and secrets, which both may be secret.

    ``tenant`` is the name of the only tenant that it hears of, or ``None`` for all. ``test`` sends a test
    alert once and says what came back; it raises ``NotTaken``.
    """

    name: str
    kind: str
    severity: Severity
    tenant: str | None
    rate_per_minute: int
    test: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Standing:
    """A destination, and how it stands with it; see ``store.alerts.Standing``."""

    name: str
    kind: str
    severity: Severity
    tenant: str | None
    rate_per_minute: int
    waiting: int
    failing_since: datetime | None
    problem: str | None


async def standings(store: Store, destinations: Sequence[Destination]) -> list[Standing]:
    """How it stands with each destination, in the order of the settings."""
    async with store.platform(Purpose.ADMINISTRATION) as session:
        known = {each.destination: each for each in await alerts.standings(session)}
    return [_standing(each, known.get(each.name)) for each in destinations]


async def try_out(
    store: Store, destinations: Sequence[Destination], name: str, *, actor: Actor
) -> tuple[str, bool]:
    """Send a test alert to the destination of this name: what came back, and whether it was taken.

    It is written down. Raises ``NotFound`` for a name that the settings do not have.
    """
    destination = next((each for each in destinations if each.name == name), None)
    if destination is None:
        raise NotFound("The settings name no such alert destination.")
    try:
        answer, taken = await destination.test(), True
    except NotTaken as problem:
        answer, taken = str(problem), False
    await alert_acts.note_test(store, actor=actor, destination=name, answer=answer, taken=taken)
    return answer, taken


def _standing(destination: Destination, found: alerts.Standing | None) -> Standing:
    return Standing(
        destination.name,
        destination.kind,
        destination.severity,
        destination.tenant,
        destination.rate_per_minute,
        waiting=found.waiting if found else 0,
        failing_since=found.failing_since if found else None,
        problem=found.problem if found else None,
    )
