"""Signatures are those that every Standard Webhooks library verifies."""

import base64

import pytest

from policy.standard_webhooks import parse_secrets, signed_headers

# The worked example of the specification and its libraries' own tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signature(secrets: str) -> str:
    keys = parse_secrets(secrets)
    headers = signed_headers(keys, identity="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330, body=BODY)
    return headers["webhook-signature"]


def test_the_published_vector() -> None:
    assert signature(SECRET) == SIGNATURE


def test_while_a_secret_is_replaced_both_sign() -> None:
    fresh = "whsec_" + base64.b64encode(b"n" * 32).decode()
    assert signature(f"{fresh}\n{SECRET}\n").split() == [signature(fresh), SIGNATURE]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_not base64",
        "whsec_c2hvcnQ=",
        f"{SECRET}\nwhsec_x",
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="secret") as refused:
        parse_secrets(text)
    assert "MfKQ" not in str(refused.value)
    assert "c2hvcnQ" not in str(refused.value)
