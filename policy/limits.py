"""Limits as data: what is limited, for whom, over which window.

Enforcement is one atomic script in ``store.limiter``; calendar windows are computed here.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from policy.allowance import Fallback
from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.money import MicroDollars
from policy.refusals import Reason


class LimitScope(StrEnum):
    """Whose use is counted. A model is no scope of its own: it narrows what a limit of any scope counts."""

    TENANT = "tenant"
    TEAM = "team"
    USER = "user"
    PLACEHOLDER = "placeholder"


class LimitKind(StrEnum):
    """What is limited. ``amount`` of a ``Limit`` is in the unit that the name says."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENT = "concurrent"
    TOKENS = "tokens"
    BUDGET_MICRO_DOLLARS = "budget_micro_dollars"
    INPUT_TOKENS_PER_CALL = "input_tokens_per_call"
    OUTPUT_TOKENS_PER_CALL = "output_tokens_per_call"
    MICRO_DOLLARS_PER_CALL = "micro_dollars_per_call"


# Refill by the minute, and admit a burst at once.
RATES = frozenset({LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE})
# Count over a window, and have thresholds.
WINDOWED = frozenset({LimitKind.TOKENS, LimitKind.BUDGET_MICRO_DOLLARS})
# Judge each call by itself and count nothing.
CEILINGS = frozenset(
    {
        LimitKind.INPUT_TOKENS_PER_CALL,
        LimitKind.OUTPUT_TOKENS_PER_CALL,
        LimitKind.MICRO_DOLLARS_PER_CALL,
    }
)
# About money that our keys spend, so the price must be known.
MONEY = frozenset({LimitKind.BUDGET_MICRO_DOLLARS, LimitKind.MICRO_DOLLARS_PER_CALL})

DEFAULT_THRESHOLDS = (50, 80, 100)
ROLLING_HOURS_MAX = 24 * 366
# A rolling window is counted in so many slices, and one more: it never admits more than its amount, and
# gives back what was used up to a 60th of its length late.
SLICES = 60
MODEL_PATTERN = re.compile(r"[!-)+-~]{1,200}\*?|\*")


class Window(StrEnum):
    """Over what time use is summed: a calendar period in the tenant's time zone, or the last hours."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ROLLING = "rolling"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in force. ``subject`` is the tenant, team, user or placeholder that it counts for.

    ``model`` narrows it to one model, or to those that begin with what stands before a final ``*``; in lower
    case. ``burst`` is how much of a rate may come at once (``None``: a minute's amount). ``hours`` is the
    length of a rolling window. ``thresholds`` are percents of a windowed amount, rising, at which somebody
    is told.
    """

    id: LimitId
    tenant_id: TenantId
    scope: LimitScope
    subject: UUID
    kind: LimitKind
    amount: int
    window: Window | None = None
    model: str | None = None
    burst: int | None = None
    hours: int | None = None
    thresholds: tuple[int, ...] = ()

    def covers(self, model: str | None) -> bool:
        """Whether a call of this model counts; one whose model is not known counts where every model does."""
        if self.model is None:
            return True
        if model is None:
            return self.model == "*"
        if self.model.endswith("*"):
            return model.lower().startswith(self.model[:-1])
        return model.lower() == self.model


@dataclass(frozen=True, slots=True)
class Crossed:
    """A windowed limit has used ``percent`` of its amount; ``period`` names the period that it did so in."""

    limit: Limit
    percent: int
    period: str


