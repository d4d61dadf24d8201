"""Money to the micro-dollar, in the reader's language, whatever a browser claims to speak."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

from console.formatting import FALLBACK, Formatter, locale_of
from policy.money import MICRO_DOLLARS_MAX, MicroDollars


@pytest.mark.parametrize(
    ("language", "shown"),
    [("en-US", "$1,234.567891"), ("de-DE,de;q=0.9", "1.234,567891\xa0$"), ("ja", "$1,234.567891")],
)
def test_money_is_written_as_the_reader_writes_it(language: str, shown: str) -> None:
    assert Formatter(locale_of(language)).money(1_234_567_891) == shown


@given(amount=st.integers(0, MICRO_DOLLARS_MAX))
def test_no_micro_dollar_is_lost(amount: int) -> None:
    shown = Formatter(locale_of("en-US")).money(MicroDollars(amount))
    assert parse_decimal(shown.removeprefix("$"), locale="en_US") * 1_000_000 == Decimal(amount)


def test_an_unknown_cost_is_not_shown_as_nothing() -> None:
    assert Formatter(FALLBACK).money(None) == "–"


@given(header=st.text(max_size=300))
def test_any_header_gives_a_language(header: str) -> None:
    assert Formatter(locale_of(header)).number(1) != ""


@pytest.mark.parametrize("header", ["", "*", "tlh", "de;q=0", "../../etc/passwd", "x" * 10_000])
def test_what_is_not_known_falls_back(header: str) -> None:
    assert locale_of(header) == FALLBACK


def test_the_weights_are_obeyed() -> None:
    assert str(locale_of("fr;q=0.3, de;q=0.8, en;q=0.5")) == "de"


def test_moments_are_in_utc() -> None:
    at = datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    formatter = Formatter(FALLBACK)
    assert formatter.moment(at) == formatter.moment(at.astimezone(UTC)) == "23 Nov 20:30:00"
