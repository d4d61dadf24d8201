from datetime import UTC, datetime
from decimal import ROUND_CEILING

import genai_prices
import pytest
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Call, Usage
from policy.money import MICRO_DOLLARS_MAX
from policy.pricing import Answered, Unpriced, ceiling, price_units

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def price(
    provider: str | None, model: str | None, used: Usage, at: datetime, *, tier: str | None = None
) -> int:
    units = {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cache_read_tokens": used.cache_read_tokens,
        "cache_write_tokens": used.cache_write_tokens,
        "output_reasoning_tokens": used.reasoning_tokens,
    }
    return price_units(provider, model, units, at, answered=Answered(tier=tier)).amount


def usage(*, input: int = 0, output: int = 0, read: int = 0, written: int = 0, reasoning: int = 0) -> Usage:
    return Usage(None, input, output, read, written, reasoning, None, False)


def call(*, input: int = 0, output: int | None = 0, choices: int = 1, tier: str | None = None) -> Call:
    return Call("chat_completions", "m", False, input, output, choices, False, input, tier)


def priced() -> list[tuple[str, str]]:
    found = []
    for provider in providers:
        for model in provider.models:
            try:
                price(provider.id, model.id, usage(input=1), AT)
            except Unpriced:
                continue
            found.append((provider.id, model.id))
    return found


models = st.sampled_from(priced())
counts = st.integers(0, 3_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total, output = draw(counts), draw(counts)
    read = draw(st.integers(0, total))
    return usage(
        input=total,
        output=output,
        read=read,
        written=draw(st.integers(0, total - read)),
        reasoning=draw(st.integers(0, output)),
    )


def test_a_known_price_is_exact_and_rounded_up() -> None:
    assert price("openai", "gpt-4o", usage(input=1_000_000, output=1_000_000), AT) == 12_500_000
    assert price("openai", "gpt-4o-mini", usage(input=1), AT) == 1
    assert price("anthropic", "claude-sonnet-4-5", usage(input=22, read=7, written=5, output=9), AT) == 186


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("no-such-provider", "gpt-4o"),
        (None, "gpt-4o"),
        ("openai", None),
        ("openai", ""),
        ("openai", "whisper-1"),
        ("cerebras", "qwen-3-coder-480b"),
    ],
)
def test_a_price_that_is_not_known_is_never_guessed(provider: str | None, model: str | None) -> None:
    with pytest.raises(Unpriced):
        price(provider, model, usage(input=1), AT)
    with pytest.raises(Unpriced):
        ceiling(provider, model, call(input=1), AT)


def test_what_no_provider_bills_costs_nothing_and_needs_no_price() -> None:
    assert ceiling("openai", None, Call("models", None, False, 0, 0, 1, False, 0), AT) == 0


def test_what_a_batch_will_cost_is_never_guessed() -> None:
    with pytest.raises(Unpriced):
        ceiling("google", "gemini-2.5-pro", Call("batches", "gemini-2.5-pro", False, 9, 9, 1, False, 9), AT)


@given(models, usages())
def test_the_price_is_that_of_the_price_library(model: tuple[str, str], used: Usage) -> None:
    expected = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cache_read_tokens=used.cache_read_tokens,
            cache_write_tokens=used.cache_write_tokens,
            output_reasoning_tokens=used.reasoning_tokens,
        ),
        model[1],
        provider_id=model[0],
        genai_request_timestamp=AT,
    ).total_price
    micro = (expected * 1_000_000).to_integral_value(rounding=ROUND_CEILING)
    assert price(*model, used, AT) == micro


@given(models, usages(), counts, counts)
def test_more_tokens_never_cost_less(model: tuple[str, str], used: Usage, more: int, output: int) -> None:
    larger = usage(
        input=used.input_tokens + more,
        output=used.output_tokens + output,
        read=used.cache_read_tokens,
        written=used.cache_write_tokens,
        reasoning=used.reasoning_tokens,
    )
    assert 0 <= price(*model, used, AT) <= price(*model, larger, AT)


@given(models, usages(), st.integers(1, 5), st.sampled_from([None, "priority", "fast"]))
def test_the_ceiling_covers_every_use_within_it(
    model: tuple[str, str], used: Usage, choices: int, tier: str | None
) -> None:
    output = -(-used.output_tokens // choices)
    asked = call(input=used.input_tokens, output=output, choices=choices, tier=tier)
    assert ceiling(*model, asked, AT) >= price(*model, used, AT, tier=tier)


@given(models, st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 4))
def test_a_call_without_a_ceiling_is_held_by_the_step(
    model: tuple[str, str], tokens: int, step: int, choices: int
) -> None:
    open_ended = ceiling(*model, call(input=tokens, output=None, choices=choices), AT, step_tokens=step)
    assert open_ended == ceiling(*model, call(input=tokens, output=step, choices=choices), AT)


@given(models, st.builds(Usage, st.none(), *[st.integers(-(10**6), 10**30)] * 5, st.none(), st.just(True)))
def test_absurd_counts_never_credit_and_never_raise(model: tuple[str, str], used: Usage) -> None:
    assert 0 <= price(*model, used, AT) <= MICRO_DOLLARS_MAX


def test_a_dearer_tier_costs_more_when_the_call_asks_for_it() -> None:
    plain = call(input=1_000_000, output=1_000)
    asked = call(input=1_000_000, output=1_000, tier="priority")
    assert ceiling("openai", "gpt-4.1", asked, AT) > ceiling("openai", "gpt-4.1", plain, AT)
    used = usage(input=1_000_000)
    assert price("openai", "gpt-4.1", used, AT, tier="priority") > price("openai", "gpt-4.1", used, AT)


def test_units_beyond_tokens_are_priced_and_contradictions_fall_back_to_the_totals() -> None:
    plain = {"input_tokens": 1_000_000, "output_tokens": 0, "cache_write_tokens": 1_000_000}
    hourly = {**plain, "cache_write_1h_tokens": 1_000_000}
    assert price_units("anthropic", "claude-sonnet-4-6", plain, AT).amount == 3_750_000
    assert price_units("anthropic", "claude-sonnet-4-6", hourly, AT).amount == 6_000_000
    assert price_units("anthropic", "claude-sonnet-4-6", {**plain, "web_searches": 3}, AT).amount == 3_780_000
    contradicting = {**hourly, "cache_write_1h_tokens": 2_000_000}
    assert price_units("anthropic", "claude-sonnet-4-6", contradicting, AT).amount == 3_750_000


def test_sound_beside_cached_text_is_never_priced_as_text():
    """OpenAI may leave out which kind was cached; of gpt-realtime sound costs eight times as much as text."""
    units = {"input_tokens": 1_000_000, "input_audio_tokens": 1_000_000, "cache_read_tokens": 1}
    assert price_units("openai", "gpt-realtime", units, AT).amount == 32_000_000
