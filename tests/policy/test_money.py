from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.money import MICRO_DOLLARS_MAX, InvalidAmount, from_dollars, parse_dollars, to_dollars


@given(st.integers(0, MICRO_DOLLARS_MAX))
def test_whole_micro_dollars_survive_both_ways(amount):
    assert from_dollars(to_dollars(amount)) == amount


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False))
def test_a_fraction_is_rounded_up_by_less_than_one(dollars):
    assert 0 <= from_dollars(dollars) - Fraction(dollars) * 1_000_000 < 1


@pytest.mark.parametrize(
    "text", ["-1", "NaN", "Infinity", "1e400", "", "twelve", "12,50", "9007199254.740992"]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(InvalidAmount):
        parse_dollars(text)


def test_an_operators_amount_is_read():
    assert parse_dollars(" 12.50 ") == from_dollars(Decimal("12.5")) == 12_500_000
