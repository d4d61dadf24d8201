"""The periods that the page can show, and the step of its chart in each."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Period:
    """A span that ends now. ``step`` divides it, and the chart has one bar a step."""

    name: str
    label: str
    bucket_label: str
    length: timedelta
    step: timedelta

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Begin and end, the end rounded up to a whole step so that bars stand still between refreshes."""
        step_s = int(self.step.total_seconds())
        end_s = (int(now.timestamp()) // step_s + 1) * step_s
        until = datetime.fromtimestamp(end_s, UTC)
        return until - self.length, until


PERIODS = (
    Period("1h", "Last hour", "a minute", timedelta(hours=1), timedelta(minutes=1)),
    Period("24h", "Last 24 hours", "half an hour", timedelta(hours=24), timedelta(minutes=30)),
    Period("7d", "Last 7 days", "three hours", timedelta(days=7), timedelta(hours=3)),
    Period("30d", "Last 30 days", "half a day", timedelta(days=30), timedelta(hours=12)),
)
DEFAULT = PERIODS[1]


def period_named(name: str) -> Period:
    """The period of that name, the default for any other: it only chooses what is drawn."""
    return next((period for period in PERIODS if period.name == name), DEFAULT)
