"""What AI APIs answer to their SDKs, chosen by the path; chats, messages and Gemini have recordings already.

After the providers' public API references.
"""

import json
from base64 import b64encode

from tests.standins.answers import Answer
from tests.standins.provider import Seen

SAID = "The answer of the stand-in."
VECTOR = [0.125] * 256
_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "house-7b",
    "choices": [_CHOICE],
    "usage": _USAGE,
}
_OLLAMA = {"model": "house-7b", "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop"}
_COUNTS = {"total_duration": 5, "eval_count": 4, "prompt_eval_count": 9}
_TEXT = {
    **CHAT,
    "object": "text_completion",
    "choices": [{"index": 0, "text": SAID, "finish_reason": "stop"}],
}
_EMBEDDING = {"object": "embedding", "index": 0, "embedding": VECTOR}
_MODERATED = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.01}}
_MODEL = {"id": "house-7b", "object": "model", "created": 1, "owned_by": "us"}
_CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": SAID}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13},
    "metrics": {"latencyMs": 5},
}
_PREDICTION = {
    "id": "p1",
    "model": "a/b",
    "version": "v1",
    "status": "succeeded",
    "input": {"prompt": "a red fox"},
    "output": "https://delivery.test/a.png",
    "logs": "",
    "error": None,
    "metrics": {"predict_time": 1.5},
    "created_at": "2026-01-01T00:00:00Z",
    "started_at": "2026-01-01T00:00:00Z",
    "completed_at": "2026-01-01T00:00:01Z",
    "urls": {
        "get": "https://api.test/v1/predictions/p1",
        "cancel": "https://api.test/v1/predictions/p1/cancel",
    },
}
# A provider's answer by the end of its path; the first that fits.
_DOCUMENTS: tuple[tuple[str, object], ...] = (
    ("/embeddings", {"id": "e", "object": "list", "data": [_EMBEDDING], "model": "m", "usage": _USAGE}),
    ("/audio/transcriptions", {"text": SAID}),
    ("/images/generations", {"created": 1, "data": [{"b64_json": b64encode(b"png").decode()}]}),
    ("/fim/completions", CHAT),
    ("/v1/completions", _TEXT),
    ("/v1/models", {"object": "list", "data": [_MODEL]}),
    ("/v1/moderations", {"id": "m", "model": "house", "results": [_MODERATED]}),
    ("/count_tokens", {"input_tokens": 9}),
    (":batchEmbedContents", {"embeddings": [{"values": VECTOR}]}),
    (":embedContent", {"embedding": {"values": VECTOR}}),
    (":countTokens", {"totalTokens": 9}),
    ("/converse", _CONVERSED),
    ("/invoke", {"type": "message", "role": "assistant", "content": [{"type": "text", "text": SAID}]}),
    ("/v1/predictions", _PREDICTION),
    ("/models/a/b/predictions", _PREDICTION),
    ("/api/embed", {"model": "house-embed", "embeddings": [VECTOR], "prompt_eval_count": 4}),
    ("/api/tags", {"models": [{"name": "house-7b", "model": "house-7b", "size": 5, "details": {}}]}),
    ("/rerank", {"results": [{"index": 0, "relevance_score": 0.9}]}),
    ("/generate", {"generated_text": SAID}),
    ("/api/models/house/seven", {"id": "house/seven", "sha": "0" * 40, "tags": [], "siblings": []}),
    ("/", [{"generated_text": SAID}]),
)
_STREAM = (("content-type", "text/event-stream"),)


def ai_answer(seen: Seen) -> Answer | None:
    """The answer of an AI API; ``None`` leaves it to the stand-in, which has recordings of chats."""
    path = seen.target.partition("?")[0]
    if path.endswith("/audio/speech"):
        return Answer(200, (("content-type", "audio/mpeg"),), (b"ID3\x04" + bytes(400),))
    if path.endswith(("/api/chat", "/api/generate")):
        return _ollama(path, streams=seen.json.get("stream", True) is not False)
    if path.endswith("/chat/completions") and not seen.json.get("stream"):
        return Answer.json(200, CHAT)
    return next((Answer.json(200, document) for end, document in _DOCUMENTS if path.endswith(end)), None)


def _ollama(path: str, *, streams: bool) -> Answer:
    part = (
        {"message": {"role": "assistant", "content": SAID}} if path.endswith("/chat") else {"response": SAID}
    )
    last = {**_OLLAMA, **part, **_COUNTS}
    if not streams:
        return Answer.json(200, last)
    lines = (json.dumps(line).encode() + b"\n" for line in ({**_OLLAMA, **part, "done": False}, last))
    return Answer(200, (("content-type", "application/x-ndjson"),), tuple(lines))


def events(*documents: object) -> Answer:
    """A stream of events, one a document; a text stands as it is."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in documents)
    return Answer(200, _STREAM, tuple(f"data: {line}\n\n".encode() for line in lines))
