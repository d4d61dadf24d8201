"""One-time codes: RFC 6238's own vectors, and which steps pass."""

import base64
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import SignInFailed
from console.one_time_codes import STEP_S, accepted_step, enrolment_picture, new_secret
from vault.secret import Secret

# RFC 6238, appendix B, SHA-1; the last six of its eight digits.
RFC_SECRET = Secret(base64.b32encode(b"12345678901234567890").decode())
RFC_CODES = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES.items())
def test_the_vectors_of_the_rfc_pass(seconds: int, code: str) -> None:
    assert accepted_step(RFC_SECRET, code, now=datetime.fromtimestamp(seconds, UTC)) == seconds // STEP_S


@given(drift=st.integers(-5, 5), now=st.datetimes(datetime(2024, 1, 1), datetime(2090, 1, 1)))
def test_a_code_passes_one_step_away_and_no_further(drift: int, now: datetime) -> None:
    moment = now.replace(tzinfo=UTC)
    with RFC_SECRET.revealed() as text:
        totp = pyotp.TOTP(text)
        codes = [totp.at(moment + timedelta(seconds=STEP_S * away)) for away in (-1, 0, 1)]
        code = totp.at(moment + timedelta(seconds=STEP_S * drift))
    if code in codes:
        step = accepted_step(RFC_SECRET, code, now=moment)
        assert abs(step - int(moment.timestamp()) // STEP_S) <= 1
    else:
        with pytest.raises(SignInFailed):
            accepted_step(RFC_SECRET, code, now=moment)


@pytest.mark.parametrize("code", ["", "28708", "2870820", "abcdef", "２８７０８２", "287082\x00", "-87082"])
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(SignInFailed):
        accepted_step(RFC_SECRET, code, now=datetime.fromtimestamp(59, UTC))


def test_a_code_may_be_typed_with_a_blank() -> None:
    assert accepted_step(RFC_SECRET, " 287 082 ", now=datetime.fromtimestamp(59, UTC)) == 1


def test_the_picture_needs_neither_script_nor_style() -> None:
    with new_secret().revealed() as text:
        picture = enrolment_picture(text, "<ada>")
    assert picture.startswith("<svg")
    assert "style=" not in picture
    assert "<script" not in picture
    assert "viewBox" in picture
