"""One piece of evidence that a host speaks an AI API: its weight, and the reason for an analyst to read."""

from typing import NamedTuple


class Hint(NamedTuple):
    """``points`` may be negative. ``reason`` quotes nothing from the traffic."""

    points: int
    reason: str


NONE = Hint(0, "")


def best(hints: list[Hint]) -> Hint:
    """The strongest of several hints of one kind, which are not independent of each other."""
    return max(hints, key=lambda hint: hint.points, default=NONE)
