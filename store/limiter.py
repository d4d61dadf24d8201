"""Every limit of a call in one round trip: reserve the worst case before, settle the truth after.

    limiter = Limiter(client, used=…)                        client: store.valkey.connect(url)
    await limiter.reserve(Demand(…)) -> Granted | Refused    before the call leaves
    await limiter.top_up(reservation, tokens=…, cost=…) -> Granted | Refused    totals, not increments
    limiter.settle(reservation, tokens=…, cost=…) -> Future[Settled]            the truth, once
    limiter.release(reservation) -> Future[Settled]                             nothing was used
    await limiter.reconcile(tenant_id, limits, zone)         every few minutes, in one place
    await limiter.run()                                      renews leases, for as long as the worker lives
    await limiter.drain(within_s=…)                          before the worker ends

``Demand``, ``Granted``, ``Refused`` and ``Settled`` are in ``policy.limits``. ``reserve`` and ``top_up``
raise ``LimiterUnavailable`` within 50 ms when Valkey is away, hung or refusing: the call is then
answered ``degraded``. ``settle`` and ``release`` need not be awaited: they are sent at once, in batches,
and again until Valkey has them. All are idempotent by reservation. The arithmetic is ``limiter.lua``'s.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from loguru import logger

from policy.identifiers import ExchangeId, TenantId
from policy.limits import Crossed, Demand, Granted, Limit, Refused, Remaining, Settled, crossed
from policy.money import MICRO_DOLLARS_MAX, MicroDollars
from store.errors import StoreError
from store.limiter_plan import RATE_MAX, Plan, Plans, WindowCounter, keys_of, make_plan
from store.limiter_script import InvalidDemand, LimiterUnavailable, NotSent, Script, ScriptRunner
from store.valkey import Client

__all__ = ["InvalidDemand", "Limiter", "LimiterUnavailable", "ReservationEnded", "Used", "UsedBy"]

_SCRIPT = Script.of("limiter_state.lua", "limiter.lua")
_UPKEEP = Script.of("limiter_state.lua", "limiter_upkeep.lua")

_REFUSED, _GRANTED, _ENDED, _UNPREPARED, _OTHER_PERIOD = range(5)

# With what passes until the loop comes round again, a hung Valkey is given up within 50 ms.
_TIMEOUT_S = 0.04

_BATCH = 50
# What was not settled for so long has been forgotten by a fault of ours; its lease then expires.
_LIFE_S = 86_400.0
_RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0)

# Windows are told to Valkey in portions, and those of the next period so long before it begins.
_PORTION = 64
_AHEAD_S = 900.0

# What a window has used, by its age: (slices ago, tokens or micro-dollars), the youngest first. All that a
# calendar period has used stands at age 0.
type Used = tuple[tuple[int, int], ...]
type UsedBy = Callable[[TenantId, tuple[WindowCounter, ...]], Awaitable[tuple[Used, ...]]]


class ReservationEnded(StoreError):
    """The reservation was settled or released before; a fault of ours."""


@dataclass(slots=True)
class _Live:
    """A reservation of this worker that has not been settled."""

    plan: Plan
    tokens: int
    cost: int
    lease_s: int
    renew_at: float = 0.0
    forget_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Ending:
    reservation: ExchangeId
    plan: Plan
    tokens: int
    cost: int
    done: asyncio.Future[Settled]


class Limiter:
    """Reserves, tops up and settles against Valkey; one for each worker.

    ``used`` sums a window's use from PostgreSQL when Valkey does not know it (``store.limiter_rebuild``).
    ``on_crossed`` is told of each threshold that a windowed limit crosses, by one worker of all; it must
    neither wait nor raise. ``timeout_s`` bounds each wait for Valkey, ``used_timeout_s`` each wait for
    ``used``. ``clock`` (milliseconds since 1970) replaces the server's time, in tests alone.
    """

    def __init__(
        self,
        client: Client,
        *,
        used: UsedBy,
        on_crossed: Callable[[Crossed], None] = lambda _: None,
        timeout_s: float = _TIMEOUT_S,
        used_timeout_s: float = 2.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._used = used
        self._on_crossed = on_crossed
        self._used_timeout_s = used_timeout_s
        self._clock = clock
        self._skew_s = 0.0
        self._plans = Plans()
        self._runner = ScriptRunner(client, timeout_s=timeout_s)
        self._live: dict[ExchangeId, _Live] = {}
        self._endings: list[_Ending] = []
        self._flushing: asyncio.Task[None] | None = None
        self._summing: dict[str, asyncio.Task[None]] = {}

    @property
    def available(self) -> bool:
        """False while the breaker is open."""
        return self._runner.available

    async def reserve(self, demand: Demand) -> Granted | Refused:
        """Hold the most that a call can use, against all of its limits or against none.

        Raises ``LimiterUnavailable``, ``ReservationEnded``, ``InvalidDemand``.
        """
        reservation, tokens, cost = demand.reservation, demand.tokens, demand.cost
        _check(tokens, cost)
        if not demand.limits:
            return Granted(reservation, tokens, cost)
        plan = self._plan(demand)
        live = _Live(plan, tokens, cost, demand.lease_s)
        reply = await self._hold("reserve", reservation, live)
        if reply[0] == _OTHER_PERIOD:
            self._skew_s = reply[1] / 1000 - time.time()
            live.plan = plan = self._plan(demand)
            reply = await self._hold("reserve", reservation, live)
        answer = _answer(reply, reservation, plan)
        if type(answer) is Granted:
            live.tokens, live.cost = answer.tokens, answer.cost
            live.forget_at = time.monotonic() + _LIFE_S
            self._live[reservation] = live
        return answer

    async def top_up(self, reservation: ExchangeId, *, tokens: int, cost: MicroDollars) -> Granted | Refused:
        """Hold ``tokens`` and ``cost`` in total from now on, or leave what is held as it was.

        Less than what is held changes nothing. Raises as ``reserve`` does.
        """
        _check(tokens, cost)
        live = self._live.get(reservation)
        if live is None:
            return Granted(reservation, tokens, cost)
        wanted = _Live(live.plan, max(tokens, live.tokens), max(cost, live.cost), live.lease_s)
        answer = _answer(await self._hold("top_up", reservation, wanted), reservation, live.plan)
        if type(answer) is Granted:
            live.tokens, live.cost, live.renew_at = wanted.tokens, wanted.cost, wanted.renew_at
        return answer

    def settle(self, reservation: ExchangeId, *, tokens: int, cost: MicroDollars) -> asyncio.Future[Settled]:
        """Charge what was used, give back what was held beyond it; nothing but the first settling counts.

        More than was held is charged in full. Raises ``InvalidDemand``, upon which the reservation stays
        held. Nothing is sent for a reservation without limits, nor for one that this worker has not made.
        """
        _check(tokens, cost)
        done: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        live = self._live.pop(reservation, None)
        if live is None:
            done.set_result(Settled(0, MicroDollars(0)))
        else:
            self._end(_Ending(reservation, live.plan, tokens, cost, done))
        return done

    def release(self, reservation: ExchangeId) -> asyncio.Future[Settled]:
        """End a reservation whose call did not leave. The request itself stays counted as one."""
        return self.settle(reservation, tokens=0, cost=MicroDollars(0))

    async def reap(self, tenant_id: TenantId) -> int:
        """Return what expired leases of a tenant held (64 at a time); how many there were.

        Every ``reserve`` of the tenant does the same; this is for tenants without traffic.
        """
        reply = await self._runner.run(_SCRIPT, keys_of(tenant_id), "reap", self._now_text())
        return reply[1]

    async def reconcile(self, tenant_id: TenantId, limits: tuple[Limit, ...], zone: ZoneInfo) -> None:
        """Raise a tenant's windows to what the usage rows say, and forget what no longer counts.

        ``limits`` are all counted ones that the tenant has. To be called every few minutes: it mends what a
        failover lost, counts what was used before a limit was set, tells of thresholds whose telling was
        lost, and opens the next period before it begins, so that midnight needs no database.
        """
        now_s = self._now_s()
        windows = {
            window.name: window
            for moment_s in (now_s, now_s + _AHEAD_S)
            for limit in limits
            for window in make_plan(tenant_id, (limit,), zone, moment_s).windows
        }
        for portion in itertools.batched(windows.values(), _PORTION, strict=False):
            sums = await self._tell(tenant_id, portion, 10 * self._used_timeout_s)
            for window, used in zip(portion, sums, strict=True):
                number = int(now_s * 1000) // max(1, window.slice_ms * window.slices)
                for each in crossed(window.limit, sum(part for _, part in used), window.period_name(number)):
                    self._on_crossed(each)
        cursor = -1
        while cursor != 0:
            arguments = ("sweep", self._now_text(), int(now_s * 1000), max(0, cursor))
            (cursor,) = await self._runner.run(_UPKEEP, keys_of(tenant_id), *arguments)

    async def run(self) -> None:
        """Renew the leases of this worker's reservations until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for reservation, live in [item for item in self._live.items() if item[1].renew_at <= now]:
                if now < live.forget_at:
                    await self._renew(reservation, live)
                else:
                    self._live.pop(reservation, None)

    async def drain(self, within_s: float) -> bool:
        """Wait until everything settled has been written; false when that took longer than ``within_s``."""
        if self._flushing is not None:
            await asyncio.wait({self._flushing}, timeout=within_s)
        return not self._endings

    async def _renew(self, reservation: ExchangeId, live: _Live) -> None:
        try:
            reply = await self._hold("top_up", reservation, live)
        except StoreError as error:
            logger.warning("a lease could not be renewed: {}", type(error).__name__)
            return
        if reply[0] == _REFUSED:
            logger.warning("a lease expired before it was renewed, and what it held has been given to others")

    def _plan(self, demand: Demand) -> Plan:
        return self._plans.plan(demand.tenant_id, demand.limits, demand.zone, self._now_s())

    def _now_s(self) -> float:
        return self._clock() / 1000 if self._clock else time.time() + self._skew_s

    def _now_text(self) -> str:
        return str(self._clock()) if self._clock else ""

    async def _hold(self, operation: str, reservation: ExchangeId, live: _Live) -> list[int]:
        reply = await self._ask(operation, reservation, live)
        if reply[0] == _UNPREPARED:
            await self._raise_windows(live.plan)
            reply = await self._ask(operation, reservation, live)
        if reply[0] == _UNPREPARED:
            raise LimiterUnavailable("what was used is lost again")
        live.renew_at = time.monotonic() + live.lease_s / 3
        return reply

    async def _ask(self, operation: str, reservation: ExchangeId, live: _Live) -> list[int]:
        plan = live.plan
        try:
            return await self._runner.run(
                _SCRIPT,
                plan.keys,
                operation,
                self._now_text(),
                reservation.hex,
                live.lease_s * 1000,
                live.tokens,
                live.cost,
                plan.text,
            )
        except NotSent:
            raise
        except BaseException:
            # It may have been carried out all the same, or still be: then it must not stay held.
            if operation == "reserve":
                self._end(_Ending(reservation, plan, 0, 0, asyncio.get_running_loop().create_future()))
            raise

    async def _raise_windows(self, plan: Plan) -> None:
        """Tell Valkey what PostgreSQL knows was used, once for all calls that wait for the same."""
        summing = self._summing.get(plan.text)
        if summing is None:
            summing = asyncio.create_task(self._sum(plan))
            self._summing[plan.text] = summing
            summing.add_done_callback(lambda _: self._summing.pop(plan.text, None))
        await asyncio.shield(summing)

    async def _sum(self, plan: Plan) -> None:
        await self._tell(plan.limits[0].tenant_id, plan.windows, self._used_timeout_s)

    async def _tell(
        self, tenant_id: TenantId, windows: tuple[WindowCounter, ...], within_s: float
    ) -> tuple[Used, ...]:
        try:
            async with asyncio.timeout(within_s):
                sums = await self._used(tenant_id, windows)
        except (StoreError, TimeoutError) as error:
            raise LimiterUnavailable("what was used cannot be summed now") from error
        told: list[str | int] = []
        for window, used in zip(windows, sums, strict=True):
            told += (window.name, window.slice_ms, window.slices)
            told.append(" ".join(f"{age}:{amount}" for age, amount in used))
        await self._runner.run(_UPKEEP, keys_of(tenant_id), "raise", self._now_text(), *told)
        return sums

    def _end(self, ending: _Ending) -> None:
        self._endings.append(ending)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        """Send what has ended until nothing is left; what fails is kept, and sent again after a rest."""
        failures = 0
        while self._endings:
            keys = self._endings[0].plan.keys
            batch = [ending for ending in self._endings if ending.plan.keys == keys][:_BATCH]
            try:
                await self._settle(batch)
            except StoreError as error:
                logger.warning("settling waits for Valkey: {}", error)
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1
                continue
            failures = 0
            sent = set(map(id, batch))
            self._endings = [ending for ending in self._endings if id(ending) not in sent]

    async def _settle(self, batch: list[_Ending]) -> None:
        arguments: list[str | int] = []
        for ending in batch:
            arguments += (ending.reservation.hex, ending.tokens, ending.cost, ending.plan.text)
        try:
            replies = await self._runner.run(
                _SCRIPT, batch[0].plan.keys, "settle", self._now_text(), *arguments
            )
        except InvalidDemand as error:
            await self._settle_each(batch, error)
            return
        rest = iter(replies)
        try:
            for ending in batch:
                self._settled(ending, rest)
        except (StopIteration, IndexError) as error:
            raise LimiterUnavailable("Valkey answered for another number of reservations") from error

    def _settled(self, ending: _Ending, reply: Iterator[int]) -> None:
        """Take one reservation's part of the script's reply: what was beyond, and which thresholds."""
        tokens, cost, count = next(reply), next(reply), next(reply)
        for _ in range(count):
            place, percent, period = next(reply), next(reply), next(reply)
            window = ending.plan.window_of(ending.plan.limits[place - 1])
            self._on_crossed(Crossed(window.limit, percent, window.period_name(period)))
        if not ending.done.done():
            ending.done.set_result(Settled(tokens, MicroDollars(cost)))

    async def _settle_each(self, batch: list[_Ending], error: InvalidDemand) -> None:
        """One by one, so that one which the script does not take holds up no other."""
        if len(batch) > 1:
            for ending in batch:
                await self._settle([ending])
        elif not batch[0].done.done():
            logger.error("a reservation cannot be settled, and ends with its lease: {}", error)
            batch[0].done.cancel()


def _check(tokens: int, cost: int) -> None:
    if type(tokens) is not int or not 0 <= tokens <= RATE_MAX:
        raise InvalidDemand("tokens must be a whole number, from 0 to 10**11")
    if type(cost) is not int or not 0 <= cost <= MICRO_DOLLARS_MAX:
        raise InvalidDemand("cost must be whole micro-dollars, from 0 to 2**53 - 1")


def _answer(reply: list[int], reservation: ExchangeId, plan: Plan) -> Granted | Refused:
    if reply[0] == _ENDED:
        raise ReservationEnded("the reservation was settled before")
    if len(reply) != 9 or reply[0] not in (_GRANTED, _REFUSED):
        raise LimiterUnavailable("Valkey and this worker disagree about the time")
    code, first, second = reply[:3]
    requests = Remaining(*reply[3:6]) if reply[3] >= 0 else None
    tokens = Remaining(*reply[6:]) if reply[6] >= 0 else None
    if code == _GRANTED:
        return Granted(reservation, first, MicroDollars(second), requests, tokens)
    retry_after_s = None if second < 0 else max(1, -(-second // 1000))
    return Refused(plan.limits[first - 1], retry_after_s, requests, tokens)
