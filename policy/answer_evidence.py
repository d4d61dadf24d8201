"""What an answer says: token counts, generated choices, vectors, the events of AI streams."""

import json
import re
from collections.abc import Iterator, Mapping

from policy.hints import Hint
from policy.sse import JsonLines, ServerSentEvents

USAGE, GENERATED, VECTORS, EVENTS, LISTING, RANKING, PREDICTED = 40, 35, 35, 40, 30, 25, 25
# What only a speech recogniser, or LangChain, says of itself.
TRANSCRIPT = AGENT = 60
NOT_TEXT = -15
EVENTS_MAX = 50
# An answer may come wrapped, as by GraphQL: so deep, and so many objects, are looked at.
WRAPPING_MAX = 3
OBJECTS_MAX = 100
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
    ("input_tokens", "total_output_tokens"),
)
# Streams for pages: the Vercel SDK's parts, LangChain's messages.
_PART_TYPES = frozenset({"text-start", "text-delta", "reasoning-delta", "tool-input-delta"})
_MESSAGE_TYPES = frozenset({"AIMessageChunk", "AIMessage"})
_FRAME_WORDS = re.compile(rb"\b(?:assistant|claude-|gpt-|gemini-|llama)")


def answer_hints(status: int, content_type: str, body: bytes) -> list[Hint]:
    """Hints of an answer's first bytes: at most one of each kind, all counting together."""
    media_type = content_type.partition(";")[0].strip().lower()
    if status == 204 or media_type.startswith(("image/", "video/", "font/", "text/css", "text/html")):
        return [Hint(NOT_TEXT, "answer holds no generated text")]
    if media_type.startswith(("application/grpc", "application/connect")):
        worded = _FRAME_WORDS.search(body) is not None
        return [Hint(GENERATED, "AI words in the answer of a remote call")] if worded else []
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
        if isinstance(document, list):
            yield b"", {_BARE: document}
        for part in document[:EVENTS_MAX] if isinstance(document, list) else [document]:
            for inner in _wrapped(part):
                yield b"", inner
        return
    for event in events[:EVENTS_MAX]:
        document = _loads(event.data or b"")
        if isinstance(document, dict):
            yield event.name or b"-", document


# The name under which an answer that is a bare list is looked at.
_BARE = ""


def _wrapped(document: object) -> Iterator[Document]:
    """The document and the objects in it, the outermost first."""
    pending = [(document, 0)]
    for _ in range(OBJECTS_MAX):
        if not pending:
            return
        node, depth = pending.pop(0)
        if isinstance(node, dict):
            yield node
        if depth < WRAPPING_MAX and isinstance(node, dict | list):
            inner = node.values() if isinstance(node, dict) else node[:EVENTS_MAX]
            pending.extend((value, depth + 1) for value in inner if isinstance(value, dict | list))


def _loads(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _hints(event: bytes, document: Document) -> Iterator[Hint]:
    if event and document.get("type") in list(_MESSAGE_TYPES) and "content" in document:
        yield Hint(AGENT, "message of LangChain's")
    if event in _EVENT_NAMES or (event and _is_event(document)):
        yield Hint(EVENTS, "events of an AI stream")
    if _counts_tokens(document):
        yield Hint(USAGE, "answer counts tokens")
    if _generates(document):
        yield Hint(GENERATED, "answer holds generated choices")
    if _has_vectors(document):
        yield Hint(VECTORS, "answer holds embeddings")
    if _lists_models(document):
        yield Hint(LISTING, "answer lists models")
    if _predicts(document):
        yield Hint(PREDICTED, "answer says how long a model computed")
    if _ranks(document):
        yield Hint(RANKING, "answer ranks texts")
    if _transcribes(document):
        yield Hint(TRANSCRIPT, "answer of a speech recogniser")


def _is_event(document: Document) -> bool:
    """An event that only text generation has, whatever its name."""
    if document.get("object") == "chat.completion.chunk":
        return True
    kind, token = document.get("type"), document.get("token")
    if isinstance(kind, str) and kind in _PART_TYPES:
        return isinstance(document.get("delta", document.get("id")), str)
    if isinstance(token, dict):
        return isinstance(token.get("text"), str) and "logprob" in token
    return isinstance(token, str) and "finish_reason" in document


def _predicts(document: Document) -> bool:
    """A prediction of Cog's, as Replicate and those who run its containers answer."""
    metrics = document.get("metrics")
    return isinstance(metrics, dict) and type(metrics.get("predict_time")) in (int, float)


def _ranks(document: Document) -> bool:
    """Indices of texts with a score each, as rerankers answer."""
    results = document.get("results", document.get(_BARE))
    if not isinstance(results, list) or not results:
        return False
    return all(
        isinstance(each, dict)
        and type(each.get("index")) is int
        and isinstance(each.get("relevance_score", each.get("score")), float)
        for each in results[:EVENTS_MAX]
    )


def _transcribes(document: Document) -> bool:
    segments = document.get("segments")
    first = segments[0] if isinstance(segments, list) and segments else None
    return isinstance(first, dict) and {"avg_logprob", "no_speech_prob"} <= first.keys()


def _counts_tokens(document: Document) -> bool:
    holders = [document.get(key) for key in ("usage", "usageMetadata", "message", "response", "stats")]
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
    results = document.get("results")
    if isinstance(results, list) and results and isinstance(results[0], dict):
        return isinstance(results[0].get("text"), str) and "finish_reason" in results[0]
    if isinstance(document.get("generated_text"), str) or isinstance(document.get("text_output"), str):
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
    vectors = document.get("embeddings", document.get("embedding", document.get(_BARE)))
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
