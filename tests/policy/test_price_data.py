"""The list of prices is shown with its day."""

from datetime import date

from policy import price_data


def test_the_day_of_the_installed_prices_is_known() -> None:
    """After an update of genai-prices: add its version and the day of its release to ``price_data``."""
    assert date(2026, 11, 10) <= price_data.released()
