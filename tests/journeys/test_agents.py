"""The real command-line agents, pointed at the gateway with a placeholder, answer a prompt."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.standins.agents import FOLDER, Agent, claude, codex, gemini
from tests.standins.answers import Answer
from tests.standins.office import HOSTS, Office
from tests.standins.provider import Seen

ANSWER = "the-answer-of-the-stand-in"
AGENTS: dict[str, tuple[Callable[[str, str], Agent], str, str]] = {
    "openai": (codex, "/openai/v1", "/responses"),
    "anthropic": (claude, "/anthropic", "/messages"),
    "google": (gemini, "/google", ":streamGenerateContent"),
}

pytestmark = pytest.mark.skipif(
    not (FOLDER / "pinned.txt").exists(), reason="THE AGENTS ARE NOT THERE: make agents"
)


def _events(*events: dict[str, Any]) -> Answer:
    """A stream of named events."""
    chunks = tuple(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)
    return Answer(200, (("content-type", "text/event-stream"),), chunks)


def _openai() -> Answer:
    text = {"type": "output_text", "text": ANSWER, "annotations": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "output": []}
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 8,
    }
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    begun = {**item, "content": [], "status": "in_progress"}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return _events(
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        {"type": "response.output_text.delta", **place, "delta": ANSWER},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    )


def _anthropic() -> Answer:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-sonnet-4-5",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return _events(
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    )


def _google() -> Answer:
    candidate = {
        "content": {"parts": [{"text": ANSWER}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8}
    chunk = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro"}
    stream = (("content-type", "text/event-stream"),)
    return Answer(200, stream, (b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n",))


@pytest.fixture
def asked(office: Office) -> Iterator[Office]:
    """Providers that give one short answer to whatever an agent asks for."""
    answers = {"/responses": _openai, "/messages": _anthropic, ":streamGenerateContent": _google}

    def answer(seen: Seen) -> Answer | None:
        path = seen.target.partition("?")[0]
        return next((make() for ending, make in answers.items() if path.endswith(ending)), None)

    office.provider.forget()
    office.provider.special = answer
    yield office
    office.provider.special = lambda _: None


@pytest.mark.parametrize("provider", AGENTS)
def test_an_agent_with_a_placeholder_answers_and_the_provider_sees_the_real_key(
    asked: Office, provider: str, tmp_path: Path
) -> None:
    make, base, path = AGENTS[provider]
    placeholder = asked.placeholders[provider]
    said = make(asked.product.url("gateway") + base, placeholder).ask(tmp_path / "home", "say something")
    assert (said.code, ANSWER in said.out) == (0, True), said
    calls = [seen for seen in asked.provider.seen if path in seen.target]
    assert calls
    assert {seen.host for seen in calls} == {HOSTS[provider]}
    assert {key for seen in calls for key in seen.keys} == {asked.keys[provider]}
    assert not [seen for seen in asked.provider.seen if placeholder.encode() in seen.everything]
    assert asked.event(outcome="finished", provider=provider, status=200)["credential_id"]


@pytest.fixture(scope="module")
def revoked(office: Office) -> dict[str, str]:
    """A placeholder of each provider that is no longer good, in every worker."""
    made = {}
    for provider in AGENTS:
        identity, made[provider] = office.issue(provider)
        office.product.cli("placeholder", "revoke", "--tenant", office.tenant, identity)
    office.in_force()
    return made


@pytest.mark.parametrize("provider", AGENTS)
def test_an_agent_with_a_revoked_placeholder_says_so_and_ends(
    asked: Office, revoked: dict[str, str], provider: str, tmp_path: Path
) -> None:
    make, base, path = AGENTS[provider]
    said = make(asked.product.url("gateway") + base, revoked[provider]).ask(
        tmp_path / "home", "say something"
    )
    assert said.code != 0
    assert "revoked" in said.out + said.err
    assert not [seen for seen in asked.provider.seen if path in seen.target]
