import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.strict_json import (
    DEPTH_MAX,
    ESCAPES_MAX,
    FLOAT_CHARACTERS_MAX,
    VALUES_MAX,
    AmbiguousJson,
    parse,
)

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=40,
)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32-be"),
        b'{"a":"\xff"}',
        b'{"model":"cheap","model":"dear"}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":' + b"9" * 21 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":"\\ud800\\ud83d\\ude00"}',
        b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
        b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'\\"' + b"[" * 100_000,
        b"",
        b"{} {}",
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":"\n"}',
    ],
)
def test_what_readers_take_differently_is_refused(body: bytes) -> None:
    with pytest.raises(AmbiguousJson) as caught:
        parse(body)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\\\\ud800"}',
        b'{"a":18446744073709551615,"b":-9223372036854775808}',
        b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
        b'["' + b"[" * 500 + b'"]',
        b'["\\"' + b"[" * 500 + b'"]',
        b'["\\\\",' + b"[[]]," * 100 + b"1]",
        b'[{"a":1},{"a":2}]',
        b" \t\r\n{} ",
    ],
)
def test_what_readers_take_alike_is_read(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@given(documents)
def test_any_plain_document_reads_as_the_standard_library_reads_it(document: object) -> None:
    for body in (json.dumps(document).encode(), json.dumps(document, ensure_ascii=False).encode()):
        assert parse(body) == json.loads(body)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\ud8c01eNa-', max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused_by_the_declared_error(body: bytes) -> None:
    try:
        parse(body)
    except AmbiguousJson:
        return


@given(st.integers(1, 120), st.sampled_from(["[", '{"k":']))
def test_depth_is_measured_exactly(depth: int, opener: str) -> None:
    closer = "]" if opener == "[" else "}"
    body = ("[" + '"\\\\\\"[{",' * 70 + opener * (depth - 1) + "1" + closer * (depth - 1) + "]").encode()
    if depth > DEPTH_MAX:
        with pytest.raises(AmbiguousJson):
            parse(body)
    else:
        parse(body)


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1", b'""', b'","', b'"\\\\"', b'"\\""'])
def test_values_without_measure_are_not_made(value: bytes) -> None:
    with pytest.raises(AmbiguousJson, match="values"):
        parse(b"[" + (value + b",") * (2 * VALUES_MAX) + b"1]")


@pytest.mark.parametrize("text", [b",", b"[{,", b'\\",', b"\\\\,"])
def test_a_long_text_is_one_value(text: bytes) -> None:
    assert parse(b'["' + text * VALUES_MAX + b'!"]')


def test_as_many_tokens_as_a_provider_embeds_at_once_are_read() -> None:
    assert len(parse(b"[" + b"7," * 300_000 + b"7]")) == 300_001


def test_escapes_without_measure_are_not_read() -> None:
    assert parse(b'["' + b"\\n" * ESCAPES_MAX + b'"]') == ["\n" * ESCAPES_MAX]
    with pytest.raises(AmbiguousJson, match="escapes"):
        parse(b'["' + b"\\n" * (ESCAPES_MAX + 1) + b'"]')


def test_a_number_without_measure_is_not_read() -> None:
    longest = b"0." + b"1" * (FLOAT_CHARACTERS_MAX - 2)
    assert parse(longest) == float(longest)
    with pytest.raises(AmbiguousJson, match="number"):
        parse(longest + b"1")


@given(st.lists(st.sampled_from(["\\ud83d", "\\uDE00", "\\\\", "a", "\\n", "\\ud800", "\\udFff"])))
def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(parts: list[str]) -> None:
    body = f'["{"".join(parts)}"]'
    (text,) = json.loads(body)
    if any("\ud800" <= character <= "\udfff" for character in text):
        with pytest.raises(AmbiguousJson, match="surrogate"):
            parse(body.encode())
    else:
        assert parse(body.encode()) == [text]
