"""Images, sound, embeddings: what each kind of answer reports is what is charged."""

import json

import pytest

from policy.exchange import Call, Usage
from policy.inspection import operation_of
from policy.usage import Meter
from tests.policy.test_price_rules import AT

IMAGE = {
    "created": 1,
    "data": [{"b64_json": "A" * 3_000}],
    "usage": {
        "total_tokens": 1_106,
        "input_tokens": 50,
        "output_tokens": 1_056,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    },
}
TRANSCRIPT = {
    "text": "Hello.",
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": 45,
        "total_tokens": 59,
    },
}
VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1] * 1_536}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}


def metered(path: str, model: str, document: object) -> Usage:
    shape, operation, _ = operation_of(path, "POST")
    meter = Meter(shape, provider="openai", operation=operation, content_type="application/json")
    meter.feed(json.dumps(document).encode())
    meter.finish()
    return meter.usage(Call(operation, model, False, 300, None, 1, False, 300), AT)


@pytest.mark.parametrize(
    ("path", "model", "document", "tokens"),
    [
        ("/v1/images/generations", "gpt-image-1", IMAGE, (50, 1_056)),
        ("/v1/images/edits", "gpt-image-1", IMAGE, (50, 1_056)),
        ("/v1/audio/transcriptions", "gpt-4o-transcribe", TRANSCRIPT, (14, 45)),
        ("/v1/embeddings", "text-embedding-3-small", VECTORS, (8, 0)),
    ],
)
def test_an_answer_is_charged_as_reported(
    path: str, model: str, document: object, tokens: tuple[int, int]
) -> None:
    usage = metered(path, model, document)
    assert (usage.input_tokens, usage.output_tokens) == tokens
    assert usage.estimated is False
    assert usage.cost is not None
    assert usage.cost > 0


def test_what_is_spoken_is_charged_as_sound() -> None:
    """14 tokens of sound at 6 dollars a million and 45 of text at 10: 534 micro-dollars."""
    assert metered("/v1/audio/transcriptions", "gpt-4o-transcribe", TRANSCRIPT).cost == 534


def test_a_transcription_that_streams_is_charged_by_its_last_event_and_estimated_without_it() -> None:
    events = [{"type": "transcript.text.delta", "delta": "Hello there. " * 9}]
    events.append({"type": "transcript.text.done", "text": "…", "usage": TRANSCRIPT["usage"]})
    used = []
    for some in (events, events[:1]):
        shape, operation, _ = operation_of("/v1/audio/transcriptions", "POST")
        meter = Meter(shape, provider="openai", operation=operation, content_type="text/event-stream")
        meter.feed(b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in some))
        meter.finish()
        used.append(meter.usage(Call(operation, "gpt-4o-transcribe", True, 300, None, 1, False, 300), AT))
    assert (used[0].input_tokens, used[0].output_tokens, used[0].estimated) == (14, 45, False)
    assert (used[1].output_tokens, used[1].estimated) == (39, True)
