"""The limiter as the steps see it: while it is away, tenants that chose so fall back on a local allowance.

A call is either the limiter's or, from the moment at which the limiter could not be asked, the allowance's.
Rates, tokens and calls at once are then not counted: an allowance is about money alone. What is spent is in
the event and so in the usage rows, from which the limiter's budgets are raised once it is back.
"""

import asyncio
import time
from dataclasses import dataclass, replace

from policy.allowance import Fallback, LocalAllowance, seconds_left
from policy.identifiers import ExchangeId
from policy.limits import Demand, Granted, Refused, Settled
from policy.money import MicroDollars
from store.limiter import InvalidDemand, Limiter, LimiterUnavailable

__all__ = ["AllowanceSpent", "InvalidDemand", "LimiterUnavailable", "Reservations"]


class AllowanceSpent(LimiterUnavailable):
    """The limiter is away, and this worker's share of the tenant's allowance does not suffice."""

    def __init__(self) -> None:
        super().__init__("the local allowance is used up")
        self.retry_after_s = seconds_left(time.time())


@dataclass(slots=True)
class _Open:
    """A reservation under way. ``cost`` is held for it in total, by whom ``local`` says."""

    demand: Demand
    cost: MicroDollars
    local: bool


class Reservations:
    """One for each worker; ``workers`` is how many the instance has. Methods are those of ``Limiter``."""

    def __init__(self, limiter: Limiter, *, workers: int) -> None:
        self._limiter = limiter
        self._allowance = LocalAllowance(workers)
        self._open: dict[ExchangeId, _Open] = {}

    async def reserve(self, demand: Demand) -> Granted | Refused:
        """Hold the most that a call can use. Raises as ``Limiter.reserve`` does, and ``AllowanceSpent``."""
        fallback = demand.fallback
        made = _Open(demand, demand.cost if fallback is None else fallback.cost, local=False)
        try:
            answer = await self._limiter.reserve(demand)
        except LimiterUnavailable:
            if fallback is None:
                raise
            made.local = True
            answer = self._hold(demand, fallback)
        if isinstance(answer, Granted):
            self._open[demand.reservation] = made
        return answer

    async def top_up(self, reservation: ExchangeId, *, tokens: int, cost: MicroDollars) -> Granted | Refused:
        """Hold ``tokens`` and ``cost`` in total from now on. Raises as ``reserve`` does.

        A call that the limiter admitted goes on by the allowance where the limiter is lost meanwhile.
        """
        known = self._open.get(reservation)
        more = MicroDollars(max(0, cost - known.cost) if known is not None else 0)
        answer = await self._held_for(reservation, tokens, cost, more)
        if known is not None and isinstance(answer, Granted):
            known.cost = MicroDollars(known.cost + more)
        return answer

    async def _held_for(
        self, reservation: ExchangeId, tokens: int, cost: MicroDollars, more: MicroDollars
    ) -> Granted | Refused:
        known = self._open.get(reservation)
        fallback = known.demand.fallback if known is not None else None
        if known is not None and fallback is not None and known.local:
            return self._hold(known.demand, replace(fallback, cost=more))
        try:
            return await self._limiter.top_up(reservation, tokens=tokens, cost=cost)
        except LimiterUnavailable:
            if known is None or fallback is None:
                raise
            return self._hold(known.demand, replace(fallback, cost=more))

    def held(self, reservation: ExchangeId) -> MicroDollars:
        """What is held for it in total, by whomever."""
        known = self._open.get(reservation)
        return known.cost if known is not None else MicroDollars(0)

    def settle(self, reservation: ExchangeId, *, tokens: int, cost: MicroDollars) -> asyncio.Future[Settled]:
        """Charge what was used and give back the rest. Raises ``InvalidDemand``.

        Of a call that the limiter admitted, what the allowance held besides stays spent: the safe side.
        """
        known = self._open.pop(reservation, None)
        if known is not None:
            self._allowance.settle(reservation, cost if known.local else None)
        return self._limiter.settle(reservation, tokens=tokens, cost=cost)

    def _hold(self, demand: Demand, wanted: Fallback) -> Granted:
        held = self._allowance.hold(demand.reservation, demand.tenant_id, wanted, time.time())
        if held is None:
            raise AllowanceSpent
        return Granted(demand.reservation, demand.tokens, held, local=True)
