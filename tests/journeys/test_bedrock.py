"""A developer gives Amazon's SDK a placeholder for an access key; an administrator set it up by commands."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.journeys.test_canary_key import assert_absent
from tests.standins import bedrock
from tests.standins.office import BEDROCK_HOST, Office

ACCESS_KEY_ID = "AKIACANARY0000000000"
SECRET = f"CaNaRy{secrets.token_hex(17)}"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture(scope="module")
def placeholder(office: Office) -> Iterator[str]:
    key = {"type": "aws_access_key", "access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET}
    of_tenant = ("--tenant", office.tenant)
    office.product.cli(
        *("credential", "add", *of_tenant, "--provider", "aws", "--name", "bedrock", "--host", BEDROCK_HOST),
        stdin=json.dumps(key),
    )
    issue = ("placeholder", "issue", *of_tenant, "--user", office.user, "--credential", "bedrock")
    made = office.product.cli(*issue)
    office.in_force()
    office.provider.special = bedrock.service(ACCESS_KEY_ID, SECRET)
    yield str(made["placeholder"])
    office.provider.special = lambda _: None


def client(office: Office, mode: str, placeholder: str) -> Any:
    proxies = {"https": office.product.url("proxy")} if mode == "explicit" else {}
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=f"{office.product.url('gateway')}/aws" if mode == "gateway" else None,
        verify=str(office.ca_file),
        aws_access_key_id=placeholder,
        aws_secret_access_key="unused",
        config=Config(proxies=proxies, retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("mode", ["gateway", "explicit"])
def test_a_streamed_conversation_is_signed_metered_and_in_the_record(
    office: Office, placeholder: str, mode: str
) -> None:
    office.provider.forget()
    sdk = client(office, mode, placeholder)
    turn: list[Any] = [{"role": "user", "content": [{"text": "hi"}]}]
    events = list(sdk.converse_stream(modelId=MODEL, messages=turn)["stream"])
    assert events[1]["contentBlockDelta"]["delta"]["text"] == bedrock.TEXT
    (seen,) = office.provider.seen
    assert placeholder.encode() not in seen.everything
    event = office.event(operation="converse_stream", mode=mode)
    assert (event["host"], event["model"], event["outcome"]) == (BEDROCK_HOST, MODEL, "finished")
    assert (event["input_tokens"], event["output_tokens"], event["estimated"]) == (12, 17, False)
    assert event["cost_micro_dollars"] == 321
    assert_absent([SECRET], "an event", json.dumps(office.events()).encode())
