"""Pricing a charged call anew: only rules are a reason, and what was exact stays exact."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Priced
from policy.money import MicroDollars
from policy.price_rules import LIST_PRICES, OverridePrices, PriceRule, Terms, terms_of
from policy.pricing import price_units
from policy.repricing import Charged, repriced

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNITS = {"input_tokens": 1_000, "output_tokens": 1_000}


def charged(terms: Terms = LIST_PRICES, *, model: str = "gpt-4o") -> Charged:
    return Charged("openai", model, AT, UNITS, price_units("openai", model, UNITS, AT, terms=terms))


def rule(price: int | None = None, *, discount: int | None = None, model: str = "*") -> PriceRule:
    prices = OverridePrices(price, price) if price is not None else None
    return PriceRule(uuid4(), None, "openai", model, AT, None, prices=prices, discount=discount)


def test_what_no_rule_touches_stays_even_if_the_list_has_changed() -> None:
    of_its_day = Priced(MicroDollars(99), MicroDollars(99), "genai-prices", "0.1.0")
    assert repriced(replace(charged(), priced=of_its_day), LIST_PRICES) is None
    gone = Charged("openai", "no-longer-listed", AT, UNITS, of_its_day)
    assert repriced(gone, LIST_PRICES) is None


def test_a_new_override_and_the_end_of_one_are_reasons() -> None:
    new = terms_of([rule(5_000_000)])
    found = repriced(charged(), new)
    assert found is not None
    assert (found.amount, found.source) == (10_000, "operator")
    back = repriced(charged(new), LIST_PRICES)
    assert back is not None
    assert (back.amount, back.source) == (12_500, "genai-prices")
    assert repriced(charged(new), new) is None


def test_a_call_without_a_price_is_charged_once_it_has_one() -> None:
    unknown = Charged("openai", "nobody-knows-this", AT, UNITS, None)
    assert repriced(unknown, LIST_PRICES) is None
    found = repriced(unknown, terms_of([rule(1_000_000)]))
    assert found is not None
    assert found.amount == 2_000


@given(st.integers(1, 10_000), st.integers(0, 10**12), st.integers(1, 10_000))
def test_a_discount_is_taken_off_what_was_exact_then(earlier: int, listed: int, later: int) -> None:
    """Images and searches are in ``listed`` and not in the token counts: they must not get lost."""
    before = price_units("openai", "gpt-4o", UNITS, AT, terms=terms_of([rule(discount=earlier)]))
    before = replace(before, listed=MicroDollars(listed), amount=MicroDollars(listed))
    found = repriced(replace(charged(), priced=before), terms_of([rule(discount=later)]))
    expected = -(-listed * (10_000 - later) // 10_000)
    assert (found.amount if found else listed) == expected
