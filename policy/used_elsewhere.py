"""Whether a key was used outside the gateway: more than we have metered, beyond what may differ."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What metered and reported usage of a day may differ by: so many tokens, or percent if that is more.

    Calls across midnight, and answers that were broken off and so estimated, make them differ.
    """

    tokens: int
    percent: int

    def of(self, tokens: int) -> int:
        """The tokens that may be missing beside so many, rounded up."""
        return max(self.tokens, -(-tokens * self.percent // 100))


class Finding(StrEnum):
    """What a comparison shows. ``UNCONFIRMED``: the provider counts far less than went through the gateway,
    so that the id stated for the key, or the report, is wrong and the comparison proves nothing.
    """

    AGREES = "agrees"
    USED_ELSEWHERE = "used_elsewhere"
    UNCONFIRMED = "unconfirmed"


def compare(metered: int, reported: int, tolerance: Tolerance) -> Finding:
    """What tokens metered here and tokens reported by the provider show, for one key and day."""
    if reported - metered > tolerance.of(metered):
        return Finding.USED_ELSEWHERE
    if metered - reported > tolerance.of(reported):
        return Finding.UNCONFIRMED
    return Finding.AGREES


def settled_days(now: datetime, *, delay: timedelta, days: int) -> list[date]:
    """The last ``days`` whole days in UTC that ended ``delay`` ago or earlier, oldest first."""
    newest = (now.astimezone(UTC) - delay).date() - timedelta(days=1)
    return [newest - timedelta(days=back) for back in reversed(range(days))]


def begins(day: date) -> datetime:
    """The first moment of a day in UTC."""
    return datetime.combine(day, time.min, UTC)
