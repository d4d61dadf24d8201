import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.key_refusal import blames_the_key, is_plain

OPENAI = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
ANTHROPIC = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
GOOGLE = {"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}}


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (401, {}, OPENAI),
        (401, {}, ANTHROPIC),
        (401, {}, None),
        (400, {}, GOOGLE),
        (400, {}, [GOOGLE]),
        (403, {"x-amzn-errortype": "UnrecognizedClientException:http://internal/"}, {}),
    ],
)
def test_a_key_that_the_provider_does_not_take(status, headers, body):
    assert blames_the_key(status, headers, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (401, {}, {"error": {"code": "mismatched_organization"}}),
        (401, {}, {"error": {"code": "missing_scope"}}),
        (400, {}, {"error": {"message": "API_KEY_INVALID", "details": []}}),
        (403, {"x-amzn-errortype": "InvalidSignatureException"}, {}),
        (403, {}, {"error": {"type": "permission_error"}}),
        (429, {}, OPENAI),
        (500, {}, OPENAI),
    ],
)
def test_what_a_caller_can_bring_about_with_a_good_key_is_not_held_against_it(status, headers, body):
    assert not blames_the_key(status, headers, json.dumps(body).encode())


def test_a_request_in_which_more_than_our_key_says_who_asks_proves_nothing():
    assert is_plain({"user-agent": "sdk"}, 1)
    assert not is_plain({"openai-organization": "org-other"}, 1)
    assert not is_plain({}, 2)


@given(st.sampled_from([400, 401, 403, 500]), st.binary(max_size=200))
def test_it_never_raises(status, body):
    blames_the_key(status, {}, body)


def test_nested_nonsense_is_no_exception():
    assert not blames_the_key(400, {}, b"[" * 16_000)
