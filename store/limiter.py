"""Every limit of a call in one round trip: reserve the worst case before, settle the truth after.

    limiter = Limiter(client, spent=…)                       client: store.valkey.connect(url)
    await limiter.reserve(Demand(…)) -> Granted | Refused    before the call leaves
    await limiter.top_up(reservation, tokens=…, cost=…) -> Granted | Refused    totals, not increments
    limiter.settle(reservation, tokens=…, cost=…) -> Future[Settled]            the truth, once
    limiter.release(reservation) -> Future[Settled]                             nothing was used
    await limiter.run()                                      renews leases, for as long as the worker lives
    await limiter.drain(within_s=…)                          before the worker ends

``Demand``, ``Granted``, ``Refused`` and ``Settled`` are in ``policy.limits``. ``reserve`` and ``top_up``
raise ``LimiterUnavailable`` within some 60 ms when Valkey is away, hung or refusing: the call is then
answered ``degraded``. ``settle`` and ``release`` need not be awaited: they are sent at once, in batches,
and again until Valkey has them. All are idempotent by reservation. The arithmetic is ``limiter.lua``'s.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from policy.identifiers import ExchangeId, TenantId
from policy.limits import Demand, Granted, Refused, Remaining, Settled
from policy.money import MICRO_DOLLARS_MAX, MicroDollars
from store.breaker import Breaker
from store.errors import StoreError
from store.limiter_plan import RATE_MAX, BudgetPeriod, Plan, Plans, keys_of
from store.valkey import CONNECTIONS_MAX

SCRIPT = Path(__file__).with_name("limiter.lua").read_text(encoding="utf-8")
_DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()

_REFUSED, _GRANTED, _ENDED, _UNPREPARED, _OTHER_PERIOD = range(5)

# A reply that has arrived while the event loop was busy is read within this time after the bound.
_GRACE_S = 0.005
_BATCH = 50
# What was not settled for so long has been forgotten by a fault of ours; its lease then expires.
_LIFE_S = 86_400.0
_RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0)

type Spent = Callable[[TenantId, tuple[BudgetPeriod, ...]], Awaitable[tuple[MicroDollars, ...]]]


class LimiterUnavailable(StoreError):
    """Valkey is away, hung, failing over, or has lost what was used and it cannot be summed now."""


class _NotSent(LimiterUnavailable):
    """The breaker was open, so that Valkey knows nothing of the call."""


class ReservationEnded(StoreError):
    """The reservation was settled or released before; a fault of ours."""


class InvalidDemand(StoreError, ValueError):
    """An amount that is not a whole number in range; a fault of ours, or a provider's lie."""


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

    ``spent`` sums a budget's use from PostgreSQL when Valkey does not know it (``store.limiter_rebuild``).
    ``timeout_s`` bounds each wait for Valkey, ``spent_timeout_s`` each wait for ``spent``. ``clock``
    (milliseconds since 1970) replaces the server's time, in tests alone.
    """

    def __init__(
        self,
        client: Redis,
        *,
        spent: Spent,
        timeout_s: float = 0.05,
        spent_timeout_s: float = 2.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._command: Callable[..., Awaitable[Any]] = client.execute_command
        self._spent = spent
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._timeout_s = timeout_s
        self._spent_timeout_s = spent_timeout_s
        self._clock = clock
        self._skew_s = 0.0
        self._plans = Plans()
        self._breaker = Breaker()
        self._live: dict[ExchangeId, _Live] = {}
        self._endings: list[_Ending] = []
        self._flushing: asyncio.Task[None] | None = None
        self._summing: dict[str, asyncio.Task[None]] = {}

    @property
    def available(self) -> bool:
        """False while the breaker is open."""
        return not self._breaker.open

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
        reply = await self._evaluate(keys_of(tenant_id), "reap", self._now_text())
        return reply[1]

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
        now_s = self._clock() / 1000 if self._clock else time.time() + self._skew_s
        return self._plans.plan(demand.tenant_id, demand.limits, demand.zone, now_s)

    def _now_text(self) -> str:
        return str(self._clock()) if self._clock else ""

    async def _hold(self, operation: str, reservation: ExchangeId, live: _Live) -> list[int]:
        reply = await self._ask(operation, reservation, live)
        if reply[0] == _UNPREPARED:
            await self._raise_budgets(live.plan)
            reply = await self._ask(operation, reservation, live)
        if reply[0] == _UNPREPARED:
            raise LimiterUnavailable("what was spent is lost again")
        live.renew_at = time.monotonic() + live.lease_s / 3
        return reply

    async def _ask(self, operation: str, reservation: ExchangeId, live: _Live) -> list[int]:
        plan = live.plan
        try:
            return await self._evaluate(
                plan.keys,
                operation,
                self._now_text(),
                reservation.hex,
                live.lease_s * 1000,
                live.tokens,
                live.cost,
                plan.text,
            )
        except _NotSent:
            raise
        except BaseException:
            # It may have been carried out all the same, or still be: then it must not stay held.
            if operation == "reserve":
                self._end(_Ending(reservation, plan, 0, 0, asyncio.get_running_loop().create_future()))
            raise

    async def _evaluate(self, keys: tuple[str, str, str], *arguments: str | int) -> list[int]:
        """One round trip, bounded; the breaker answers for a Valkey that has just failed to."""
        # A crowd waits here, in order, and not in the time given to Valkey.
        async with self._turns:
            return await self._evaluate_now(keys, arguments)

    async def _evaluate_now(self, keys: tuple[str, str, str], arguments: tuple[str | int, ...]) -> list[int]:
        if not self._breaker.admits():
            raise _NotSent("Valkey did not answer a moment ago")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:
                handle = loop.call_later(self._timeout_s, _last_chance, scope, loop)
                try:
                    reply = await self._send(keys, arguments)
                finally:
                    handle.cancel()
        except ResponseError as error:
            if str(error).startswith("INVALID"):
                raise InvalidDemand(str(error)) from error
            self._breaker.failed()
            raise LimiterUnavailable(f"Valkey refused: {type(error).__name__}") from error
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            raise LimiterUnavailable(f"Valkey did not answer: {type(error).__name__}") from error
        numbers = _numbers(reply)
        if numbers is None:
            self._breaker.failed()
            raise LimiterUnavailable("Valkey answered what the script never does")
        self._breaker.succeeded()
        return numbers

    async def _send(self, keys: tuple[str, str, str], arguments: tuple[str | int, ...]) -> Any:
        try:
            return await self._command("EVALSHA", _DIGEST, 3, *keys, *arguments)
        except NoScriptError:
            return await self._command("EVAL", SCRIPT, 3, *keys, *arguments)

    async def _raise_budgets(self, plan: Plan) -> None:
        """Tell Valkey what PostgreSQL knows was spent, once for all calls that wait for the same."""
        summing = self._summing.get(plan.text)
        if summing is None:
            summing = asyncio.create_task(self._sum(plan))
            self._summing[plan.text] = summing
            summing.add_done_callback(lambda _: self._summing.pop(plan.text, None))
        await asyncio.shield(summing)

    async def _sum(self, plan: Plan) -> None:
        try:
            async with asyncio.timeout(self._spent_timeout_s):
                sums = await self._spent(plan.limits[0].tenant_id, plan.budgets)
        except (StoreError, TimeoutError) as error:
            raise LimiterUnavailable("what was spent cannot be summed now") from error
        pairs = [
            text for budget, spent in zip(plan.budgets, sums, strict=True) for text in (budget.field, spent)
        ]
        await self._evaluate(plan.keys, "raise", self._now_text(), *pairs)

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
            replies = await self._evaluate(batch[0].plan.keys, "settle", self._now_text(), *arguments)
        except InvalidDemand as error:
            await self._settle_each(batch, error)
            return
        if len(replies) != 2 * len(batch):
            raise LimiterUnavailable("Valkey answered for another number of reservations")
        for ending, tokens, cost in zip(batch, replies[::2], replies[1::2], strict=True):
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


def _last_chance(scope: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
    scope.reschedule(loop.time() + _GRACE_S)


def _numbers(reply: Any) -> list[int] | None:
    """The script's text of integers; ``None`` for anything else."""
    try:
        return [int(number) for number in reply.split()] or None
    except (AttributeError, ValueError):
        return None


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
