"""What the agents' providers stream to them: one short answer in each provider's own events."""

import json
from typing import Any

from tests.standins.answers import Answer
from tests.standins.provider import Seen

ANSWER = "the-answer-of-the-stand-in"


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


_STREAMS = {"/responses": _openai, "/messages": _anthropic, ":streamGenerateContent": _google}


def agent_answer(seen: Seen) -> Answer | None:
    """The answer to what an agent asks of a model; ``None`` to all else."""
    path = seen.target.partition("?")[0]
    return next((make() for ending, make in _STREAMS.items() if path.endswith(ending)), None)
