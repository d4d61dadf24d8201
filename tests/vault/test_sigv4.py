"""A signed request verifies by the published rules, written out again here without botocore."""

import pytest

from tests.standins.bedrock import signature_of
from vault.credential_kinds import AwsAccessKey
from vault.sigv4 import Unsignable, sign

HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
PATH = "/model/anthropic.claude-sonnet-4-5%3A0/invoke?trace=ENABLED"
BODY = b'{"max_tokens": 1}'
KEY = AwsAccessKey(type="aws_access_key", access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI")
HEADERS = {
    "content-type": "application/json",
    "user-agent": "an SDK",
    "authorization": "AWS4-HMAC-SHA256 Credential=sk-cdt/20260101/us-east-1/bedrock/aws4_request",
    "x-amz-date": "20200101T000000Z",
    "x-amz-security-token": "the client's own",
}


def signed(key: AwsAccessKey = KEY, host: str = HOST) -> dict[str, str]:
    return sign(key, method="POST", host=host, path=PATH, headers=HEADERS, body=BODY)


def test_the_signature_verifies() -> None:
    made = signed()
    assert made["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    expected = signature_of({**HEADERS, **made, "host": HOST}, secret="wJalrXUtnFEMI", path=PATH, body=BODY)
    assert made["authorization"].endswith(f"Signature={expected}")


def test_nothing_that_the_client_signed_with_goes_out() -> None:
    made = signed()
    assert made["x-amz-date"] != HEADERS["x-amz-date"]
    assert "x-amz-security-token" not in made
    assert "sk-cdt" not in str(made)


def test_a_session_token_is_signed_and_sent() -> None:
    made = signed(KEY.model_copy(update={"session_token": "a-session"}))
    assert made["x-amz-security-token"] == "a-session"
    assert "x-amz-security-token" in made["authorization"]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock.us-east-1.amazonaws.com", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-agent-runtime.ap-southeast-2.amazonaws.com", "ap-southeast-2"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_the_region_is_the_hosts(host: str, region: str) -> None:
    assert f"/{region}/bedrock/aws4_request" in signed(host=host)["authorization"]


@pytest.mark.parametrize(
    "host",
    [
        "s3.eu-central-1.amazonaws.com",
        "bedrock-runtime.eu-central-1.amazonaws.com.evil.example",
        "evil.example",
        "bedrock-runtime.evil.amazonaws.com",
    ],
)
def test_nothing_is_signed_for_another_service(host: str) -> None:
    with pytest.raises(Unsignable):
        signed(host=host)
