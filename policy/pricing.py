"""What a call costs: by an override, else from the ``genai-prices`` data that was installed; less a discount.

Prices are Decimal dollars for a million tokens and become whole micro-dollars, rounded up. A model whose
price is not known, or that is not priced by tokens, is ``Unpriced``: a price is never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import cast

from genai_prices import data_snapshot, types

from policy.exchange import Call, Priced, Usage
from policy.money import (
    MICRO_DOLLARS_MAX,
    MICRO_DOLLARS_PER_DOLLAR,
    InvalidAmount,
    MicroDollars,
    from_dollars,
)
from policy.operations import BILLED_LATER, WITHOUT_PRICE
from policy.price_data import VERSION
from policy.price_rules import LIST_PRICES, OverridePrices, PriceRule, PriceSource, Terms, discounted

# What is held for output where the request sets no ceiling and the caller of ``ceiling`` names no step.
STEP_TOKENS = 4_096

_MILLION = Decimal(1_000_000)
_THOUSAND = Decimal(1_000)
_TOKEN_UNITS = frozenset(
    {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "output_reasoning_tokens"}
)
_TIER_KEYS = ("service_tier", "speed")

type Price = Decimal | types.TieredPrices


class Unpriced(LookupError):
    """The price of this model at this provider is not known, or is not by tokens."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer states about itself: the model behind an alias, and the processing tier."""

    model: str | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class _Rates:
    """The prices that token counts need; a kind without a price of its own costs as its parent does."""

    input: Price
    cache_read: Price
    cache_write: Price
    output: Price
    reasoning: Price
    request: Decimal
    worst_input: tuple[Price, ...]
    worst_output: tuple[Price, ...]


UNSTATED = Answered()


def price_units(
    provider: str | None,
    model: str | None,
    units: Mapping[str, int],
    at: datetime,
    *,
    answered: Answered = UNSTATED,
    terms: Terms = LIST_PRICES,
) -> Priced:
    """The cost of counts by the unit names of ``genai-prices``, at an aware moment, rounded up.

    Input holds cache reads and writes, output holds reasoning; parts that exceed their whole are cut to it,
    and counts that contradict each other are priced by their totals. ``model`` is what the request names,
    which overrides and discounts go by; the list goes by the model that answered where it knows it, as an
    alias may stand in the request. Raises ``Unpriced``.
    """
    named = model or answered.model
    override = terms.override(provider, named, at)
    if override is not None and override.prices is not None:
        listed = _amount(_token_dollars(_override_rates(override.prices), _totals(units)))
    else:
        listed = _list_amount(provider, (answered.model, model), units, at, answered.tier)
    discount = terms.discount(provider, named, at)
    return _priced(listed, override, discount)


def ceiling(
    provider: str | None,
    model: str | None,
    call: Call,
    at: datetime,
    *,
    step_tokens: int = STEP_TOKENS,
    terms: Terms = LIST_PRICES,
) -> MicroDollars:
    """The most that a call may cost: all its input at the dearest input price, all its output likewise.

    Where the request sets no output ceiling, ``step_tokens`` for each choice. Tiers by length are those
    that the input ceiling can reach. Tools that the provider runs and bills by the use are not in it.
    Raises ``Unpriced``.
    """
    if call.operation in WITHOUT_PRICE:
        return MicroDollars(0)
    if call.operation in BILLED_LATER:
        raise Unpriced("What a batch costs is known only once it has been worked off.")
    override = terms.override(provider, model, at)
    if override is not None and override.prices is not None:
        rates = _override_rates(override.prices)
    else:
        rates = _rates(provider, model, at, call.tier)
    output = (step_tokens if call.output_ceiling is None else call.output_ceiling) * call.choices
    tokens = call.input_tokens_ceiling
    dearest_input = max(_highest(rate, tokens) for rate in rates.worst_input)
    dearest_output = max(_highest(rate, tokens) for rate in rates.worst_output)
    listed = _amount((dearest_input * tokens + dearest_output * output) / _MILLION + rates.request)
    return _priced(listed, override, terms.discount(provider, model, at)).amount


def _priced(listed: MicroDollars, override: PriceRule | None, discount: PriceRule | None) -> Priced:
    basis_points = discount.discount or 0 if discount is not None else 0
    source, version = PriceSource.LIST, VERSION
    if override is not None:
        source = PriceSource.OPERATOR if override.tenant_id is None else PriceSource.TENANT
        version = str(override.id)
    return Priced(discounted(listed, basis_points), listed, source.value, version, basis_points)


def _list_amount(
    provider: str | None,
    models: tuple[str | None, ...],
    units: Mapping[str, int],
    at: datetime,
    tier: str | None,
) -> MicroDollars:
    """By the first of ``models`` whose price the list knows; raises ``Unpriced`` for the last."""
    for model in models:
        try:
            rates = _rates(provider, model, at, tier)
        except Unpriced:
            continue
        by_tokens = _token_dollars(rates, _totals(units))
        if _TOKEN_UNITS.issuperset(units):
            return _amount(by_tokens)
        found = _model_price(provider, model, at, tier)
        try:
            return _amount(found.calc_price(types.Usage(**units))["total_price"])
        except ValueError:
            return _amount(max(by_tokens, _without_caches(found, units)))
    raise Unpriced(f"The price of {models[-1]!r} at {provider!r} is not known, or is not by tokens.")


def _without_caches(found: types.ModelPrice, units: Mapping[str, int]) -> Decimal:
    """The cost if nothing had been cached: sound is dearer than text, and it may not be said which was."""
    uncached = {name: count for name, count in units.items() if not name.startswith("cache_")}
    try:
        return found.calc_price(types.Usage(**uncached))["total_price"]
    except ValueError:
        return Decimal(0)


