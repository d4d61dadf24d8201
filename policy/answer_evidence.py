"""What an answer says: token counts, generated choices, vectors, the events of AI streams."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from policy.answer_frames import Frames
from policy.field_names import words
from policy.hints import Hint
from policy.rpc_evidence import rpc_answer_hints
from policy.wrapped_json import may_wrap, unwrapped

USAGE, GENERATED, VECTORS, EVENTS, LISTING, RANKING, PREDICTED = 40, 35, 35, 40, 40, 25, 25
GENERATED_TEXT, LABELS = 30, 25
# What only a speech recogniser, or LangChain, says of itself.
TRANSCRIPT = AGENT = 60
NOT_TEXT = -15
EVENTS_MAX = 50
# An answer may come wrapped, as by GraphQL: so deep, and so many objects, are looked at.
WRAPPING_MAX = 8
OBJECTS_MAX = 200
VECTOR_LENGTH_MIN = 128
# A vector that a text asked for may be told by fewer, since sensors have no text; sparse ones are shorter.
NUMBERS_LOOKED_AT = 64
NUMBER_MAX = 30
SPARSE_LENGTH_MIN = 16


EMBEDDINGS = Hint(VECTORS, "answer holds embeddings")

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
# No set: a type may also be a list, which no set can be asked for.
_MESSAGE_TYPES = ("AIMessageChunk", "AIMessage")
_FRAME_WORDS = re.compile(rb"\b(?:assistant|claude-|gpt-|gemini-|llama)")


class Found(NamedTuple):
    """An object with its event's name, whether it is one of several in a list, and under what key it lies."""

    event: bytes
    document: Document
    several: bool
    under: str


class Objects(NamedTuple):
    """The objects of an answer, the outermost first; whether numbers for a text are among them."""

    found: list[Found]
    vector: bool


def answer_hints(status: int, content_type: str, body: bytes, frames: Frames, objects: Objects) -> list[Hint]:
    """Hints of an answer's first bytes by its family: at most one of each kind, all counting together.

    ``objects`` are those of ``frames``, as ``objects_of`` finds them.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if status == 204 or media_type.startswith(("image/", "video/", "font/", "text/css", "text/html")):
        return [Hint(NOT_TEXT, "answer holds no generated text")]
    if media_type.startswith(("application/grpc", "application/connect")):
        worded = _FRAME_WORDS.search(body) is not None
        return [Hint(GENERATED, "AI words in the answer of a remote call")] if worded else []
    found: dict[str, Hint] = {}
    bare = [(name, {_BARE: document}) for name, document in frames.documents if isinstance(document, list)]
    for name, document in [*((each.event, each.document) for each in objects.found), *bare[:EVENTS_MAX]]:
        for hint in _hints(name, document):
            found.setdefault(hint.reason, hint)
    return list(found.values())


def objects_of(frames: Frames) -> Objects:
    """The objects in an answer's documents, texts of JSON unpacked."""
    pending = deque((name, document, 0, "", False) for name, document in frames.documents[:EVENTS_MAX])
    found: list[Found] = []
    vector = False
    for _ in range(OBJECTS_MAX):
        if not pending:
            break
        name, node, depth, key, several = pending.popleft()
        if isinstance(node, str):
            node = unwrapped(node)
        if isinstance(node, dict):
            found.append(Found(name, node, several, key))
            vector = vector or _is_tokenised(node)
        elif isinstance(node, list) and key in _VECTOR_NAMES and is_vector(node):
            vector = True
            continue
        if depth < WRAPPING_MAX and isinstance(node, dict | list):
            several = several or (isinstance(node, list) and len(node) > 1)
            pairs = node.items() if isinstance(node, dict) else ((key, value) for value in node[:EVENTS_MAX])
            pending.extend((name, value, depth + 1, key, several) for key, value in pairs if may_wrap(value))
    return Objects(found, vector)


