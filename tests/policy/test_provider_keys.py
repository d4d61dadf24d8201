import pytest

from policy.provider_keys import has_provider_form


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-" + "a" * 48,
        "sk-ant-api03-" + "a" * 93 + "AA",
        "sk-ant-oat01-" + "a" * 60,
        "sk-" + "0123456789abcdef" * 2,
        "sk-or-v1-" + "0" * 64,
        "AIza" + "b" * 35,
        "gsk_" + "c" * 52,
        "xai-" + "d" * 80,
        "hf_" + "e" * 34,
        "AWS4-HMAC-SHA256 Credential=AKIAABCDEFGHIJKLMNOP/20261124/eu-central-1/bedrock/aws4_request",
    ],
)
def test_a_real_key_is_known_by_its_form(key):
    assert has_provider_form(key)


@pytest.mark.parametrize(
    "text", ["", "local-key", "sk-short", "not-needed", "Bearer", "eyJhbGciOiJIUzI1NiJ9.e30.x"]
)
def test_other_texts_are_not(text):
    assert not has_provider_form(text)
