"""Which operation of which API shape a path names, whatever stands before it.

The path has no dot segments and doubled slashes; it is percent-decoded here, as a provider reads it.
Providers, gateways and self-hosted servers put the same tails behind different prefixes, so the tail
decides. What the body asks for is ``policy.inspection``.
"""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from policy.exchange import Shape


class Operation(NamedTuple):
    """``name`` is ours and stable: it stands in events. ``model`` is what the path names, if it names one."""

    shape: Shape
    name: str
    model: str | None


OTHER = "other"

# Tails of one, two or three segments, lower case; the longest that fits decides.
# OpenAI: platform.openai.com/docs/api-reference; Anthropic: docs.anthropic.com/en/api;
# the rest as listed by the products that speak them (vLLM, Ollama, Cohere, Jina).
_TAILS: dict[tuple[str, ...], tuple[Shape, str]] = {
    ("chat", "completions"): (Shape.OPENAI_CHAT, "chat_completions"),
    ("completions",): (Shape.OPENAI_CHAT, "completions"),
    ("responses",): (Shape.OPENAI_RESPONSES, "responses"),
    ("responses", "compact"): (Shape.OPENAI_RESPONSES, "responses_compact"),
    ("responses", "input_tokens"): (Shape.OPENAI_RESPONSES, "count_tokens"),
    ("v1", "messages"): (Shape.ANTHROPIC_MESSAGES, "messages"),
    ("messages", "count_tokens"): (Shape.ANTHROPIC_MESSAGES, "count_tokens"),
    ("messages", "batches"): (Shape.ANTHROPIC_MESSAGES, "batches"),
    ("v1", "complete"): (Shape.ANTHROPIC_MESSAGES, "complete"),
    ("embeddings",): (Shape.OPENAI_CHAT, "embeddings"),
    ("api", "embed"): (Shape.OTHER, "embeddings"),
    ("v2", "embed"): (Shape.OTHER, "embeddings"),
    ("rerank",): (Shape.OTHER, "rerank"),
    ("moderations",): (Shape.OPENAI_CHAT, "moderations"),
    ("images", "generations"): (Shape.OPENAI_CHAT, "images_generations"),
    ("images", "edits"): (Shape.OPENAI_CHAT, "images_edits"),
    ("images", "variations"): (Shape.OPENAI_CHAT, "images_variations"),
    ("audio", "speech"): (Shape.OPENAI_CHAT, "audio_speech"),
    ("audio", "transcriptions"): (Shape.OPENAI_CHAT, "audio_transcriptions"),
    ("audio", "translations"): (Shape.OPENAI_CHAT, "audio_translations"),
    ("v1", "files"): (Shape.OTHER, "files"),
    ("v1", "batches"): (Shape.OTHER, "batches"),
    ("v1", "realtime"): (Shape.OPENAI_CHAT, "realtime"),
    ("openai", "realtime"): (Shape.OPENAI_CHAT, "realtime"),
    ("realtime", "translations"): (Shape.OPENAI_CHAT, "realtime"),
    ("realtime", "calls"): (Shape.OPENAI_CHAT, "realtime_calls"),
    ("realtime", "sessions"): (Shape.OPENAI_CHAT, "ephemeral_keys"),
    ("realtime", "transcription_sessions"): (Shape.OPENAI_CHAT, "ephemeral_keys"),
    ("realtime", "client_secrets"): (Shape.OPENAI_CHAT, "ephemeral_keys"),
    ("translations", "client_secrets"): (Shape.OPENAI_CHAT, "ephemeral_keys"),
    ("v1alpha", "auth_tokens"): (Shape.GEMINI, "ephemeral_keys"),
    ("v1beta", "auth_tokens"): (Shape.GEMINI, "ephemeral_keys"),
    ("v1", "models"): (Shape.OTHER, "models"),
    ("v1beta", "models"): (Shape.GEMINI, "models"),
    ("api", "generate"): (Shape.OTHER, "ollama_generate"),
    ("api", "chat"): (Shape.OTHER, "ollama_chat"),
    ("v2", "chat"): (Shape.OTHER, "cohere_chat"),
}
_TAIL_LENGTH_MAX = 2
# These are named as what they are, by whichever method.
_READ_BY_NAME = frozenset({"models", "realtime", "live"})

_GEMINI_ACTIONS = {
    "generatecontent": "generate_content",
    "streamgeneratecontent": "stream_generate_content",
    "embedcontent": "embeddings",
    "batchembedcontents": "embeddings",
    "counttokens": "count_tokens",
    "predict": "predict",
    "predictlongrunning": "predict",
    "batchgeneratecontent": "batches",
}
_VERTEX_RAW_ACTIONS = {"rawpredict": "messages", "streamrawpredict": "messages"}
_BEDROCK_ACTIONS = {
    "converse": "converse",
    "converse-stream": "converse_stream",
    "invoke": "invoke",
    "invoke-with-response-stream": "invoke_stream",
}

