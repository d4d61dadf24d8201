"""What the limiter must do, in exact arithmetic and without Valkey: the reference that the script is held to.

Written from the rules, not from the script: levels are fractions of a request or token, time is logical
milliseconds. ``rows`` is what PostgreSQL knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import ceil, floor
from uuid import UUID
from zoneinfo import ZoneInfo

from policy.limits import Limit, LimitKind, LimitScope, Remaining, Window, period_of

R, T, C, N, B = (
    LimitKind.REQUESTS_PER_MINUTE,
    LimitKind.TOKENS_PER_MINUTE,
    LimitKind.CONCURRENT,
    LimitKind.TOKENS,
    LimitKind.BUDGET_MICRO_DOLLARS,
)
RATES = (R, T)
WINDOWS = (N, B)
SLICES = 60
ZONE = ZoneInfo("Europe/Berlin")
ENDED_FOR_MS = 600_000
EXPIRED_FOR_MS = 3_600_000

# kind, scope, subject, model, window, and the start of its calendar period or its hours
type Key = tuple[LimitKind, LimitScope, UUID, str | None, Window | None, datetime | int | None]


@dataclass(frozen=True)
class Caller:
    """Whose call it is, and of which model: what a usage row says of it."""

    subjects: frozenset[UUID]
    model: str


@dataclass(frozen=True)
class Row:
    """A usage row; ``began_ms`` by the server's clock."""

    caller: Caller
    began_ms: int
    tokens: int
    cost: int


