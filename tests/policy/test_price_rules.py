"""Which price applies, what a discount takes off, and that neither loses a micro-dollar."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Call
from policy.identifiers import TenantId
from policy.money import MICRO_DOLLARS_MAX, MicroDollars
from policy.price_rules import PRICE_MAX, OverridePrices, PriceRule, PriceSource, Terms, discounted, terms_of
from policy.pricing import Answered, Unpriced, ceiling, price_units

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
TENANT = TenantId(UUID(int=9))


def override(
    price: int = 1_000_000, *, model: str = "m", own: bool = False, since: int = 1, **more
) -> PriceRule:
    """A rule that began so many days before ``AT``."""
    owner, begun = TENANT if own else None, AT - timedelta(days=since)
    prices = OverridePrices(price, 2 * price)
    return PriceRule(uuid4(), owner, "openai", model, begun, more.get("until"), prices=prices)


def discount(
    basis_points: int, *, provider: str | None = None, model: str = "*", since: int = 1
) -> PriceRule:
    begun = AT - timedelta(days=since)
    return PriceRule(uuid4(), TENANT, provider, model, begun, None, discount=basis_points)


def input_price(*rules: PriceRule, model: str = "m", at: datetime = AT) -> int:
    return price_units("openai", model, {"input_tokens": 1_000_000}, at, terms=terms_of(rules)).amount


def test_a_tenants_own_price_goes_before_the_operators_and_that_before_the_list() -> None:
    own, for_all = override(1, own=True, model="gpt*", since=90), override(2, model="gpt-4o")
    assert input_price(own, for_all, model="gpt-4o") == 1
    assert input_price(for_all, model="gpt-4o") == 2
    assert input_price(model="gpt-4o") == 2_500_000


def test_a_name_goes_before_a_longer_beginning_before_a_shorter() -> None:
    rules = override(1, model="gpt-4o"), override(2, model="gpt-4*"), override(3, model="*")
    assert [input_price(*rules, model=name) for name in ("gpt-4o", "gpt-4o-mini", "o3")] == [1, 2, 3]


def test_of_overlapping_periods_the_last_begun_applies_and_the_earlier_resumes() -> None:
    promotion = override(1, since=2, until=AT + timedelta(days=1))
    rules = promotion, override(5, since=30)
    assert input_price(*rules) == 1
    assert input_price(*rules, at=AT + timedelta(days=1)) == 5
    assert input_price(*rules, at=AT - timedelta(days=3)) == 5


def test_a_price_begins_and_ends_on_the_instant_whatever_the_zone() -> None:
    rule = override(7, until=AT)
    tokyo = AT.astimezone(tz=datetime.strptime("+0900", "%z").tzinfo)
    assert input_price(rule, at=tokyo - timedelta(microseconds=1)) == 7
    with pytest.raises(Unpriced):
        input_price(rule, at=tokyo)
    with pytest.raises(Unpriced):
        input_price(rule, at=rule.since - timedelta(microseconds=1))


def test_the_most_specific_discount_applies_and_none_add_up() -> None:
    rules = discount(1_000), discount(2_000, provider="openai"), discount(3_000, provider="openai", model="m")
    assert input_price(override(), *rules) == 700_000
    assert input_price(override(), *rules[:2]) == 800_000
    assert input_price(override(), discount(2_000, provider="google")) == 1_000_000


def test_what_applied_is_told_with_the_cost() -> None:
    rule, less = override(own=True), discount(2_500)
    priced = price_units("openai", "m", {"input_tokens": 1_000_000}, AT, terms=terms_of([rule, less]))
    assert (priced.amount, priced.listed, priced.discount) == (750_000, 1_000_000, 2_500)
    assert (priced.source, priced.version) == (PriceSource.TENANT, str(rule.id))
    listed = price_units("openai", "gpt-4o", {"input_tokens": 1}, AT)
    assert listed.source == PriceSource.LIST
    assert listed.version


def test_an_override_goes_by_the_name_in_the_request_not_by_what_the_alias_stands_for() -> None:
    rule, answered = override(3, model="gpt-4o"), Answered("gpt-4o-2024-11-20")
    terms, units = terms_of([rule]), {"input_tokens": 1_000_000}
    assert price_units("openai", "gpt-4o", units, AT, answered=answered, terms=terms).amount == 3
    assert price_units("openai", None, units, AT, answered=answered, terms=terms).amount == 2_500_000


def test_an_override_prices_what_the_list_does_not_know() -> None:
    with pytest.raises(Unpriced):
        input_price(model="nobody-knows-this")
    assert input_price(override(4, model="nobody-knows-this"), model="nobody-knows-this") == 4


@given(st.integers(0, MICRO_DOLLARS_MAX), st.integers(0, 10_000))
def test_a_discount_is_exact_and_rounded_up(amount: int, basis_points: int) -> None:
    exact = Fraction(amount * (10_000 - basis_points), 10_000)
    less = discounted(MicroDollars(amount), basis_points)
    assert exact <= less < exact + 1
    assert 0 <= less <= amount


prices = st.integers(0, PRICE_MAX)
tokens = st.integers(0, 10**7)


@given(
    st.builds(OverridePrices, prices, prices, st.none() | prices, st.none() | prices, prices),
    tokens,
    tokens,
    st.integers(0, 10**7),
    st.integers(0, 10_000),
)
def test_the_ceiling_covers_every_use_under_any_rule(
    amounts: OverridePrices, entry: int, output: int, read: int, basis_points: int
) -> None:
    rule = PriceRule(uuid4(), None, "openai", "m", AT, None, prices=amounts)
    terms = Terms((rule,), (discount(basis_points),) if basis_points else ())
    call = Call("chat_completions", "m", False, entry, output, 1, False, entry)
    units = {"input_tokens": entry, "output_tokens": output, "cache_read_tokens": min(read, entry)}
    held = ceiling("openai", "m", call, AT, terms=terms)
    assert 0 <= price_units("openai", "m", units, AT, terms=terms).amount <= held <= MICRO_DOLLARS_MAX


@given(st.integers(-(2**63), 2**64), st.integers(0, PRICE_MAX))
def test_absurd_counts_cost_the_most_that_the_ledger_holds_and_never_credit(count: int, price: int) -> None:
    rule = PriceRule(uuid4(), None, "openai", "m", AT, None, prices=OverridePrices(price, price))
    units = {"input_tokens": count, "output_tokens": count}
    assert 0 <= price_units("openai", "m", units, AT, terms=Terms((rule,))).amount <= MICRO_DOLLARS_MAX