def is_vector(values: list[object]) -> bool:
    """Whether a list is an embedding: many small numbers of both signs, or a sparse one with its indices."""
    if len(values) < SPARSE_LENGTH_MIN:
        return False
    numbers = [value for value in values[:NUMBERS_LOOKED_AT] if isinstance(value, float)]
    if len(numbers) == NUMBERS_LOOKED_AT:
        return min(numbers) < 0 < max(numbers) and max(map(abs, numbers)) < NUMBER_MAX
    return all(
        isinstance(value, dict) and value.keys() == {"index", "value"} and type(value["index"]) is int
        for value in values[:8]
    )


# The name under which an answer that is a bare list is looked at.
_BARE = ""


# What a list of numbers is called that stands for a text; a series has a name that says what of.
_VECTOR_NAMES = words(
    """
    embedding embeddings vector vectors values dense_vecs float data dense result results output outputs
    predictions encodings features text_embedding sentence_embedding speaker_embedding tensor int8 sparse
    """
) | {""}


def _hints(event: bytes, document: Document) -> Iterator[Hint]:
    if event and document.get("type") in _MESSAGE_TYPES and "content" in document:
        yield Hint(AGENT, "message of LangChain's")
    if event in _EVENT_NAMES or (event and _is_event(document)):
        yield Hint(EVENTS, "events of an AI stream")
    if document.get("jsonrpc") == "2.0":
        yield from rpc_answer_hints(document)
    yield from (hint for recognise, hint in _RECOGNISERS if recognise(document))


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
    results = document.get("results", document.get("data", document.get(_BARE)))
    if not isinstance(results, list) or not results:
        return False
    return all(
        isinstance(each, dict)
        and type(each.get("index")) is int
        and isinstance(each.get("relevance_score", each.get("score")), float)
        for each in results[:EVENTS_MAX]
    )


def _is_tokenised(document: Document) -> bool:
    """The numbers of a text's tokens, as servers of models give them to count before asking."""
    tokens = document.get("tokens", document.get("token_ids"))
    return isinstance(tokens, list) and len(tokens) > 2 and all(type(token) is int for token in tokens[:16])


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
    if document.get("type") == "message" and document.get("role") == "assistant":
        return isinstance(document.get("content"), list)
    if document.get("object") == "response" and isinstance(document.get("output"), list):
        return True
    if isinstance(document.get("done"), bool) and isinstance(document.get("model"), str):
        return isinstance(document.get("response"), str) or isinstance(document.get("message"), dict)
    return isinstance(document.get("stopReason"), str) and isinstance(document.get("output"), dict)


def _is_generated_text(document: Document) -> bool:
    """A field that text-generation-inference and Triton call so, and some templates too."""
    return isinstance(document.get("generated_text"), str) or isinstance(document.get("text_output"), str)


def _labels(document: Document) -> bool:
    """Labels of a text with their probabilities, as text-embeddings-inference classifies."""
    labels = document.get(_BARE)
    labels = labels[0] if isinstance(labels, list) and labels and isinstance(labels[0], list) else labels
    return (
        isinstance(labels, list)
        and bool(labels)
        and all(
            isinstance(each, dict) and each.keys() == {"label", "score"} and isinstance(each["score"], float)
            for each in labels[:8]
        )
    )


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
    details = document.get("details")
    return isinstance(details, dict) and "quantization_level" in details


_RECOGNISERS: tuple[tuple[Callable[[Document], bool], Hint], ...] = (
    (_counts_tokens, Hint(USAGE, "answer counts tokens")),
    (_generates, Hint(GENERATED, "answer holds generated choices")),
    (_is_generated_text, Hint(GENERATED_TEXT, "answer holds a generated text")),
    (_labels, Hint(LABELS, "answer labels a text")),
    (_has_vectors, EMBEDDINGS),
    (_lists_models, Hint(LISTING, "answer lists models")),
    (_predicts, Hint(PREDICTED, "answer says how long a model computed")),
    (_ranks, Hint(RANKING, "answer ranks texts")),
    (_transcribes, Hint(TRANSCRIPT, "answer of a speech recogniser")),
)