@dataclass
class Counter:
    level: Fraction = Fraction(0)
    held: int = 0
    at: int = 0
    rate: int | None = None
    known: bool = False
    told: set[tuple[int, int]] = field(default_factory=set)  # period and percent
    slices: dict[int, int] = field(default_factory=dict)


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
    rows: list[Row] = field(default_factory=list)
    counters: dict[Key, Counter] = field(default_factory=dict)
    holdings: dict[UUID, Holding] = field(default_factory=dict)
    last: int = 0
    offset: int = 0
    now: int = 0
    real: int = 0

    def lose_everything(self) -> None:
        """The server was flushed."""
        self.counters.clear()
        self.holdings.clear()
        self.last = self.offset = 0

    def tick(self, real_ms: int) -> None:
        """Logical time follows the server's clock forwards, and stands while that one repeats itself."""
        self.real = real_ms
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
        self, reservation: UUID, limits: Iterable[tuple[Limit, Key]], row: Row
    ) -> tuple[tuple[int, int], list[tuple[Limit, int]]]:
        """What the truth exceeded the holding by, and which thresholds were reached and not told of yet."""
        planned, tokens, cost = tuple(limits), row.tokens, row.cost
        holding = self.holdings.get(reservation)
        if holding is not None and holding.status == "ended":
            return (0, 0), []
        entries = holding.limits if holding else planned
        if holding is not None:
            self._give_back(holding)
        self.rows.append(row)
        names = {key for _, key in planned}
        crossed: list[tuple[Limit, int]] = []
        for limit, key in entries:
            self._use(limit, key, {T: tokens, N: tokens, B: cost}.get(limit.kind, 0))
            if key in names:
                crossed += [(limit, percent) for percent in self._crossed(limit, key)]
        held = (holding.tokens, holding.cost) if holding else (0, 0)
        self.holdings[reservation] = Holding(entries, 0, 0, self.now + ENDED_FOR_MS, "ended")
        return (max(0, tokens - held[0]), max(0, cost - held[1])), crossed

    def _use(self, limit: Limit, key: Key, amount: int) -> None:
        counter = self._counter(limit, key)
        counter.level += amount
        if limit.hours is not None:
            current = self.now // slice_ms(limit)
            counter.slices[current] = counter.slices.get(current, 0) + amount

    def _crossed(self, limit: Limit, key: Key) -> list[int]:
        counter = self._counter(limit, key)
        if not counter.known or counter.level == 0:
            return []
        period = self.now // (slice_ms(limit) * SLICES) if limit.hours is not None else 0
        reached = [each for each in limit.thresholds if counter.level * 100 >= limit.amount * each]
        highest = max((percent for number, percent in counter.told if number == period), default=0)
        fresh = [percent for percent in reached if percent > highest]
        counter.told |= {(period, percent) for percent in fresh}
        return fresh

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
        holding, planned = self.holdings.get(reservation), entries
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
        self._prepare(entries, planned)
        for (limit, _), counter in zip(entries, counters, strict=True):
            if first and limit.kind in RATES:
                counter.rate = limit.amount
        before = (holding.tokens, holding.cost) if holding is not None and live else (0, 0)
        asked = {T: tokens - before[0], N: tokens - before[0], B: cost - before[1]}
        steps = {R: int(first), C: int(not live)} | asked
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
            if limit.kind in WINDOWS and first:
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
            if (first or step > 0) and counter.level + counter.held + step > capacity(limit):
                return Outcome("refused", limit, self._wait(limit, counter, step))
        return None

    def _wait(self, limit: Limit, counter: Counter, step: int) -> int | None:
        if step > capacity(limit) or (limit.kind not in WINDOWS and limit.amount == 0):
            return None
        if limit.kind is C or (limit.kind in WINDOWS and counter.level + step <= limit.amount):
            return 1
        if limit.hours is not None:
            return max(1, ceil(Fraction(self._leaves_at(limit, counter, step) - self.now, 1000)))
        if limit.kind in WINDOWS:
            return -1  # at the end of the period
        excess = min(counter.level + counter.held + step - capacity(limit), counter.level)
        return max(1, ceil(excess * 60 / limit.amount))

    def _leaves_at(self, limit: Limit, counter: Counter, step: int) -> int:
        """When so many of the oldest slices have left that the step would fit."""
        left = counter.level
        for number in sorted(counter.slices):
            left -= counter.slices[number]
            if left + step <= limit.amount:
                return (number + SLICES + 1) * slice_ms(limit)
        raise AssertionError("an empty window takes it")

    def _forget_empty(self, keys: set[Key]) -> None:
        """A refused call leaves no trace of limits that nothing was counted for."""
        for key in keys:
            if not self.counters[key].known:
                del self.counters[key]

    def _prepare(
        self, entries: tuple[tuple[Limit, Key], ...], planned: tuple[tuple[Limit, Key], ...]
    ) -> None:
        """Where a window is not known, all that the worker planned with are held to the rows."""
        if any(limit.kind in WINDOWS and not self._counter(limit, key).known for limit, key in entries):
            self._raise(planned)

    def _raise(self, entries: tuple[tuple[Limit, Key], ...]) -> None:
        """Hold the windows to what the rows say: one that is not known is added to, others never lowered."""
        for limit, key in entries:
            if limit.kind not in WINDOWS:
                continue
            counter, rows = self._counter(limit, key), self.known_of(limit, key)
            total = sum(amount for _, amount in rows)
            if limit.hours is not None:
                self._fill(limit, counter, rows)
            else:
                counter.level = (
                    max(counter.level, Fraction(total)) if counter.known else counter.level + total
                )
            counter.known = True

    def _fill(self, limit: Limit, counter: Counter, rows: list[tuple[int, int]]) -> None:
        """What the rows have up to an age, the slices have up to the next, or get it a slice younger."""
        current, missing = self.now // slice_ms(limit), dict[int, int]()
        for age in range(SLICES + 2):
            told = sum(amount for each, amount in rows if each <= age)
            seen = sum(amount for number, amount in counter.slices.items() if current - number <= age + 1)
            lacks = told - seen - sum(missing.values())
            if not counter.known:
                lacks = sum(amount for each, amount in rows if each == age)
            if lacks > 0:
                place = current - max(0, age - 1)
                missing[place] = missing.get(place, 0) + lacks
        for place, amount in missing.items():
            counter.slices[place] = counter.slices.get(place, 0) + amount
        counter.level = Fraction(sum(counter.slices.values()))

    def known_of(self, limit: Limit, key: Key) -> list[tuple[int, int]]:
        """What the rows of a window say: how many slices ago (of a calendar period, 0), and how much."""
        found = []
        for row in self.rows:
            if limit.subject not in row.caller.subjects or not limit.covers(row.caller.model):
                continue
            amount = row.tokens if limit.kind is N else row.cost
            if isinstance(start := key[-1], datetime):
                period = period_of(key[-2] or Window.DAY, start, ZONE)
                if start.timestamp() * 1000 <= row.began_ms < period.ends_at.timestamp() * 1000:
                    found.append((0, amount))
            else:
                age = max(0, self.real // slice_ms(limit) - row.began_ms // slice_ms(limit))
                found += [(age, amount)] * (age <= SLICES + 1)
        return found

    def _counter(self, limit: Limit, key: Key) -> Counter:
        counter = self.counters.setdefault(key, Counter(at=self.now))
        if limit.kind in RATES:
            if counter.rate is None:
                counter.rate = limit.amount
            counter.level = max(
                Fraction(0), counter.level - Fraction(counter.rate * (self.now - counter.at), 60_000)
            )
        if limit.hours is not None:
            oldest = self.now // slice_ms(limit) - SLICES
            counter.slices = {number: used for number, used in counter.slices.items() if number >= oldest}
            counter.level = Fraction(sum(counter.slices.values()))
        counter.at = self.now
        return counter

    def _give_back(self, holding: Holding) -> None:
        if holding.status != "live":
            return
        for limit, key in holding.limits:
            held = {T: holding.tokens, N: holding.tokens, C: 1, B: holding.cost}.get(limit.kind, 0)
            self._counter(limit, key).held -= held

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
                left = max(0, floor(capacity(limit) - counter.level) - counter.held)
                reset = ceil(counter.level * 60_000 / limit.amount) if limit.amount else 0
                found.append(Remaining(limit.amount, left, reset))
        return min(found, key=lambda remaining: remaining.remaining, default=None)


def slice_ms(limit: Limit) -> int:
    """A rolling window's granularity: a 60th of its length."""
    assert limit.hours is not None
    return limit.hours * 3_600_000 // SLICES


def capacity(limit: Limit) -> int:
    """The most that may be in use and held at one moment: a rate's burst, else the amount."""
    return limit.burst if limit.burst is not None and limit.amount else limit.amount
