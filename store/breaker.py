"""A breaker: after failures in a row it says at once that a dependency is away, and lets a probe through."""

import time


class Breaker:
    """Counts failures in a row; ``admits`` tells whether a call may be tried now.

    It opens after ``threshold`` failures and stays open for ``rest_s`` seconds; then one call is let
    through as a probe. One success closes it.
    """

    def __init__(self, *, threshold: int = 3, rest_s: float = 0.25) -> None:
        self._threshold = threshold
        self._rest_s = rest_s
        self._failures = 0
        self._probe_at = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= self._threshold

    def admits(self) -> bool:
        if self._failures < self._threshold:
            return True
        now = time.monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + self._rest_s
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._threshold:
            self._probe_at = time.monotonic() + self._rest_s
