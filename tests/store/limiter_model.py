"""What the limiter must do, in exact arithmetic and without Valkey: the reference that the script is held to.

Written from the rules, not from the script: levels are fractions of a request or token, time is logical
milliseconds. ``postgres`` is what the usage rows sum to for each budget.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import ceil, floor
from uuid import UUID

from policy.limits import Limit, LimitKind, LimitScope, Remaining

R, T, C, B = (
    LimitKind.REQUESTS_PER_MINUTE,
    LimitKind.TOKENS_PER_MINUTE,
    LimitKind.CONCURRENT,
    LimitKind.BUDGET_MICRO_DOLLARS,
)
RATES = (R, T)
ENDED_FOR_MS = 600_000
EXPIRED_FOR_MS = 3_600_000

# kind, scope, subject, and the start of a budget's period
type Key = tuple[LimitKind, LimitScope, UUID, datetime | None]


@dataclass
class Counter:
    level: Fraction = Fraction(0)
    held: int = 0
    at: int = 0
    rate: int | None = None
    known: bool = False


@dataclass
class Holding:
    limits: tuple[tuple[Limit, Key], ...]
    tokens: int
    cost: int
    due: int
    status: str = "live"


@dataclass
class Outcome:
    """``code``: granted, refused or ended. ``requests`` and ``tokens`` are what the headers say."""

    code: str
    limit: Limit | None = None
    retry_after_s: int | None = None
    held: tuple[int, int] = (0, 0)
    requests: Remaining | None = None
    tokens: Remaining | None = None


@dataclass
class Model:
    postgres: dict[Key, int] = field(default_factory=dict)
    counters: dict[Key, Counter] = field(default_factory=dict)
    holdings: dict[UUID, Holding] = field(default_factory=dict)
    last: int = 0
    offset: int = 0
    now: int = 0

    def lose_everything(self) -> None:
        """The server was flushed."""
        self.counters.clear()
        self.holdings.clear()
        self.last = self.offset = 0

    def tick(self, real_ms: int) -> None:
        """Logical time follows the server's clock forwards, and stands while that one repeats itself."""
        self.now = max(real_ms + self.offset, self.last)
        self.offset += self.now - (real_ms + self.offset)
        self.last = self.now

    def reserve(
        self, reservation: UUID, limits: Iterable[tuple[Limit, Key]], tokens: int, cost: int, lease_ms: int
    ) -> Outcome:
        self._reap()
        known = self.holdings.get(reservation)
        if known is not None and known.status == "live":
            return self._headers(Outcome("granted", held=(known.tokens, known.cost)), known.limits)
        return self._hold(reservation, tuple(limits), tokens, cost, lease_ms, first=known is None)

    def top_up(
        self, reservation: UUID, limits: Iterable[tuple[Limit, Key]], tokens: int, cost: int, lease_ms: int
    ) -> Outcome:
        self._reap()
        return self._hold(reservation, tuple(limits), tokens, cost, lease_ms, first=False)

    def settle(
        self, reservation: UUID, limits: Iterable[tuple[Limit, Key]], tokens: int, cost: int
    ) -> tuple[int, int]:
        """The tokens and micro-dollars by which the truth exceeded what was held."""
        holding = self.holdings.get(reservation)
        if holding is not None and holding.status == "ended":
            return 0, 0
        entries = holding.limits if holding else tuple(limits)
        if holding is not None:
            self._give_back(holding)
        for limit, key in entries:
            counter = self._counter(limit, key)
            counter.level += {T: tokens, B: cost}.get(limit.kind, 0)
            if limit.kind is B:
                self.postgres[key] = self.postgres.get(key, 0) + cost
        held = (holding.tokens, holding.cost) if holding else (0, 0)
        self.holdings[reservation] = Holding(entries, 0, 0, self.now + ENDED_FOR_MS, "ended")
        return max(0, tokens - held[0]), max(0, cost - held[1])

    def _hold(
        self,
        reservation: UUID,
        entries: tuple[tuple[Limit, Key], ...],
        tokens: int,
        cost: int,
        lease_ms: int,
        *,
        first: bool,
    ) -> Outcome:
        holding = self.holdings.get(reservation)
        if holding is not None:
            if holding.status == "ended":
                return Outcome("ended")
            entries = holding.limits
            tokens, cost = max(tokens, holding.tokens), max(cost, holding.cost)
        live = holding is not None and holding.status == "live"
        before_refusal = set(self.counters)
        counters = [self._counter(limit, key) for limit, key in entries]
        changed = first and any(
            key in before_refusal and limit.kind in RATES and counter.rate != limit.amount
            for (limit, key), counter in zip(entries, counters, strict=True)
        )
        for (limit, key), counter in zip(entries, counters, strict=True):
            self._prepare(limit, key, counter)
            if first and limit.kind in RATES:
                counter.rate = limit.amount
        before = (holding.tokens, holding.cost) if holding is not None and live else (0, 0)
        steps = {R: int(first), T: tokens - before[0], C: int(not live), B: cost - before[1]}
        refusing = self._refusing(entries, counters, steps, first)
        if refusing is not None:
            outcome = self._headers(refusing, entries)
            if not changed:
                self._forget_empty(set(self.counters) - before_refusal)
            return outcome
        for (limit, _), counter in zip(entries, counters, strict=True):
            if limit.kind is R:
                counter.level += steps[R]
            else:
                counter.held += steps[limit.kind]
            if limit.kind is B and first:
                assert counter.level + counter.held <= limit.amount
        self.holdings[reservation] = Holding(entries, tokens, cost, self.now + lease_ms)
        return self._headers(Outcome("granted", held=(tokens, cost)), entries)

    def _refusing(
        self,
        entries: tuple[tuple[Limit, Key], ...],
        counters: list[Counter],
        steps: dict[LimitKind, int],
        first: bool,
    ) -> Outcome | None:
        for (limit, _), counter in zip(entries, counters, strict=True):
            step = steps[limit.kind]
            if (first or step > 0) and counter.level + counter.held + step > limit.amount:
                return Outcome("refused", limit, self._wait(limit, counter, step))
        return None

    def _wait(self, limit: Limit, counter: Counter, step: int) -> int | None:
        if step > limit.amount or (limit.kind is not B and limit.amount == 0):
            return None
        if limit.kind is C:
            return 1
        if limit.kind is B:
            assert limit.window is not None
            return -1 if counter.level + step > limit.amount else 1  # -1: at the end of the period
        excess = min(counter.level + counter.held + step - limit.amount, counter.level)
        return max(1, ceil(excess * 60 / limit.amount))

    def _forget_empty(self, keys: set[Key]) -> None:
        """A refused call leaves no trace of limits that nothing was counted for."""
        for key in keys:
            if not self.counters[key].known:
                del self.counters[key]

    def _prepare(self, limit: Limit, key: Key, counter: Counter) -> None:
        if limit.kind is B and not counter.known:
            counter.level += self.postgres.get(key, 0)
            counter.known = True

    def _counter(self, limit: Limit, key: Key) -> Counter:
        counter = self.counters.setdefault(key, Counter(at=self.now))
        if limit.kind in RATES:
            if counter.rate is None:
                counter.rate = limit.amount
            counter.level = max(
                Fraction(0), counter.level - Fraction(counter.rate * (self.now - counter.at), 60_000)
            )
        counter.at = self.now
        return counter

    def _give_back(self, holding: Holding) -> None:
        if holding.status != "live":
            return
        for limit, key in holding.limits:
            self._counter(limit, key).held -= {T: holding.tokens, C: 1, B: holding.cost}.get(limit.kind, 0)

    def _reap(self) -> None:
        for reservation, holding in list(self.holdings.items()):
            if holding.due > self.now:
                continue
            if holding.status == "live":
                self._give_back(holding)
                holding.status, holding.due = "expired", self.now + EXPIRED_FOR_MS
            else:
                del self.holdings[reservation]

    def _headers(self, outcome: Outcome, entries: tuple[tuple[Limit, Key], ...]) -> Outcome:
        outcome.requests, outcome.tokens = self._tightest(R, entries), self._tightest(T, entries)
        return outcome

    def _tightest(self, kind: LimitKind, entries: tuple[tuple[Limit, Key], ...]) -> Remaining | None:
        found: list[Remaining] = []
        for limit, key in entries:
            if limit.kind is kind:
                counter = self._counter(limit, key)
                left = max(0, floor(limit.amount - counter.level) - counter.held)
                reset = ceil(counter.level * 60_000 / limit.amount) if limit.amount else 0
                found.append(Remaining(limit.amount, left, reset))
        return min(found, key=lambda remaining: remaining.remaining, default=None)
