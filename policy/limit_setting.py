"""A limit as an administrator sets it, and what is wrong with one: the same for command line and API."""

from dataclasses import dataclass

from policy.limits import MODEL_PATTERN, RATES, ROLLING_HOURS_MAX, WINDOWED, LimitKind, Window
from policy.money import MICRO_DOLLARS_MAX

THRESHOLDS_MAX = 10


class InvalidLimit(ValueError):
    """A limit that cannot be; the message says why to whoever set it."""


@dataclass(frozen=True, slots=True)
class LimitSetting:
    """One limit to set. ``amount`` is in the unit of ``kind``.

    ``window``, and ``hours`` if it rolls, are for budgets and tokens; so are ``thresholds``, in percent, of
    which ``None`` means 50, 80 and 100. ``burst`` is for rates; ``None`` means a minute's amount.
    """

    kind: LimitKind
    amount: int
    window: Window | None = None
    hours: int | None = None
    burst: int | None = None
    thresholds: tuple[int, ...] | None = None


def check(setting: LimitSetting) -> None:
    """Raise ``InvalidLimit`` where a part of the limit is out of range or not for its kind."""
    if not 0 <= setting.amount <= MICRO_DOLLARS_MAX:
        raise InvalidLimit("an amount is a whole number from 0 to 2**53 - 1")
    if (setting.kind in WINDOWED) is not (setting.window is not None):
        raise InvalidLimit("a budget and a limit of tokens need a window, and no other limit has one")
    if (setting.window is Window.ROLLING) is not (setting.hours is not None):
        raise InvalidLimit("a rolling window needs its length in hours, and no other window has one")
    if setting.hours is not None and not 1 <= setting.hours <= ROLLING_HOURS_MAX:
        raise InvalidLimit(f"a rolling window lasts from 1 to {ROLLING_HOURS_MAX} hours")
    if setting.burst is not None and setting.kind not in RATES:
        raise InvalidLimit("a burst is for requests or tokens a minute")
    if setting.burst is not None and not 1 <= setting.burst <= MICRO_DOLLARS_MAX:
        raise InvalidLimit("a burst is a whole number from 1 to 2**53 - 1")
    _check_thresholds(setting)


def check_model(pattern: str) -> str:
    """A pattern as it is kept: lower case. Raises ``InvalidLimit``."""
    if not MODEL_PATTERN.fullmatch(pattern):
        raise InvalidLimit("a model is its name, or how it begins and a final *, such as gpt-4*")
    return pattern.lower()


def _check_thresholds(setting: LimitSetting) -> None:
    given = setting.thresholds
    if given is None:
        return
    if setting.kind not in WINDOWED:
        raise InvalidLimit("thresholds are for budgets and limits of tokens over a window")
    rising = list(given) == sorted(set(given))
    if len(given) > THRESHOLDS_MAX or not rising or not all(1 <= each <= 100 for each in given):
        raise InvalidLimit(f"thresholds are up to {THRESHOLDS_MAX} rising percents from 1 to 100")