# These give no generated tokens back, so nothing is held for output.
WITHOUT_OUTPUT = frozenset({"embeddings", "rerank", "moderations", "count_tokens", "models", "files"})
# No provider bills for these.
WITHOUT_PRICE = frozenset({"read", "models", "count_tokens", "moderations", "files"})
# These run no model.
WITHOUT_MODEL = frozenset({"read", "models", "files"})
# What these cost is not in their answer: it comes about later, where no call of ours sees it.
BILLED_LATER = frozenset({"batches"})
# These carry files, so the body need not be JSON.
WITH_FILES = frozenset(
    {"audio_transcriptions", "audio_translations", "images_edits", "images_variations", "files"}
)


# They hand out what leads past the gateway: a key of the provider's own, or a call that the provider places.
PAST_THE_GATEWAY = frozenset({"ephemeral_keys", "realtime_calls"})


@lru_cache(maxsize=4096)
def session_of(path: str) -> Operation:
    """Name the operation that a WebSocket at this path is for; an unknown tail is ``OTHER``. Never raises."""
    found = operation_of(path, "POST")
    if found.name in {"realtime", "live"} or found.shape is Shape.OPENAI_RESPONSES:
        return found
    return Operation(Shape.OTHER, OTHER, None)


@lru_cache(maxsize=4096)
def operation_of(path: str, method: str) -> Operation:
    """Name the operation that a path asks for; an unknown tail is ``OTHER``. Never raises."""
    segments = [segment for segment in unquote(path.split("?", 1)[0]).split("/") if segment]
    if not segments:
        return Operation(Shape.OTHER, OTHER, None)
    named = _action(segments) or _bedrock(segments) or _live(segments) or _literal(segments)
    if method.upper() in {"GET", "HEAD", "OPTIONS", "DELETE"} and named.name not in _READ_BY_NAME:
        return named._replace(name="read")
    return named


def _action(segments: list[str]) -> Operation | None:
    """Google's ``…/models/NAME:action`` (AIP-136), and Anthropic's messages behind Vertex's raw actions."""
    resource, colon, verb = segments[-1].rpartition(":")
    action = verb.lower()
    if not colon:
        return None
    kind = segments[-2].lower() if len(segments) > 1 else ""
    model = _google_model(kind, resource)
    if action in _GEMINI_ACTIONS:
        return Operation(Shape.GEMINI, _GEMINI_ACTIONS[action], model)
    if action in _VERTEX_RAW_ACTIONS:
        shape = Shape.ANTHROPIC_MESSAGES if "anthropic" in segments else Shape.OTHER
        return Operation(shape, _VERTEX_RAW_ACTIONS[action], model)
    return None


def _google_model(kind: str, resource: str) -> str | None:
    if kind == "models":
        return resource
    return f"{kind}/{resource}" if kind in {"tunedmodels", "endpoints"} else None


def _bedrock(segments: list[str]) -> Operation | None:
    """Amazon Bedrock's ``/model/ID/ACTION``; the id of a profile may hold a slash (an ARN)."""
    action = _BEDROCK_ACTIONS.get(segments[-1].lower())
    if action is None or "model" not in segments[:-2]:
        return None
    return Operation(Shape.OTHER, action, "/".join(segments[segments.index("model") + 1 : -1]))


def _live(segments: list[str]) -> Operation | None:
    """Google's Live API: a method of ``GenerativeService``, or of Vertex's ``LlmBidiService``."""
    action = segments[-1].rpartition(".")[2]
    if action not in {"BidiGenerateContent", "BidiGenerateContentConstrained"}:
        return None
    return Operation(Shape.GEMINI, "live", None)


def _literal(segments: list[str]) -> Operation:
    lowered = [segment.lower() for segment in segments[-_TAIL_LENGTH_MAX:]]
    for start in range(len(lowered)):
        found = _TAILS.get(tuple(lowered[start:]))
        if found is not None:
            return Operation(*found, _named_before_tail(segments, len(lowered) - start))
    return Operation(Shape.OTHER, OTHER, None)


def _named_before_tail(segments: list[str], tail: int) -> str | None:
    """Azure's ``deployments/NAME/chat/completions`` and OpenAI's legacy ``engines/NAME/completions``."""
    before = segments[:-tail]
    if len(before) >= 2 and before[-2].lower() in {"deployments", "engines"}:
        return before[-1]
    return None
