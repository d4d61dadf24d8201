import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import decoding
from policy.decoding import Decoder, Undecodable, decoder_for, is_plain


@given(st.binary(max_size=2000), st.integers(1, 50), st.sampled_from([gzip.compress, zlib.compress]))
def test_any_chunking_gives_the_same_plain_bytes(plain, size, encode):
    encoded, decoder = encode(plain), Decoder()
    chunks = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    assert b"".join(map(decoder.feed, chunks)) == plain


def test_a_bomb_is_decoded_no_further_than_the_bound(monkeypatch):
    monkeypatch.setattr(decoding, "DECODED_BYTES_MAX", 10_000)
    with pytest.raises(Undecodable):
        Decoder().feed(gzip.compress(b"0" * 10_000_000))


@pytest.mark.parametrize(
    "chunk", [b"not gzip at all", gzip.compress(b"a") + gzip.compress(b"b")], ids=["none", "two"]
)
def test_what_is_not_one_encoded_answer_is_refused(chunk):
    with pytest.raises(Undecodable):
        Decoder().feed(chunk)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "unheard-of"])
def test_other_encodings_have_no_decoder(encoding):
    assert decoder_for(encoding) is None
    assert not is_plain(encoding)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_the_identity_needs_none(encoding):
    assert is_plain(encoding)


@given(st.binary(max_size=5000), st.integers(0, 5000), st.integers(1, 3000))
def test_the_beginning_of_what_is_encoded_is_the_beginning_of_what_is_plain(plain, cut, most):
    found = decoding.beginning("gzip", gzip.compress(plain)[:cut], most)
    assert plain.startswith(found)
    assert len(found) <= most
    assert decoding.beginning("gzip", gzip.compress(plain), 5000) == plain
    assert decoding.beginning("", plain, most) == plain[:most]


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"not gzip"), ("br", b"x"), ("deflate", b"\xff")])
def test_a_beginning_that_cannot_be_decoded_is_nothing(encoding, body):
    assert decoding.beginning(encoding, body, 100) == b""
