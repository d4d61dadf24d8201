"""Random histories of reservations, endings, crashes, clock jumps and changes agree with exact arithmetic."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import (
    DEFAULT_THRESHOLDS,
    Crossed,
    Demand,
    Granted,
    Limit,
    LimitKind,
    LimitScope,
    Refused,
    Window,
    period_of,
)
from policy.money import MicroDollars
from store.limiter import Limiter, ReservationEnded, Used
from store.limiter_plan import WindowCounter, keys_of, make_plan
from store.valkey import connect
from tests.store.limiter_model import RATES, SLICES, WINDOWS, ZONE, B, Caller, Key, Model, Row
from tests.store.limiter_model import Counter as ModelCounter
from tests.store.limiting import PATIENCE_S

TEAM = UUID(int=9)
START_MS = int(datetime(2026, 10, 24, 20, tzinfo=UTC).timestamp() * 1000)  # hours before a clock change
EXAMPLES = int(os.environ.get("CONDUIT_TEST_HISTORIES", "100"))

amounts = {
    LimitKind.REQUESTS_PER_MINUTE: (1000, 7, 3, 1),
    LimitKind.TOKENS_PER_MINUTE: (100_000, 333, 100),
    LimitKind.CONCURRENT: (9, 3, 2),
    LimitKind.TOKENS: (9_000, 600, 120, 1),
    LimitKind.BUDGET_MICRO_DOLLARS: (10_000, 500, 200),
}
bursts = (None, 2, 150)


@dataclass(frozen=True)
class Shape:
    """A limit without its amount; ``kind`` and scope, window or hours, and the model that it narrows to."""

    scope: LimitScope
    kind: LimitKind
    window: Window | None = None
    hours: int | None = None
    model: str | None = None


shapes = (
    Shape(LimitScope.TENANT, LimitKind.REQUESTS_PER_MINUTE),
    Shape(LimitScope.TENANT, LimitKind.CONCURRENT),
    Shape(LimitScope.TENANT, B, Window.MONTH),
    Shape(LimitScope.TENANT, LimitKind.TOKENS, Window.ROLLING, hours=24),
    Shape(LimitScope.TENANT, B, Window.ROLLING, hours=1, model="gpt-4*"),
    Shape(LimitScope.TEAM, LimitKind.TOKENS, Window.WEEK),
    Shape(LimitScope.TEAM, B, Window.DAY),
    Shape(LimitScope.USER, LimitKind.REQUESTS_PER_MINUTE),
    Shape(LimitScope.USER, LimitKind.TOKENS_PER_MINUTE, model="gpt-4*"),
    Shape(LimitScope.USER, B, Window.DAY),
    Shape(LimitScope.PLACEHOLDER, LimitKind.TOKENS_PER_MINUTE),
)
number = st.integers(0, 120)
pick = st.integers(0, 4)
worker = st.integers(0, 1)
reserving = st.tuples(
    st.just("reserve"), worker, st.integers(0, 3), number, number, st.sampled_from((1, 30, 60))
)
settling = st.tuples(st.just("settle"), pick, number, number)
passing = st.tuples(
    st.just("pass_time"),
    st.sampled_from((1, 500, 7_000, 31_000, 65_000, 605_000, 1_900_000, 3_700_000, 90_000_000)),
)
steps = st.one_of(
    reserving,
    reserving,
    reserving,
    st.tuples(st.just("reserve_again"), pick, number, number),
    st.tuples(st.just("top_up"), pick, number, number),
    settling,
    settling,
    st.tuples(st.just("release"), pick),
    passing,
    st.tuples(st.just("turn_clock_back"), st.sampled_from((1, 40_000, 7_200_000))),
    st.tuples(st.just("change_limit"), st.integers(0, len(shapes) - 1), pick),
    st.tuples(st.just("change_burst"), st.integers(0, len(shapes) - 1), st.sampled_from(bursts)),
    st.tuples(st.just("lengthen_window"), st.integers(0, len(shapes) - 1)),
    st.tuples(st.just("lose_everything")),
)
histories = st.lists(steps, min_size=20, max_size=60)


@dataclass
class Call:
    worker: Limiter
    caller: Caller
    limits: tuple[Limit, ...]
    lease_s: int
    began_ms: int
    live: Any = None


@dataclass
class History:
    """Plays each step on the real script and on the model, and compares all that can be seen."""

    url: str
    limits: list[Limit] = field(default_factory=list)
    calls: dict[UUID, Call] = field(default_factory=dict)
    now_ms: int = START_MS
    names: dict[Key, str] = field(default_factory=dict)
    crossed: list[Crossed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tenant = TenantId(uuid4())
        self.users = (uuid4(), uuid4())
        self.model = Model()
        self.client = connect(self.url)
        self.workers = [
            Limiter(
                self.client,
                used=self.used,
                on_crossed=self.crossed.append,
                clock=lambda: self.now_ms,
                timeout_s=PATIENCE_S,
            )
            for _ in "ab"
        ]

    async def used(self, tenant: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
        """As PostgreSQL's rows would be summed, from the rows that the model keeps."""
        return tuple(self.rows(window) for window in windows)

    def rows(self, window: WindowCounter) -> Used:
        limit = window.limit
        key = key_in(limit, limit.hours if window.period is None else window.period.starts_at)
        by_age = Counter[int]()
        for age, amount in self.model.known_of(limit, key):
            by_age[age] += amount
        return tuple(sorted(by_age.items()))

    def caller(self, number: int) -> Caller:
        """Two users of one team with a placeholder each, and two models, of which some limits count one."""
        subjects = (self.tenant, TEAM, self.users[number % 2], UUID(int=number % 2))
        return Caller(frozenset(subjects), "gpt-4o" if number >= 2 else "claude")

    def limits_of(self, number: int) -> tuple[Limit, ...]:
        subjects = {
            LimitScope.TENANT: self.tenant,
            LimitScope.TEAM: TEAM,
            LimitScope.USER: self.users[number % 2],
            LimitScope.PLACEHOLDER: UUID(int=number % 2),
        }
        return tuple(
            replace(limit, subject=subjects[limit.scope])
            for limit in self.limits
            if limit.covers(self.caller(number).model)
        )

    def entries(self, limits: tuple[Limit, ...]) -> list[tuple[Limit, Key]]:
        return [(limit, key_of(limit, self.now_ms)) for limit in limits]

    def named(self, index: int) -> tuple[UUID, Call] | None:
        return list(self.calls.items())[-1 - index] if index < len(self.calls) else None

    async def compare(self, call: Call, expected: Any, operation: Any) -> None:
        if expected.code == "ended":
            with pytest.raises(ReservationEnded):
                await operation
            return
        answer = await operation
        assert (answer.requests_left, answer.tokens_left) == (expected.requests, expected.tokens)
        if expected.code == "granted":
            assert isinstance(answer, Granted)
            assert (answer.tokens, answer.cost) == expected.held
        else:
            assert isinstance(answer, Refused)
            assert answer.limit == expected.limit
            assert answer.retry_after_s == self.wait(expected.limit, expected.retry_after_s)

    def wait(self, limit: Limit, seconds: int | None) -> int | None:
        if seconds != -1:
            return seconds
        start = next(key for entry, key in self.current if entry == limit)[-1]
        assert limit.window is not None
        assert isinstance(start, datetime)
        period = period_of(limit.window, start, ZONE)
        return max(1, -(-(int(period.ends_at.timestamp() * 1000) - self.now_ms) // 1000))

    async def reserve(self, worker: int, caller: int, tokens: int, cost: int, lease_s: int) -> None:
        call = Call(self.workers[worker], self.caller(caller), self.limits_of(caller), lease_s, self.now_ms)
        reservation = uuid4()
        self.calls[reservation] = call
        await self.ask(reservation, call, tokens, cost)

    async def reserve_again(self, index: int, tokens: int, cost: int) -> None:
        if found := self.named(index):
            await self.ask(*found, tokens, cost)

    async def ask(self, reservation: UUID, call: Call, tokens: int, cost: int) -> None:
        self.model.tick(self.now_ms)
        self.current = self.entries(call.limits)
        if known := self.model.holdings.get(reservation):
            self.current = list(known.limits)
        expected = self.model.reserve(
            reservation, self.entries(call.limits), tokens, cost, call.lease_s * 1000
        )
        demand = Demand(
            ExchangeId(reservation), self.tenant, call.limits, ZONE, tokens, MicroDollars(cost), call.lease_s
        )
        await self.compare(call, expected, call.worker.reserve(demand))
        call.live = call.worker._live.get(ExchangeId(reservation), call.live)

    async def top_up(self, index: int, tokens: int, cost: int) -> None:
        found = self.named(index)
        if found is None or found[1].live is None:
            return
        reservation, call = found
        call.worker._live[ExchangeId(reservation)] = call.live
        self.model.tick(self.now_ms)
        planned = self.planned(call)
        self.current = planned
        if known := self.model.holdings.get(reservation):
            self.current = list(known.limits)
        tokens, cost = max(tokens, call.live.tokens), max(cost, call.live.cost)
        expected = self.model.top_up(reservation, planned, tokens, cost, call.lease_s * 1000)
        await self.compare(
            call,
            expected,
            call.worker.top_up(ExchangeId(reservation), tokens=tokens, cost=MicroDollars(cost)),
        )

    def planned(self, call: Call) -> list[tuple[Limit, Key]]:
        """The limits as the worker wrote them when it reserved; they count once Valkey has lost its own."""
        starts = {
            window.limit.id: window.period.starts_at for window in call.live.plan.windows if window.period
        }
        return [
            (limit, key_in(limit, limit.hours or starts.get(limit.id))) for limit in call.live.plan.limits
        ]

    async def settle(self, index: int, tokens: int, cost: int) -> None:
        found = self.named(index)
        if found is None or found[1].live is None:
            return
        reservation, call = found
        call.worker._live[ExchangeId(reservation)] = call.live  # also when it was settled, or lost, before
        self.model.tick(self.now_ms)
        overshoot, crossed = self.model.settle(
            reservation, self.planned(call), Row(call.caller, call.began_ms, tokens, cost)
        )
        settled = await call.worker.settle(ExchangeId(reservation), tokens=tokens, cost=MicroDollars(cost))
        assert (settled.overshoot_tokens, settled.overshoot_cost) == overshoot
        told = [(each.limit.id, each.percent) for each in self.crossed]
        self.crossed.clear()
        assert told == [(limit.id, percent) for limit, percent in crossed]

    async def release(self, index: int) -> None:
        await self.settle(index, 0, 0)

    async def pass_time(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    async def turn_clock_back(self, milliseconds: int) -> None:
        self.now_ms = max(START_MS, self.now_ms - milliseconds)

    async def change_limit(self, index: int, choice: int) -> None:
        choices = (0, *amounts[self.limits[index].kind])
        self.limits[index] = replace(self.limits[index], amount=choices[choice % len(choices)])

    async def change_burst(self, index: int, burst: int | None) -> None:
        if self.limits[index].kind in RATES:
            self.limits[index] = replace(self.limits[index], burst=burst)

    async def lengthen_window(self, index: int) -> None:
        """From a day to a week and a month, or from an hour to two: another counter, filled from the rows."""
        limit = self.limits[index]
        if limit.hours is not None:
            self.limits[index] = replace(limit, hours=limit.hours % 24 + 1)
        elif limit.window is not None:
            following = {Window.DAY: Window.WEEK, Window.WEEK: Window.MONTH, Window.MONTH: Window.DAY}
            self.limits[index] = replace(limit, window=following[limit.window])

    async def lose_everything(self) -> None:
        await self.client.delete(*keys_of(self.tenant))
        self.model.lose_everything()

    async def play(self, history: list[tuple[Any, ...]]) -> None:
        try:
            for name, *arguments in history:
                await getattr(self, name)(*arguments)
                await self.same_counters()
        finally:
            await self.client.aclose()

    async def same_counters(self) -> None:
        """All state that the script keeps equals the model's, to the last unit."""
        state: Any = await self.client.hgetall(keys_of(self.tenant)[0])
        stored = {name.decode(): text.decode() for name, text in state.items()}
        for key, counter in self.model.counters.items():
            name = self.name_of(key)
            used, held, *rest = stored[name].split()
            assert int(held) == counter.held
            if key[0] in RATES:
                self.same_rate(counter, int(used), int(rest[0]), int(rest[1]))
            elif key[0] in WINDOWS:
                assert (rest[-1] == "?") == (not counter.known)
                if isinstance(key[-1], int):
                    slices = slices_in(stored[name], stored.get(f"past {name}", ""))
                    assert int(used) == sum(slices.values())
                    oldest = self.model.now // (key[-1] * 60_000) - SLICES
                    assert within(slices, oldest) == within(counter.slices, oldest)
                else:
                    assert int(used) == counter.level

    def name_of(self, key: Key) -> str:
        """A counter's name, as the production code writes it."""
        if key not in self.names:
            kind, scope, subject, model, window, start = key
            hours = start if isinstance(start, int) else None
            limit = Limit(
                LimitId(uuid4()), self.tenant, scope, subject, kind, 1, window, model=model, hours=hours
            )
            moment = start.timestamp() if isinstance(start, datetime) else 0.0
            self.names[key] = json.loads(make_plan(self.tenant, (limit,), ZONE, moment).text)[0][1]
        return self.names[key]

    def same_rate(self, counter: ModelCounter, used: int, at: int, rate: int) -> None:
        assert rate == counter.rate
        level = max(Fraction(0), Fraction(used - (self.model.now - at) * rate, 60_000))
        since = self.model.now - counter.at
        assert level == max(Fraction(0), counter.level - Fraction(counter.rate * since, 60_000))


def slices_in(text: str, past: str) -> dict[int, int]:
    """A rolling counter's slices, as the script writes them."""
    parts = text.split()
    found = {int(number): int(amount) for number, _, amount in (part.partition(":") for part in past.split())}
    return {**found, int(parts[3]): int(parts[4])}


def within(slices: dict[int, int], oldest: int) -> dict[int, int]:
    """Those that hold anything and have not left the window: the script drops the others when it counts."""
    return {number: amount for number, amount in slices.items() if amount and number >= oldest}


def key_in(limit: Limit, start: datetime | int | None) -> Key:
    return (limit.kind, limit.scope, limit.subject, limit.model, limit.window, start)


def key_of(limit: Limit, now_ms: int) -> Key:
    if limit.window is None or limit.hours is not None:
        return key_in(limit, limit.hours)
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return key_in(limit, period_of(limit.window, moment, ZONE).starts_at)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@given(
    chosen=st.tuples(*(st.sampled_from(amounts[shape.kind]) for shape in shapes)),
    history=histories,
)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_every_history_agrees_with_exact_arithmetic(
    valkey_url: str, loop: asyncio.AbstractEventLoop, chosen: tuple[int, ...], history: list[tuple[Any, ...]]
) -> None:
    play = History(valkey_url)
    play.limits = [
        Limit(
            LimitId(uuid4()),
            play.tenant,
            shape.scope,
            play.tenant,
            shape.kind,
            amount,
            shape.window,
            model=shape.model,
            hours=shape.hours,
            thresholds=DEFAULT_THRESHOLDS if shape.window else (),
        )
        for shape, amount in zip(shapes, chosen, strict=True)
    ]
    loop.run_until_complete(play.play(history))
