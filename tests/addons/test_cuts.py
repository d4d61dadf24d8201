"""When the money ends in the middle of an answer, each provider's own SDK raises what it raises by nature."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

from policy.exchange import Shape
from policy.inspection import inspect
from policy.money import MicroDollars
from policy.price_rules import LIST_PRICES
from policy.pricing import ceiling
from tests.addons.running import Running, running, with_limits
from tests.addons.test_metering import a_budget, settled, wait_for_end
from tests.standins.answers import Answer
from tests.standins.provider import StandIn

STEP_TOKENS = 1024
WORDS = "word " * 40


def openai_chat(gateway: Running) -> list[Any]:
    sdk = openai.OpenAI(api_key=gateway.placeholder, base_url=gateway.url("openai", "/v1"))
    turn: Any = [{"role": "user", "content": "hi"}]
    return list(sdk.chat.completions.create(model="gpt-4o-mini", messages=turn, stream=True))


def openai_responses(gateway: Running) -> list[Any]:
    sdk = openai.OpenAI(api_key=gateway.placeholder, base_url=gateway.url("openai", "/v1"))
    return list(sdk.responses.create(model="gpt-4o-mini", input="hi", stream=True))


def anthropic_messages(gateway: Running) -> list[Any]:
    """Without ``max_tokens``, as to a server that does not ask for it: with it all is held before."""
    sdk = anthropic.Anthropic(api_key=gateway.placeholder, base_url=gateway.url("anthropic", ""))
    model, unset = "claude-haiku-4-5-20251001", {"max_tokens": 0}
    turn: Any = [{"role": "user", "content": "hi"}]
    return list(sdk.messages.create(model=model, messages=turn, max_tokens=1, extra_body=unset, stream=True))


def google_generate(gateway: Running) -> list[Any]:
    options = genai.types.HttpOptions(base_url=gateway.url("google", ""))
    sdk = genai.Client(api_key=gateway.placeholder, http_options=options)
    return list(sdk.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"))


@dataclass(frozen=True, slots=True)
class Case:
    """How one shape is called, one event of an answer in it, and what its SDK raises."""

    provider: str
    host: str
    call: Callable[[Running], list[Any]]
    event: object
    raised: type[Exception]
    model: str


CASES = [
    Case(
        "openai",
        "api.openai.com",
        openai_chat,
        {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": WORDS}, "finish_reason": None}],
        },
        openai.APIError,
        "gpt-4o-mini",
    ),
    Case(
        "openai",
        "api.openai.com",
        openai_responses,
        {"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": WORDS},
        openai.APIError,
        "gpt-4o-mini",
    ),
    Case(
        "anthropic",
        "api.anthropic.com",
        anthropic_messages,
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORDS}},
        anthropic.APIStatusError,
        "claude-haiku-4-5-20251001",
    ),
    Case(
        "google",
        "generativelanguage.googleapis.com",
        google_generate,
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": WORDS}]}}]},
        genai_errors.ClientError,
        "gemini-2.5-flash",
    ),
]


def without_end(event: object) -> Answer:
    """A hundred times four thousand words, in the events of the shape."""
    name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
    written = f"{name}data: {json.dumps(event)}\n\n".encode()
    return Answer(200, (("content-type", "text/event-stream"),), (written,) * 2000).slow(0.001)


def a_step(case: Case) -> MicroDollars:
    """What one more step of output costs, by the price that the budget is counted in."""
    now = datetime.now(UTC)
    call = inspect(Shape.OTHER, "other", case.model, b"{}")

    def cost(tokens: int) -> int:
        return ceiling(case.provider, case.model, call, now, step_tokens=tokens, terms=LIST_PRICES)

    return MicroDollars(cost(2 * STEP_TOKENS) - cost(STEP_TOKENS))


@pytest.mark.parametrize("case", CASES, ids=[case.call.__name__ for case in CASES])
async def test_the_sdk_raises_when_the_money_ends(
    short_path: Path, valkey_url: str, provider: StandIn, case: Case
) -> None:
    upstream = {"resolve": provider.resolve(case.host), "ca_file": provider.authority.ca_file}
    async with running(
        short_path, valkey_url, provider, provider_id=case.provider, upstream=upstream
    ) as gateway:
        step = a_step(case)
        budget = a_budget(gateway, 3 * step)
        gateway.snapshots.current = with_limits(gateway.snapshots.current, budget)
        provider.play(case.host, without_end(case.event))
        with pytest.raises(case.raised, match="conduit: budget_exhausted"):
            await asyncio.to_thread(case.call, gateway)
        event = await wait_for_end(gateway)
        assert (event["outcome"], event["reason"], event["estimated"]) == ("cut", "budget_exhausted", True)
        assert event["rule"] == f"limit:{budget.id}"
        assert step < event["cost_micro_dollars"] <= budget.amount + step
        assert event["overshoot_micro_dollars"] <= step
        assert await settled(gateway, budget) == event["cost_micro_dollars"]
        assert len(provider.seen) == 1
