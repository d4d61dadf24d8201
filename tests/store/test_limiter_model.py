"""Random histories of reservations, endings, crashes, clock jumps and changes agree with exact arithmetic."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import Demand, Granted, Limit, LimitKind, LimitScope, Refused, Window, period_of
from policy.money import MicroDollars
from store.limiter import Limiter, ReservationEnded
from store.limiter_plan import BudgetPeriod, keys_of, make_plan
from store.valkey import connect
from tests.store.limiter_model import RATES, B, Key, Model
from tests.store.limiting import PATIENCE_S

ZONE = ZoneInfo("Europe/Berlin")
START_MS = int(datetime(2026, 10, 24, 20, tzinfo=UTC).timestamp() * 1000)  # hours before a clock change
EXAMPLES = int(os.environ.get("CONDUIT_TEST_HISTORIES", "100"))

amounts = {
    LimitKind.REQUESTS_PER_MINUTE: (1000, 7, 3, 1),
    LimitKind.TOKENS_PER_MINUTE: (100_000, 333, 100),
    LimitKind.CONCURRENT: (9, 3, 2),
    LimitKind.BUDGET_MICRO_DOLLARS: (10_000, 500, 200),
}
shapes = (
    *((LimitScope.TENANT, kind, None) for kind in (LimitKind.REQUESTS_PER_MINUTE, LimitKind.CONCURRENT)),
    (LimitScope.TENANT, B, Window.MONTH),
    (LimitScope.USER, LimitKind.REQUESTS_PER_MINUTE, None),
    (LimitScope.USER, LimitKind.TOKENS_PER_MINUTE, None),
    (LimitScope.USER, B, Window.DAY),
    (LimitScope.PLACEHOLDER, LimitKind.TOKENS_PER_MINUTE, None),
)
number = st.integers(0, 120)
pick = st.integers(0, 4)
worker = st.integers(0, 1)
reserving = st.tuples(st.just("reserve"), worker, st.booleans(), number, number, st.sampled_from((1, 30, 60)))
settling = st.tuples(st.just("settle"), pick, number, number)
passing = st.tuples(
    st.just("pass_time"), st.sampled_from((1, 500, 7_000, 31_000, 65_000, 605_000, 90_000_000))
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
    st.tuples(st.just("lose_everything")),
)
histories = st.lists(steps, min_size=20, max_size=60)


@dataclass
class Call:
    worker: Limiter
    user: int
    limits: tuple[Limit, ...]
    lease_s: int
    live: Any = None


@dataclass
class History:
    """Plays each step on the real script and on the model, and compares all that can be seen."""

    url: str
    limits: list[Limit] = field(default_factory=list)
    calls: dict[UUID, Call] = field(default_factory=dict)
    now_ms: int = START_MS
    fields: dict[Key, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tenant = TenantId(uuid4())
        self.users = (uuid4(), uuid4())
        self.model = Model()
        self.client = connect(self.url)
        self.workers = [
            Limiter(self.client, spent=self.spent, clock=lambda: self.now_ms, timeout_s=PATIENCE_S)
            for _ in "ab"
        ]

    async def spent(self, tenant: TenantId, budgets: tuple[BudgetPeriod, ...]) -> tuple[MicroDollars, ...]:
        return tuple(
            MicroDollars(self.model.postgres.get((B, b.scope, b.subject, b.period.starts_at), 0))
            for b in budgets
        )

    def limits_of(self, user: int) -> tuple[Limit, ...]:
        subjects = {
            LimitScope.TENANT: self.tenant,
            LimitScope.USER: self.users[user],
            LimitScope.PLACEHOLDER: UUID(int=user),
        }
        return tuple(replace(limit, subject=subjects[limit.scope]) for limit in self.limits)

    def entries(self, limits: tuple[Limit, ...]) -> list[tuple[Limit, Key]]:
        moment = datetime.fromtimestamp(self.now_ms / 1000, UTC)
        return [
            (
                limit,
                (
                    limit.kind,
                    limit.scope,
                    limit.subject,
                    period_of(limit.window, moment, ZONE).starts_at if limit.window else None,
                ),
            )
            for limit in limits
        ]

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
        key = next(key for entry, key in self.current if entry == limit)
        period = period_of(limit.window, key[3], ZONE)  # type: ignore[arg-type]
        return max(1, -(-(int(period.ends_at.timestamp() * 1000) - self.now_ms) // 1000))

    async def reserve(self, worker: int, user: bool, tokens: int, cost: int, lease_s: int) -> None:
        call = Call(self.workers[worker], int(user), self.limits_of(int(user)), lease_s)
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
        starts = {budget.field: budget.period.starts_at for budget in call.live.plan.budgets}
        by_scope = {(b.scope, b.subject): starts[b.field] for b in call.live.plan.budgets}
        return [
            (
                limit,
                (
                    limit.kind,
                    limit.scope,
                    limit.subject,
                    by_scope[limit.scope, limit.subject] if limit.window else None,
                ),
            )
            for limit in call.live.plan.limits
        ]

    async def settle(self, index: int, tokens: int, cost: int) -> None:
        found = self.named(index)
        if found is None or found[1].live is None:
            return
        reservation, call = found
        call.worker._live[ExchangeId(reservation)] = call.live  # also when it was settled, or lost, before
        self.model.tick(self.now_ms)
        expected = self.model.settle(reservation, self.planned(call), tokens, cost)
        settled = await call.worker.settle(ExchangeId(reservation), tokens=tokens, cost=MicroDollars(cost))
        assert (settled.overshoot_tokens, settled.overshoot_cost) == expected

    async def release(self, index: int) -> None:
        await self.settle(index, 0, 0)

    async def pass_time(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    async def turn_clock_back(self, milliseconds: int) -> None:
        self.now_ms = max(START_MS, self.now_ms - milliseconds)

    async def change_limit(self, index: int, choice: int) -> None:
        choices = (0, *amounts[self.limits[index].kind])
        self.limits[index] = replace(self.limits[index], amount=choices[choice % len(choices)])

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
        stored.pop("clock", None)
        for key, counter in self.model.counters.items():
            kind = key[0]
            used, held, *rest = stored[self.field_of(key)].split()
            if kind in RATES:
                assert int(rest[1]) == counter.rate
                elapsed = self.model.now - int(rest[0])
                level = max(Fraction(0), Fraction(int(used) - elapsed * int(rest[1]), 60_000))
                since = self.model.now - counter.at
                assert level == max(Fraction(0), counter.level - Fraction(counter.rate * since, 60_000))
            else:
                assert int(used) == counter.level
                assert (rest == []) == (counter.known or kind is not B) or kind is not B
            assert int(held) == counter.held

    def field_of(self, key: Key) -> str:
        """The state field of a counter, as the production code names it."""
        if key not in self.fields:
            kind, scope, subject, start = key
            window = next(window for shape, other, window in shapes if (shape, other) == (scope, kind))
            limit = Limit(LimitId(uuid4()), self.tenant, scope, subject, kind, 1, window)
            moment = start.timestamp() if start else 0.0
            self.fields[key] = json.loads(make_plan(self.tenant, (limit,), ZONE, moment).text)[0][1]
        return self.fields[key]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@given(
    chosen=st.tuples(*(st.sampled_from(amounts[kind]) for _, kind, _ in shapes)),
    history=histories,
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_history_agrees_with_exact_arithmetic(
    valkey_url: str, loop: asyncio.AbstractEventLoop, chosen: tuple[int, ...], history: list[tuple[Any, ...]]
) -> None:
    play = History(valkey_url)
    play.limits = [
        Limit(LimitId(uuid4()), play.tenant, scope, play.tenant, kind, amount, window)
        for (scope, kind, window), amount in zip(shapes, chosen, strict=True)
    ]
    loop.run_until_complete(play.play(history))