@lru_cache(maxsize=4096)
def _override_rates(prices: OverridePrices) -> _Rates:
    def dollars(amount: int) -> Decimal:
        return Decimal(amount) / MICRO_DOLLARS_PER_DOLLAR

    entry, output = dollars(prices.input), dollars(prices.output)
    read = entry if prices.cached_input is None else dollars(prices.cached_input)
    written = entry if prices.cache_write is None else dollars(prices.cache_write)
    return _Rates(
        input=entry,
        cache_read=read,
        cache_write=written,
        output=output,
        reasoning=output,
        request=dollars(prices.request),
        worst_input=(entry, read, written),
        worst_output=(output,),
    )


def _amount(dollars: Decimal) -> MicroDollars:
    """Absurd counts cost the most that the ledger can hold; an answer is not stopped by an error."""
    try:
        return from_dollars(dollars)
    except InvalidAmount:
        return MicroDollars(MICRO_DOLLARS_MAX)


def _totals(units: Mapping[str, int]) -> Usage:
    return Usage(
        model=None,
        input_tokens=units.get("input_tokens", 0),
        output_tokens=units.get("output_tokens", 0),
        cache_read_tokens=units.get("cache_read_tokens", 0),
        cache_write_tokens=units.get("cache_write_tokens", 0),
        reasoning_tokens=units.get("output_reasoning_tokens", 0),
        cost=None,
        estimated=False,
    )


def _token_dollars(rates: _Rates, usage: Usage) -> Decimal:
    total = max(usage.input_tokens, 0)
    read = min(max(usage.cache_read_tokens, 0), total)
    written = min(max(usage.cache_write_tokens, 0), total - read)
    output = max(usage.output_tokens, 0)
    reasoning = min(max(usage.reasoning_tokens, 0), output)
    return (
        _at_length(rates.input, total) * (total - read - written)
        + _at_length(rates.cache_read, total) * read
        + _at_length(rates.cache_write, total) * written
        + _at_length(rates.output, total) * (output - reasoning)
        + _at_length(rates.reasoning, total) * reasoning
    ) / _MILLION + rates.request


def _at_length(rate: Price, input_tokens: int) -> Decimal:
    """A tier's price holds for all tokens once the input is longer than its start (as ``genai-prices``)."""
    if isinstance(rate, Decimal):
        return rate
    for tier in reversed(rate.tiers):
        if input_tokens > tier.start:
            return tier.price
    return rate.base


def _highest(rate: Price, input_tokens: int) -> Decimal:
    if isinstance(rate, Decimal):
        return rate
    return max([rate.base, *(tier.price for tier in rate.tiers if input_tokens > tier.start)])


def _rates(provider: str | None, model: str | None, at: datetime, tier: str | None) -> _Rates:
    found = _find(provider, model)
    if found is None:
        raise Unpriced(f"The price of {model!r} at {provider!r} is not known.")
    if isinstance(found.prices, types.ModelPrice) and (tier is None or not found.price_variants):
        rates = _steady_rates(provider, model)
    else:
        rates = _derive(_model_price(provider, model, at, tier), found.id)
    if rates is None:
        raise Unpriced(f"{model!r} at {provider!r} is not priced by tokens.")
    return rates


@lru_cache(maxsize=4096)
def _steady_rates(provider: str | None, model: str | None) -> _Rates | None:
    """The rates of a model whose price depends on no date, so that most calls derive nothing."""
    found = _find(provider, model)
    return _derive(cast(types.ModelPrice, found.prices), found.id) if found is not None else None


def _model_price(provider: str | None, model: str | None, at: datetime, tier: str | None) -> types.ModelPrice:
    found = _find(provider, model)
    if found is None:
        raise Unpriced(f"The price of {model!r} at {provider!r} is not known.")
    if tier is None or not found.price_variants:
        return found.get_prices(at)
    context = dict.fromkeys(_TIER_KEYS, tier)
    matching = next((v for v in found.price_variants if v.when.items() <= context.items()), None)
    return found.get_prices(at, dict(matching.when) if matching else None)


@lru_cache(maxsize=4096)
def _find(provider: str | None, model: str | None) -> types.ModelInfo | None:
    """Look a model up, misses included.

    The look-up of ``genai-prices`` itself caches by every model name that it is asked for, without bound.
    """
    known = _provider(provider) if provider is not None and model else None
    if known is None or model is None:
        return None
    return known.find_model(model, all_providers=data_snapshot.get_snapshot().providers)


@lru_cache(maxsize=256)
def _provider(provider: str) -> types.Provider | None:
    return data_snapshot.find_provider_by_id(data_snapshot.get_snapshot().providers, provider)


def _derive(found: types.ModelPrice, model: str) -> _Rates | None:
    prices = {key: value for key, value in vars(found).items() if value is not None}
    if not prices and model.endswith(":free"):
        prices = {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}
    entry = prices.get("input_mtok")
    if entry is None:
        return None
    output = prices.get("output_mtok", Decimal(0))
    per_thousand = prices.get("requests_kcount", Decimal(0))
    return _Rates(
        input=entry,
        cache_read=prices.get("cache_read_mtok", entry),
        cache_write=prices.get("cache_write_mtok", entry),
        output=output,
        reasoning=prices.get("output_reasoning_mtok", output),
        request=(per_thousand if isinstance(per_thousand, Decimal) else per_thousand.base) / _THOUSAND,
        worst_input=tuple(value for key, value in prices.items() if _is_input(key)),
        worst_output=tuple(value for key, value in prices.items() if _is_output(key)) or (Decimal(0),),
    )


def _is_input(key: str) -> bool:
    return key.endswith("_mtok") and key.startswith(("input_", "cache_"))


def _is_output(key: str) -> bool:
    return key.endswith("_mtok") and key.startswith("output_")
