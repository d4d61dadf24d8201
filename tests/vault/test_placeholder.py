"""Placeholders: in each provider's shape, told offline, found in any text, stored as a keyed digest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import placeholder

PROVIDERS = ["openai", "anthropic", "google", "groq", "openrouter", "x-ai", "mistral", "a-new-provider"]


def issued(provider: str) -> str:
    with placeholder.issue(provider).revealed() as text:
        return text


@pytest.mark.parametrize(
    ("provider", "shape"),
    [
        ("openai", r"sk-proj-[0-9A-Za-z]{35}"),
        ("anthropic", r"sk-ant-api03-[0-9A-Za-z]{35}"),
        ("google", r"AIza[0-9A-Za-z_-]{35}"),
        ("mistral", r"sk-[0-9A-Za-z]{35}"),
    ],
)
def test_a_placeholder_has_the_shape_of_its_provider(provider: str, shape: str) -> None:
    assert re.fullmatch(shape, issued(provider))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_is_told_offline_and_found_within_a_text(provider: str) -> None:
    text = issued(provider)
    assert placeholder.is_placeholder(text)
    for around in ("Bearer {}", "?key={}&alt=sse", '{{"api_key":"{}"}}', "openai-insecure-api-key.{}", "{}"):
        assert placeholder.find(around.format(text)) == [text]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_any_single_changed_character_is_noticed(provider: str) -> None:
    text = issued(provider)
    for at in range(len(text)):
        bent = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        assert not placeholder.is_placeholder(bent)
        assert placeholder.find(bent) == []


def test_a_longer_or_shorter_text_is_not_one() -> None:
    text = issued("openai")
    for bent in (text + "A", text[:-1], "A" + text, text + "\n", " " + text, ""):
        assert not placeholder.is_placeholder(bent)
    assert placeholder.find("A" + text) == placeholder.find(text + "A") == []


def test_several_are_found_in_order() -> None:
    first, second = issued("openai"), issued("google")
    assert placeholder.find(f"{first},{second} {first}") == [first, second, first]


def test_the_prefix_belongs_to_the_checksum() -> None:
    body = issued("openai").removeprefix("sk-proj-")
    assert not placeholder.is_placeholder("sk-" + body)


def test_no_two_are_alike() -> None:
    assert len({issued("openai") for _ in range(1000)}) == 1000


def test_the_random_part_holds_160_bits() -> None:
    assert 62**27 > 2**160


@given(st.text())
def test_no_text_is_taken_for_one_by_chance_or_crashes_us(text: str) -> None:
    assert placeholder.find(text) == []
    assert not placeholder.is_placeholder(text)
    assert len(placeholder.digest(bytes(32), text)) == 32


def test_a_digest_needs_the_key() -> None:
    text = issued("openai")
    assert placeholder.digest(b"a" * 32, text) != placeholder.digest(b"b" * 32, text)
    assert placeholder.digest(b"a" * 32, text) == placeholder.digest(b"a" * 32, text)


WORDS = st.sampled_from(
    ["sk-", "sk-proj-", "AIza", "cdt", "A" * 32, " ", "-", "0", issued("openai"), issued("google")]
)


@given(st.lists(WORDS, max_size=12).map("".join))
def test_within_any_text_those_are_found_that_have_form_and_checksum(text: str) -> None:
    looked_like = placeholder.PATTERN.findall(text)
    assert placeholder.find(text) == [found for found in looked_like if placeholder.is_placeholder(found)]


@pytest.mark.parametrize("before", range(-50, 3))
def test_one_is_found_across_the_pieces_of_a_long_text(before: int) -> None:
    text = issued("openai")
    padding = " " * ((1 << 20) + before)
    assert placeholder.find(f"{padding}{text} {text}A {padding}") == [text]


def test_a_text_made_of_what_looks_like_one_is_taken_to_hold_one() -> None:
    bent = f"sk-cdt{'0' * 32} "
    assert placeholder.find(bent * placeholder.CANDIDATES_MAX) == []
    assert placeholder.find(bent * (placeholder.CANDIDATES_MAX + 1)) == [bent.strip()]
