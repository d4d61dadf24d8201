"""One value, one text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Mode, Outcome
from store.canonical import NotCanonical, canonical

exact = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), exact))
def test_reading_and_writing_again_changes_nothing(value: dict[str, object]) -> None:
    once = canonical(value)
    assert json.loads(once) == value
    assert canonical(json.loads(once)) == once


def test_order_of_keys_does_not_matter() -> None:
    assert canonical({"b": 1, "a": {"d": [], "c": None}}) == b'{"a":{"c":null,"d":[]},"b":1}'


def test_escapes_only_what_json_demands() -> None:
    """RFC 8785, 3.2.2.2: two-character escapes where there are any, lower-case hexadecimal, else UTF-8."""
    assert canonical({"a": '\b\t\n\f\r"\\\x0f/\x7fé€😀'}) == (
        b'{"a":"\\b\\t\\n\\f\\r\\"\\\\\\u000f/\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"}'
    )


@pytest.mark.parametrize("value", [1.0, [{"x": 0.5}], float("nan"), {1: 2}, {"x": {1, 2}}, b"bytes"])
def test_what_has_no_one_text_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical({"value": value})


def test_a_member_of_an_enumeration_is_its_value() -> None:
    assert canonical({"outcome": Outcome.CUT, "deep": [{"mode": Mode.EXPLICIT}]}) == (
        b'{"deep":[{"mode":"explicit"}],"outcome":"cut"}'
    )


def test_half_a_surrogate_pair_still_is_recorded() -> None:
    assert canonical({"model": "gpt\ud800"}) == b'{"model":"gpt?"}'
