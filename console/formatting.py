"""Numbers, money and moments in the reader's language; the words of the pages are English.

Money is exact: a micro-dollar amount is never rounded away, only its trailing zeros are.
"""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_decimal

from policy.money import MicroDollars, to_dollars

FALLBACK = Locale("en", "US")
# More than a browser sends; bounds the work on a hostile header.
ACCEPT_LANGUAGE_MAX = 200


@lru_cache(maxsize=256)
def locale_of(accept_language: str) -> Locale:
    """The first language of an ``Accept-Language`` header that CLDR knows; US English else."""
    for claimed in _by_preference(accept_language[:ACCEPT_LANGUAGE_MAX]):
        try:
            return Locale.parse(claimed, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return FALLBACK


def _by_preference(header: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for item in header.split(","):
        tag, _, parameter = item.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag and tag != "*" and weight > 0:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


class Formatter:
    """Writes values for one reader. ``locale`` comes from ``locale_of``."""

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self._money = copy.copy(locale.currency_formats["standard"])
        self._money.frac_prec = (2, 6)
        self._share = copy.copy(locale.percent_formats[None])
        self._share.frac_prec = (0, 1)

    def money(self, amount: MicroDollars | int | None) -> str:
        """US dollars, two to six decimals; a dash where the cost is not known."""
        if amount is None:
            return "–"
        dollars = to_dollars(MicroDollars(amount))
        return str(self._money.apply(dollars, self.locale, currency="USD", currency_digits=False))

    def number(self, value: int | None) -> str:
        return "–" if value is None else format_decimal(value, locale=self.locale)

    def share(self, part: int, whole: int) -> str:
        """``part`` of ``whole`` as a percentage; zero of nothing is zero."""
        return str(self._share.apply(Decimal(part) / whole if whole else 0, self.locale))

    def moment(self, at: datetime) -> str:
        """A date and a time of day to the second, in UTC."""
        return format_datetime(at.astimezone(UTC), "d MMM HH:mm:ss", locale=self.locale)

    def hour(self, at: datetime) -> str:
        return format_datetime(at.astimezone(UTC), "d MMM HH:mm", locale=self.locale)
