import base64
import json
import re
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.redaction import Scrubber, scrub_headers

KEY = b"sk-proj-Zx9/ab+cdEFGh_ij-KLmno0123456789T3BlbkFJ"

secrets = st.text("abcAB01-_/+.", min_size=8, max_size=24).map(str.encode)


def encodings(secret: bytes) -> list[bytes]:
    """The secret as a debug header or an error text may echo it."""
    return [
        secret,
        base64.b64encode(b"user:" + secret),
        base64.b64encode(b"x" + secret + b"tail"),
        base64.urlsafe_b64encode(b"xy" + secret),
        quote(secret, safe="").encode(),
        re.sub("%..", lambda match: match.group().lower(), quote(secret, safe="")).encode(),
        json.dumps(secret.decode()).replace("/", "\\/").encode(),
        secret.hex().encode(),
    ]


def scrub(secret: bytes, chunks: list[bytes]) -> bytes:
    scrubber = Scrubber(secret)
    return b"".join(scrubber.feed(chunk) for chunk in chunks) + scrubber.finish()


def cut(content: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


def leaks(secret: bytes, content: bytes) -> bool:
    """Whether the secret can be read out of the content, decoding as a reader would."""
    if secret in content:
        return True
    for start in range(4):
        part = content[start:].translate(bytes.maketrans(b"-_", b"+/"))
        usable = part[: len(part) // 4 * 4]
        try:
            if secret in base64.b64decode(usable):
                return True
        except ValueError:
            continue
    return False


@pytest.mark.parametrize("form", encodings(KEY), ids=range(8))
def test_each_form_is_scrubbed_at_every_split_and_lengths_stay(form: bytes) -> None:
    content = b'{"error":"bad key ' + form + b'"}'
    for split in range(len(content)):
        scrubbed = scrub(KEY, [content[:split], content[split:]])
        assert KEY not in scrubbed
        assert b"****************" in scrubbed
        assert len(scrubbed) == len(content)


def test_every_byte_by_itself_is_no_way_around() -> None:
    for form in encodings(KEY):
        scrubbed = scrub(KEY, [bytes([byte]) for byte in b"<" + form + b">" + form])
        assert form not in scrubbed


def test_a_chunk_is_held_only_from_where_the_secret_may_begin() -> None:
    scrubber = Scrubber(KEY)
    assert scrubber.feed(b"data: 1\n\n") == b"data: 1\n\n"
    assert scrubber.feed(b"data: " + KEY[:10]) == b"data: "
    assert scrubber.feed(b" is not it\n\n") == KEY[:10] + b" is not it\n\n"
    assert not scrubber.found


def test_what_was_held_at_the_end_is_let_go() -> None:
    assert scrub(KEY, [b"ends in " + KEY[:20]]) == b"ends in " + KEY[:20]


def test_headers_without_the_secret_are_the_same_object() -> None:
    clean = ((b"content-type", b"text/plain"),)
    assert scrub_headers(clean, Scrubber(KEY)) is clean


def test_headers_are_scrubbed_in_name_and_value() -> None:
    scrubbed = scrub_headers(((b"x-goog-api-key", KEY), (b"x-" + KEY, b"1"), (b"etag", b"e")), Scrubber(KEY))
    assert scrubbed == (
        (b"x-goog-api-key", b"*" * len(KEY)),
        (b"x-" + b"*" * len(KEY), b"1"),
        (b"etag", b"e"),
    )


def test_an_empty_secret_scrubs_nothing() -> None:
    assert scrub(b"", [b"text", b""]) == b"text"


@given(secrets, st.lists(st.integers(0, 10**4), max_size=10), st.data())
def test_no_split_lets_the_secret_out(secret: bytes, cuts: list[int], data: st.DataObject) -> None:
    pieces = data.draw(
        st.lists(st.sampled_from(encodings(secret)) | st.just(secret[:5]) | st.binary(max_size=5), max_size=6)
    )
    content = b"".join(pieces)
    scrubbed = scrub(secret, cut(content, cuts))
    assert len(scrubbed) == len(content)
    assert secret not in scrubbed


@given(secrets, st.integers(0, 2), st.lists(st.integers(0, 10**4), max_size=10))
def test_base64_in_base64_position_cannot_be_decoded_back(
    secret: bytes, before: int, cuts: list[int]
) -> None:
    encoded = base64.b64encode(b"z" * before + secret + b"end")
    assert leaks(secret, encoded)
    assert not leaks(secret, scrub(secret, cut(encoded, cuts)))


@given(st.binary(max_size=300), st.lists(st.integers(0, 10**4), max_size=10))
def test_what_holds_no_secret_passes_unaltered(content: bytes, cuts: list[int]) -> None:
    assert scrub(KEY, cut(content, cuts)) == content
