"""How often something happens that costs its sender nothing: the bound that ends a connection."""

from collections import deque


class Rate:
    """Whether something has happened ``most`` times within ``window_s`` seconds."""

    __slots__ = ("_seen", "_window_s")

    def __init__(self, most: int, window_s: float) -> None:
        self._seen: deque[float] = deque(maxlen=most)
        self._window_s = window_s

    def is_over(self, now: float) -> bool:
        """Note one more, and whether it is one too many."""
        over = len(self._seen) == self._seen.maxlen and now - self._seen[0] < self._window_s
        self._seen.append(now)
        return over
