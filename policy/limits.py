"""Limits as data: what is limited, for whom, over which window.

Enforcement is one atomic script in ``store.limiter``; calendar windows are computed here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from policy.identifiers import LimitId, TenantId


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
