"""Amazon's own SDK calls Bedrock with a placeholder: signed anew, counted, and cut when the money ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.addons.running import Running, running, with_limits
from tests.addons.test_credentials import AWS_KEY, BEDROCK, hold
from tests.addons.test_metering import a_budget, settled, wait_for_end
from tests.standins import bedrock
from tests.standins.provider import StandIn

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
STEP_COST = 16_896  # of this model's output, at 16.5 dollars a million (genai-prices)
BODY = (
    b'{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 400,'
    b' "messages": [{"role": "user", "content": "hi"}]}'
)
ENDLESS_BODY = BODY.replace(b' "max_tokens": 400,', b"")
TURN: list[Any] = [{"role": "user", "content": [{"text": "hi"}]}]


@pytest_asyncio.fixture
async def gateway(short_path: Path, valkey_url: str, provider: StandIn) -> AsyncIterator[Running]:
    upstream = {"resolve": provider.resolve(BEDROCK), "ca_file": provider.authority.ca_file}
    providers = {"aws": {"upstream": f"https://{BEDROCK}"}}
    async with running(short_path, valkey_url, provider, upstream=upstream, providers=providers) as started:
        hold(started, "aws", BEDROCK, AWS_KEY)
        provider.special = bedrock.service(AWS_KEY["access_key_id"], AWS_KEY["secret_access_key"])
        try:
            yield started
        finally:
            provider.special = lambda _: None


def client(gateway: Running, mode: str, *, key: str | None = None) -> Any:
    """The SDK as a developer has it: the placeholder for an access key id, any secret."""
    proxy = gateway.proxy
    settings: dict[str, Any] = {"proxies": {"https": proxy} if mode == "proxy" else {}}
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=gateway.url("aws", "") if mode == "gateway" else None,
        verify=str(gateway.folder / "ca" / "ca.pem"),
        aws_access_key_id=key or gateway.placeholder,
        aws_secret_access_key="not-a-secret",
        config=Config(retries={"total_max_attempts": 1}, **settings),
    )


def invoke(sdk: Any) -> list[Any]:
    with closing(sdk.invoke_model(modelId=MODEL, body=BODY)["body"]) as answer:
        return [answer.read()]


def converse(sdk: Any) -> list[Any]:
    answer = sdk.converse(modelId=MODEL, messages=TURN, inferenceConfig={"maxTokens": 400})
    return [answer["output"]["message"]["content"][0]["text"]]


def invoke_stream(sdk: Any, body: bytes = BODY) -> list[Any]:
    with closing(sdk.invoke_model_with_response_stream(modelId=MODEL, body=body)["body"]) as events:
        return list(events)


def converse_stream(sdk: Any) -> list[Any]:
    with closing(sdk.converse_stream(modelId=MODEL, messages=TURN)["stream"]) as events:
        return list(events)


OPERATIONS = [invoke, converse, invoke_stream, converse_stream]


@pytest.mark.parametrize("mode", ["gateway", "proxy"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.__name__)
async def test_each_operation_is_signed_with_the_real_key_and_charged(
    gateway: Running, mode: str, operation: Callable[[Any], list[Any]]
) -> None:
    budget = a_budget(gateway, 10**9)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, budget)
    sdk = client(gateway, mode)
    parts = await asyncio.to_thread(operation, sdk)
    assert len(parts) == (4 if operation in {invoke_stream, converse_stream} else 1)
    (seen,) = gateway.provider.wait_for(1)
    for foreign in (gateway.placeholder, "not-a-secret", AWS_KEY["secret_access_key"]):
        assert foreign.encode() not in seen.everything
    event = await wait_for_end(gateway)
    assert (event["outcome"], event["operation"], event["estimated"]) == (
        "finished",
        operation.__name__,
        False,
    )
    assert (event["input_tokens"], event["output_tokens"]) == (12, 17)
    # 3.3 and 16.5 dollars a million (genai-prices), rounded up once
    assert event["cost_micro_dollars"] == -(-(12 * 33 + 17 * 165) // 10)
    assert await settled(gateway, budget) == event["cost_micro_dollars"]


@pytest.mark.parametrize("mode", ["gateway", "proxy"])
@pytest.mark.parametrize(
    "operation",
    [converse_stream, lambda sdk: invoke_stream(sdk, ENDLESS_BODY)],
    ids=["converse_stream", "invoke_stream"],
)
async def test_a_stream_is_cut_when_the_budget_is_used_up(
    gateway: Running, mode: str, operation: Callable[[Any], list[Any]]
) -> None:
    budget = a_budget(gateway, 40_000)
    gateway.snapshots.current = with_limits(gateway.snapshots.current, budget)
    key, secret = AWS_KEY["access_key_id"], AWS_KEY["secret_access_key"]
    gateway.provider.special = bedrock.service(key, secret, bedrock.endless)
    sdk = client(gateway, mode)
    with pytest.raises(EventStreamError, match=r"throttlingException.*budget_exhausted"):
        await asyncio.to_thread(operation, sdk)
    event = await wait_for_end(gateway)
    assert (event["outcome"], event["reason"], event["estimated"]) == ("cut", "budget_exhausted", True)
    assert event["rule"] == f"limit:{budget.id}"
    assert 0 < event["cost_micro_dollars"] <= budget.amount + STEP_COST
    assert event["overshoot_micro_dollars"] <= STEP_COST
    assert await settled(gateway, budget) == event["cost_micro_dollars"]


@pytest.mark.parametrize("mode", ["gateway", "proxy"])
async def test_without_money_nothing_leaves(gateway: Running, mode: str) -> None:
    gateway.snapshots.current = with_limits(gateway.snapshots.current, a_budget(gateway, 10))
    sdk = client(gateway, mode)
    with pytest.raises(ClientError, match="budget_exhausted") as raised:
        await asyncio.to_thread(converse, sdk)
    assert raised.value.response["Error"]["Code"] == "ThrottlingException"
    assert gateway.provider.seen == []


async def test_another_access_key_is_no_placeholder(gateway: Running) -> None:
    sdk = client(gateway, "proxy", key="AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError):
        await asyncio.to_thread(converse, sdk)
    assert gateway.provider.seen == []


async def test_what_is_signed_with_another_secret_is_refused_as_by_amazon(gateway: Running) -> None:
    hold(gateway, "aws", BEDROCK, AWS_KEY | {"secret_access_key": "another"})
    with pytest.raises(ClientError, match="signature we calculated"):
        await asyncio.to_thread(converse, client(gateway, "gateway"))
