"""The unmodified SDKs, holding placeholders, get what the provider said; the provider gets the real key."""

import json
from typing import Any

import pytest

from tests.standins.answers import Answer
from tests.standins.office import HOSTS, Place
from tests.standins.recordings import Recording, load

SHAPES = [
    ("openai", "openai-chat"),
    ("openai", "openai-responses"),
    ("anthropic", "anthropic-messages"),
    ("google", "google-generate"),
]


def assert_swapped(place: Place, provider: str, requests: int = 1) -> None:
    """The provider saw the real key in each of its requests, the placeholder in none of their bytes."""
    seen = place.office.provider.seen
    assert len(seen) == requests
    for each in seen:
        assert each.host == HOSTS[provider]
        assert each.keys == (place.office.keys[provider],)
        for placeholder in place.office.placeholders.values():
            assert placeholder.encode() not in each.everything


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
@pytest.mark.parametrize(("provider", "shape"), SHAPES, ids=[shape for _, shape in SHAPES])
def test_a_call_is_answered_with_the_key_swapped(
    place: Place, provider: str, shape: str, tools: bool, stream: bool, asynchronous: bool
) -> None:
    name = shape + ("-stream" if stream else "") + ("-tools" if tools else "")
    place.office.provider.play(HOSTS[provider], Answer.of(name))
    done = place.machine.call(provider, recording=name, stream=stream, asynchronous=asynchronous)
    assert "error" not in done, done
    assert done["retries"] == 0
    assert_swapped(place, provider)
    assert _said(done["result"]) == _said(_documents(load(name)))
    assert _said(done["result"])


def _documents(recording: Recording) -> list[Any]:
    """The JSON documents of an answer as they stand on the wire."""
    if not recording.streams:
        return [json.loads(recording.plain)]
    lines = recording.plain.decode().splitlines()
    data = (line.removeprefix("data:").strip() for line in lines if line.startswith("data:"))
    return [json.loads(item) for item in data if item != "[DONE]"]


def _said(document: Any, key: str = "") -> list[str]:
    """Every piece of text, argument and tool name in a document, sorted: SDKs order fields as they like."""
    if isinstance(document, dict):
        return sorted(piece for name, value in document.items() for piece in _said(value, name))
    if isinstance(document, list):
        return sorted(piece for value in document for piece in _said(value, key))
    spoken = key in {"text", "delta", "content", "arguments", "partial_json", "name"}
    return [document] if spoken and isinstance(document, str) and document else []


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_stream_without_usage_gets_none_from_us(place: Place, asynchronous: bool) -> None:
    """The gateway may ask the provider for usage; a caller who did not ask sees no chunk of it."""
    done = place.machine.call(
        "openai",
        recording="openai-chat-stream",
        overrides={"stream_options": None},
        stream=True,
        asynchronous=asynchronous,
    )
    assert "error" not in done, done
    assert all(chunk["choices"] and chunk["usage"] is None for chunk in done["result"])
    assert_swapped(place, "openai")


@pytest.mark.parametrize("status", [400, 404])
def test_a_providers_own_error_reaches_the_sdk(place: Place, status: int) -> None:
    place.office.provider.play(HOSTS["openai"], Answer.of(f"openai-chat-{status}"))
    done = place.machine.call("openai", recording="openai-chat", stream=False, asynchronous=False)
    assert done["error"] == {400: "BadRequestError", 404: "NotFoundError"}[status]
    assert done["reason"] is None
    assert_swapped(place, "openai")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_providers_overload_is_retried_by_the_sdk(place: Place, provider: str) -> None:
    """What the SDK does by itself it goes on doing: each try is a call of its own, and is swapped."""
    place.office.provider.play(HOSTS[provider], Answer.error(provider, 500, ("retry-after-ms", "1")))
    name = {"openai": "openai-chat", "anthropic": "anthropic-messages"}[provider]
    done = place.machine.call(provider, recording=name, stream=False, asynchronous=False)
    assert done["retries"] == 1
    assert "error" not in done, done
    assert_swapped(place, provider, requests=2)
