"""Limits as data: what is limited, for whom, over which window.

Enforcement is one atomic script in ``store.limiter``; calendar windows are computed here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.money import MicroDollars
from policy.refusals import Reason


class LimitScope(StrEnum):
    """Whose use is counted."""

    TENANT = "tenant"
    USER = "user"
    PLACEHOLDER = "placeholder"


class LimitKind(StrEnum):
    """What is counted. ``amount`` of a ``Limit`` is in the unit that the name says."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENT = "concurrent"
    BUDGET_MICRO_DOLLARS = "budget_micro_dollars"


class Window(StrEnum):
    """The calendar period of a budget, in the tenant's time zone."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in force. ``subject`` is the tenant, user or placeholder that it counts for."""

    id: LimitId
    tenant_id: TenantId
    scope: LimitScope
    subject: UUID
    kind: LimitKind
    amount: int
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period ``[starts_at, ends_at)`` and its name, such as ``2026-11`` or ``2026-11-24``."""

    name: str
    starts_at: datetime
    ends_at: datetime


def period_of(window: Window, moment: datetime, zone: ZoneInfo) -> Period:
    """The calendar period that holds ``moment`` (an aware datetime) in the tenant's time zone.

    Its ends are midnights of local calendar days, so a day of a clock change lasts 23 or 25 hours.
    """
    local = moment.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if window is Window.DAY:
        following = (midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        return Period(f"{midnight:%Y-%m-%d}", midnight, following)
    first = midnight.replace(day=1)
    year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
    return Period(f"{first:%Y-%m}", first, first.replace(year=year, month=month))


REASONS: dict[LimitKind, Reason] = {
    LimitKind.REQUESTS_PER_MINUTE: Reason.RATE_LIMITED,
    LimitKind.TOKENS_PER_MINUTE: Reason.TOKENS_LIMITED,
    LimitKind.CONCURRENT: Reason.CONCURRENCY_LIMITED,
    LimitKind.BUDGET_MICRO_DOLLARS: Reason.BUDGET_EXHAUSTED,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call asks of its limits. ``limits`` are of one tenant; the first that refuses is named.

    ``tokens`` (input and output) and ``cost`` are the most that the call can use. ``zone`` is the
    tenant's, for calendar windows. A live reservation is a lease of ``lease_s`` seconds that its worker
    renews; when the worker dies, the lease returns what was held.
    """

    reservation: ExchangeId
    tenant_id: TenantId
    limits: tuple[Limit, ...]
    zone: ZoneInfo
    tokens: int
    cost: MicroDollars
    lease_s: int = 60


@dataclass(frozen=True, slots=True)
class Remaining:
    """The tightest limit per minute of one kind: its amount, what is left, and when all of it is back."""

    amount: int
    remaining: int
    reset_ms: int


@dataclass(frozen=True, slots=True)
class Granted:
    """What is now held in total under the reservation, to be settled or released exactly once."""

    reservation: ExchangeId
    tokens: int
    cost: MicroDollars
    requests_left: Remaining | None = None
    tokens_left: Remaining | None = None


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
