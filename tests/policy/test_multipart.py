"""Forms as SDKs write them are read; what parsers read differently is not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.multipart import AmbiguousForm, fields_named

TYPE = "multipart/form-data; boundary=b0"
DISPOSITION = b'Content-Disposition: form-data; name="model"'
FILE = (
    b'Content-Disposition: form-data; name="file"; filename="a;b.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF'
)


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b0\r\n" + part + b"\r\n" for part in parts) + b"--b0--\r\n"


@pytest.mark.parametrize(
    "head",
    [
        DISPOSITION,
        b"content-disposition: form-data; name=model",
        b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"; x=y',
    ],
)
def test_a_field_is_found_beside_a_file(head: bytes) -> None:
    assert fields_named("model", form(FILE, head + b"\r\n\r\nwhisper-1"), TYPE) == [b"whisper-1"]


@given(st.binary(max_size=300).filter(lambda value: b"\r\n--b0" not in b"\r\n" + value))
def test_a_value_comes_as_it_was_sent(value: bytes) -> None:
    assert fields_named("model", form(FILE, DISPOSITION + b"\r\n\r\n" + value), TYPE) == [value]


@pytest.mark.parametrize(
    "body",
    [
        b"preamble\r\n" + form(DISPOSITION + b"\r\n\r\na"),
        form(DISPOSITION + b"\r\n\r\na")[:-4],
        form(DISPOSITION + b"\r\n\r\na").replace(b"b0\r\n", b"b0 \r\n", 1),
        form(DISPOSITION + b"\r\n\r\na").replace(b"\r\n", b"\n"),
        form(DISPOSITION + b'; name="file"\r\n\r\na'),
        form(DISPOSITION + b"; name*=utf-8''file\r\n\r\na"),
        form(DISPOSITION + b'\r\nContent-Disposition: form-data; name="file"\r\n\r\na'),
        form(b'Content-Disposition: form-data; name="mo\\del"\r\n\r\na'),
        form(DISPOSITION + b"\r\n folded\r\n\r\na"),
        form(DISPOSITION + b"\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ=="),
        form(b"X-A: b\r\n\r\na"),
        form(b"no head"),
        b"",
    ],
)
def test_a_form_that_can_be_read_in_two_ways(body: bytes) -> None:
    with pytest.raises(AmbiguousForm):
        fields_named("model", body, TYPE)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/mixed; boundary=b0", f"{TYPE}; boundary=b1"]
)
def test_a_form_whose_boundary_is_not_known(kind: str) -> None:
    with pytest.raises(AmbiguousForm):
        fields_named("model", form(DISPOSITION + b"\r\n\r\na"), kind)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_nothing_else_is_ever_raised(body: bytes, kind: str) -> None:
    for content_type in (TYPE, kind, f"multipart/form-data; boundary={kind}"):
        with contextlib.suppress(AmbiguousForm):
            fields_named("model", b"--b0\r\n" + body, content_type)
