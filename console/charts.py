"""The geometry of the calls chart: numbers for an SVG, so that no script draws and nothing is inline."""

from collections.abc import Sequence
from dataclasses import dataclass

from console.formatting import Formatter
from store.overview import Bucket

WIDTH = 720
HEIGHT = 180
# Of the space of one bar, so that neighbours do not touch.
FILLED = 0.8


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar in the chart's own units: allowed calls at the bottom, refused ones on top."""

    title: str
    x: str
    width: str
    allowed_y: str
    allowed_height: str
    refused_y: str
    refused_height: str


@dataclass(frozen=True, slots=True)
class Chart:
    width: int
    height: int
    bars: tuple[Bar, ...]
    peak: str
    starts: str
    ends: str
    summary: str


def calls_chart(buckets: Sequence[Bucket], formatter: Formatter) -> Chart:
    """A stacked bar for each bucket; ``summary`` is what a screen reader says in its place."""
    peak = max((bucket.calls for bucket in buckets), default=0)
    step = WIDTH / max(len(buckets), 1)
    bars = tuple(
        _bar(bucket, formatter, x=index * step, width=step * FILLED, unit=HEIGHT / max(peak, 1))
        for index, bucket in enumerate(buckets)
    )
    total, refused = sum(bucket.calls for bucket in buckets), sum(bucket.refused for bucket in buckets)
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        bars=bars,
        peak=formatter.number(peak),
        starts=formatter.hour(buckets[0].at) if buckets else "",
        ends=formatter.hour(buckets[-1].at) if buckets else "",
        summary=f"{formatter.number(total)} calls, of which {formatter.number(refused)} were refused; "
        f"at most {formatter.number(peak)} in one bar",
    )


def _bar(bucket: Bucket, formatter: Formatter, *, x: float, width: float, unit: float) -> Bar:
    allowed, refused = (bucket.calls - bucket.refused) * unit, bucket.refused * unit
    return Bar(
        title=f"{formatter.hour(bucket.at)}: {formatter.number(bucket.calls)} calls, "
        f"{formatter.number(bucket.refused)} refused",
        x=f"{x:.2f}",
        width=f"{width:.2f}",
        allowed_y=f"{HEIGHT - allowed:.2f}",
        allowed_height=f"{allowed:.2f}",
        refused_y=f"{HEIGHT - allowed - refused:.2f}",
        refused_height=f"{refused:.2f}",
    )
