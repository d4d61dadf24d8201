"""What an answer says: token counts, generated choices, vectors, the events of AI streams."""

import json
from collections.abc import Iterator, Mapping

from policy.hints import Hint
from policy.sse import JsonLines, ServerSentEvents

USAGE, GENERATED, VECTORS, EVENTS, LISTING = 40, 35, 35, 40, 30
NOT_TEXT = -15
EVENTS_MAX = 50
VECTOR_LENGTH_MIN = 128

type Document = Mapping[str, object]

_EVENT_NAMES = frozenset(
    {b"message_start", b"content_block_start", b"content_block_delta", b"message_delta", b"response.created"}
    | {b"response.output_text.delta", b"response.completed", b"content-delta"}
)
_COUNTS = (
    ("prompt_tokens", "total_tokens"),
    ("input_tokens", "output_tokens"),
    ("inputTokens", "outputTokens"),
    ("promptTokenCount", "totalTokenCount"),
)


def answer_hints(status: int, content_type: str, body: bytes) -> list[Hint]:
    """Hints of an answer's first bytes: at most one of each kind, all counting together."""
    media_type = content_type.partition(";")[0].strip().lower()
    if status == 204 or media_type.startswith(("image/", "video/", "font/", "text/css", "text/html")):
        return [Hint(NOT_TEXT, "answer holds no generated text")]
    found: dict[str, Hint] = {}
    for name, document in _documents(media_type, body):
        for hint in _hints(name, document):
            found.setdefault(hint.reason, hint)
    return list(found.values())


def _documents(media_type: str, body: bytes) -> Iterator[tuple[bytes, Document]]:
    if media_type == "text/event-stream":
        events = ServerSentEvents().feed(body)
    elif media_type == "application/x-ndjson":
        events = JsonLines().feed(body)
    else:
        document = _loads(body)
        for part in document[:EVENTS_MAX] if isinstance(document, list) else [document]:
            if isinstance(part, dict):
                yield b"", part
        return
    for event in events[:EVENTS_MAX]:
        document = _loads(event.data or b"")
        if isinstance(document, dict):
            yield event.name or b"-", document


def _loads(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _hints(event: bytes, document: Document) -> Iterator[Hint]:
    if event in _EVENT_NAMES or (event and document.get("object") == "chat.completion.chunk"):
        yield Hint(EVENTS, "events of an AI stream")
    if _counts_tokens(document):
        yield Hint(USAGE, "answer counts tokens")
    if _generates(document):
        yield Hint(GENERATED, "answer holds generated choices")
    if _has_vectors(document):
        yield Hint(VECTORS, "answer holds embeddings")
    if _lists_models(document):
        yield Hint(LISTING, "answer lists models")


def _counts_tokens(document: Document) -> bool:
    holders = [document.get(key) for key in ("usage", "usageMetadata", "message", "response")]
    for holder in [document, *holders]:
        if isinstance(holder, dict):
            inner = holder.get("usage")
            for counts in (holder, inner if isinstance(inner, dict) else {}):
                if any(type(counts.get(a)) is int and type(counts.get(b)) is int for a, b in _COUNTS):
                    return True
    return type(document.get("eval_count")) is int or type(document.get("tokens_predicted")) is int


def _generates(document: Document) -> bool:
    choices, candidates = document.get("choices"), document.get("candidates")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return bool({"message", "delta", "text"} & choices[0].keys())
    if isinstance(candidates, list) and candidates and isinstance(candidates[0], dict):
        return "content" in candidates[0]
    if isinstance(document.get("generated_text"), str):
        return True
    if document.get("type") == "message" and document.get("role") == "assistant":
        return isinstance(document.get("content"), list)
    if document.get("object") == "response" and isinstance(document.get("output"), list):
        return True
    if isinstance(document.get("done"), bool) and isinstance(document.get("model"), str):
        return isinstance(document.get("response"), str) or isinstance(document.get("message"), dict)
    return isinstance(document.get("stopReason"), str) and isinstance(document.get("output"), dict)


def _has_vectors(document: Document) -> bool:
    data = document.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0].get("object") == "embedding" and "embedding" in data[0]
    vectors = document.get("embeddings", document.get("embedding"))
    if isinstance(vectors, list) and vectors:
        first = vectors[0] if isinstance(vectors[0], list) else vectors
        return len(first) >= VECTOR_LENGTH_MIN and all(isinstance(number, float) for number in first[:8])
    return False


def _lists_models(document: Document) -> bool:
    data = document.get("data")
    if document.get("object") == "list" and isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0].get("object") == "model"
    models = document.get("models")
    if isinstance(models, list) and models and isinstance(models[0], dict):
        return "supportedGenerationMethods" in models[0] or {"digest", "modified_at"} <= models[0].keys()
    return False