def crossed(limit: Limit, used: int, period: str) -> tuple[Crossed, ...]:
    """Every threshold of ``limit`` that ``used`` has reached. Nothing used reaches none."""
    reached = (each for each in limit.thresholds if used > 0 and used * 100 >= limit.amount * each)
    return tuple(Crossed(limit, each, period) for each in reached)


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period ``[starts_at, ends_at)`` and its name: ``2026-11-24``, ``2026-W48``, ``2026-11``."""

    name: str
    starts_at: datetime
    ends_at: datetime


def period_of(window: Window, moment: datetime, zone: ZoneInfo) -> Period:
    """The calendar period that holds ``moment`` (an aware datetime) in the tenant's time zone.

    Its ends are midnights of local calendar days, so a day of a clock change lasts 23 or 25 hours. Weeks are
    those of ISO 8601, from Monday. A rolling window has no period: ``ValueError``.
    """
    midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match window:
        case Window.DAY:
            return Period(f"{midnight:%Y-%m-%d}", midnight, _days_after(midnight, 1))
        case Window.WEEK:
            monday = _days_after(midnight, -midnight.weekday())
            return Period(f"{midnight:%G-W%V}", monday, _days_after(monday, 7))
        case Window.MONTH:
            first = midnight.replace(day=1)
            year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
            return Period(f"{first:%Y-%m}", first, first.replace(year=year, month=month))
        case Window.ROLLING:
            raise ValueError("a rolling window has no calendar period")


def _days_after(midnight: datetime, days: int) -> datetime:
    """A later or earlier midnight by the calendar, whatever the clocks do between."""
    return (midnight.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=midnight.tzinfo)


REASONS: dict[LimitKind, Reason] = {
    LimitKind.REQUESTS_PER_MINUTE: Reason.RATE_LIMITED,
    LimitKind.TOKENS_PER_MINUTE: Reason.TOKENS_LIMITED,
    LimitKind.CONCURRENT: Reason.CONCURRENCY_LIMITED,
    LimitKind.TOKENS: Reason.TOKENS_LIMITED,
    LimitKind.BUDGET_MICRO_DOLLARS: Reason.BUDGET_EXHAUSTED,
    LimitKind.INPUT_TOKENS_PER_CALL: Reason.TOKENS_LIMITED,
    LimitKind.OUTPUT_TOKENS_PER_CALL: Reason.TOKENS_LIMITED,
    LimitKind.MICRO_DOLLARS_PER_CALL: Reason.BUDGET_EXHAUSTED,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call asks of its limits. ``limits`` are of one tenant; the first that refuses is named.

    ``tokens`` (input and output) and ``cost`` are the most that the call can use. ``zone`` is the
    tenant's, for calendar windows. A live reservation is a lease of ``lease_s`` seconds that its worker
    renews; when the worker dies, the lease returns what was held. ``fallback`` is for when the limiter is
    away, of tenants that have an allowance for that.
    """

    reservation: ExchangeId
    tenant_id: TenantId
    limits: tuple[Limit, ...]
    zone: ZoneInfo
    tokens: int
    cost: MicroDollars
    lease_s: int = 60
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class Remaining:
    """The tightest limit per minute of one kind: its amount, what is left, and when all of it is back."""

    amount: int
    remaining: int
    reset_ms: int


@dataclass(frozen=True, slots=True)
class Granted:
    """What is now held in total under the reservation, to be settled or released exactly once.

    ``local``: by the worker alone, of the tenant's allowance, since the limiter is away.
    """

    reservation: ExchangeId
    tokens: int
    cost: MicroDollars
    requests_left: Remaining | None = None
    tokens_left: Remaining | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The first limit that refuses. ``retry_after_s`` is ``None`` where the demand can never fit."""

    limit: Limit
    retry_after_s: int | None
    requests_left: Remaining | None = None
    tokens_left: Remaining | None = None

    @property
    def reason(self) -> Reason:
        return REASONS[self.limit.kind]


@dataclass(frozen=True, slots=True)
class Settled:
    """By how much the truth exceeded what was held; 0 unless a provider used more than it was asked for."""

    overshoot_tokens: int
    overshoot_cost: MicroDollars


def rate_headers(answer: Granted | Refused) -> tuple[tuple[str, str], ...]:
    """The ``x-ratelimit-*`` headers of an answer, with resets written as OpenAI does (``6m0s``, ``20ms``).

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    headers: list[tuple[str, str]] = []
    for name, left in (("requests", answer.requests_left), ("tokens", answer.tokens_left)):
        if left is not None:
            headers += (
                (f"x-ratelimit-limit-{name}", str(left.amount)),
                (f"x-ratelimit-remaining-{name}", str(left.remaining)),
                (f"x-ratelimit-reset-{name}", _duration(left.reset_ms)),
            )
    return tuple(headers)


def _duration(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{minutes}m{seconds}{fraction}s" if minutes else f"{seconds}{fraction}s"
