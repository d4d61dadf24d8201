import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.head import HEADER_COUNT_MAX, AmbiguousHead, check_target, find_keys, read_fields


def test_names_are_folded_and_repeatable_headers_joined():
    assert read_fields([(b"Accept", b"a"), (b"ACCEPT", b"b")]) == {"accept": "a, b"}


@pytest.mark.parametrize(
    "fields",
    [
        [(b"host", b"a"), (b"Host", b"b")],
        [(b"authorization", b"Bearer a"), (b"Authorization", b"Bearer b")],
        [(b"x-api-key", b"a"), (b"x-api-key", b"a")],
        [(b"a", b"b\r\n Authorization: c")],
        [(b"a", b"b\rc")],
        [(b"a", b"b\x00")],
        [(b"a b", b"c")],
        [(b"", b"c")],
        [("höst".encode(), b"c")],
        [(b"connection", b"close, Authorization")],
        [(b"connection", b"x-conduit-justification")],
        [(b"a%d" % number, b"") for number in range(HEADER_COUNT_MAX + 1)],
    ],
)
def test_a_head_with_two_readings_is_refused(fields):
    with pytest.raises(AmbiguousHead):
        read_fields(fields)


def test_a_refusal_never_quotes_a_value():
    with pytest.raises(AmbiguousHead) as refused:
        read_fields([(b"authorization", b"Bearer secret\x00")])
    assert "secret" not in str(refused.value)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=10))
def test_any_bytes_are_read_or_refused(fields):
    with contextlib.suppress(AmbiguousHead):
        read_fields(fields)


@pytest.mark.parametrize("target", ["/a b", "/a\x00", "/a\r\n"])
def test_a_target_with_illegal_bytes_is_refused(target):
    with pytest.raises(AmbiguousHead):
        check_target(target)


BASIC = base64.b64encode(b"user:secret").decode()


@pytest.mark.parametrize(
    ("headers", "query", "place", "text"),
    [
        ({"authorization": "Bearer k"}, "", "authorization", "k"),
        ({"authorization": "bearer  k"}, "", "authorization", "k"),
        ({"authorization": f"Basic {BASIC}"}, "", "authorization", "secret"),
        ({"x-api-key": " k "}, "", "x-api-key", "k"),
        ({"api-key": "k"}, "", "api-key", "k"),
        ({"x-goog-api-key": "k"}, "", "x-goog-api-key", "k"),
        ({}, "alt=sse&key=k", "?key", "k"),
        ({}, "alt=sse&k%65y=k", "?key", "k"),
        ({}, "access_token=k", "?access_token", "k"),
        (
            {"sec-websocket-protocol": "realtime, openai-insecure-api-key.k"},
            "",
            "sec-websocket-protocol",
            "k",
        ),
    ],
)
def test_a_key_is_found_in_every_place_that_providers_read(headers, query, place, text):
    (found,) = find_keys(headers, query)
    assert (found.place, found.text) == (place, text)
    assert text not in repr(found).removeprefix(f"FoundKey(place='{place}'")


def test_the_access_key_of_a_signed_request_is_its_key():
    signed = (
        "AWS4-HMAC-SHA256 Credential=sk-cdtX/20261124/eu-central-1/bedrock/aws4_request, SignedHeaders=host"
    )
    assert [key.text for key in find_keys({"authorization": f"{signed}, Signature=00"}, "")] == ["sk-cdtX"]
    several_regions = signed.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
    assert [key.text for key in find_keys({"authorization": several_regions}, "")] == ["sk-cdtX"]
    presigned = "X-Amz-Date=1&X-Amz-Credential=sk-cdtX%2F20260101%2Feu%2Fbedrock%2Faws4_request"
    assert find_keys({}, presigned.replace("Credential", "%43redential")) == find_keys({}, presigned)
    (found,) = find_keys({}, presigned)
    assert (found.place, found.text) == ("?x-amz-credential", "sk-cdtX")
    assert [key.text for key in find_keys({"authorization": "AWS4-HMAC-SHA256 nonsense"}, "")] == [
        "AWS4-HMAC-SHA256 nonsense"
    ]
