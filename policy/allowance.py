"""What a worker may spend for a tenant on its own while the limiter is away, where the tenant chose so.

A tenant's allowance is micro-dollars an hour, by UTC's clock, for one instance; each of its workers has an
equal share. Held and spent count alike, so a share is never exceeded but by what a provider bills beyond
what was held. Nothing is shared between workers and nothing survives one: a new worker has a new share.
"""

from dataclasses import dataclass

from policy.identifiers import ExchangeId, TenantId
from policy.money import MicroDollars

SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Fallback:
    """What a call may fall back on: its tenant's ``allowance`` an hour, and the most that it can cost."""

    allowance: MicroDollars
    cost: MicroDollars


@dataclass(slots=True)
class _Hour:
    number: int
    used: int = 0


@dataclass(slots=True)
class _Held:
    hour: _Hour
    cost: int


class LocalAllowance:
    """One worker's shares. ``workers`` is how many the instance has; time is passed in, in seconds."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._hours: dict[TenantId, _Hour] = {}
        self._held: dict[ExchangeId, _Held] = {}

    def hold(
        self, reservation: ExchangeId, tenant_id: TenantId, fallback: Fallback, now_s: float
    ) -> MicroDollars | None:
        """Hold ``fallback.cost`` beside what the reservation holds here already: all of it, or nothing.

        Gives what is held here for the reservation now; ``None`` where the share does not suffice.
        """
        hour = self._hour(tenant_id, int(now_s) // SECONDS)
        if hour.used + fallback.cost > fallback.allowance // self._workers:
            return None
        held = self._held.get(reservation)
        if held is None or held.hour is not hour:
            # Where it began in an hour that is over, what it goes on to use is this one's.
            held = self._held[reservation] = _Held(hour, held.cost if held is not None else 0)
            hour.used += held.cost
        held.cost += fallback.cost
        hour.used += fallback.cost
        return MicroDollars(held.cost)

    def settle(self, reservation: ExchangeId, cost: MicroDollars | None) -> None:
        """Put what was used in place of what was held; with ``None`` all that was held stays spent."""
        held = self._held.pop(reservation, None)
        if held is not None and cost is not None:
            held.hour.used += cost - held.cost

    def _hour(self, tenant_id: TenantId, number: int) -> _Hour:
        """The tenant's hour. A clock that goes back opens no new one."""
        hour = self._hours.get(tenant_id)
        if hour is None or number > hour.number:
            hour = self._hours[tenant_id] = _Hour(number)
        return hour


def seconds_left(now_s: float) -> int:
    """Until the next hour begins."""
    return SECONDS - int(now_s) % SECONDS
