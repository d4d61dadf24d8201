"""What a request asks for: model, stream, and the most that it may cost.

Where the provider would read a field differently from us, the request is refused: a ceiling that is
negative, fractional, a text or a boolean; two spellings of one field. It does not price anything
(``policy.pricing``) and does not judge content.
"""

import json
import re
from collections.abc import Mapping
from typing import cast

from policy.bedrock_models import stated_ceilings
from policy.exchange import Call, Shape
from policy.media import input_ceiling
from policy.multipart import AmbiguousForm, fields_named, is_form
from policy.operations import OTHER, WITH_FILES, WITHOUT_OUTPUT, Operation, operation_of
from policy.strict_json import AmbiguousJson, parse

__all__ = ["Malformed", "Operation", "inspect", "may_ask_usage", "operation_of", "with_usage_asked"]

OUTPUT_CEILING_MAX = 2**24
CHOICES_MAX = 128
MODEL_LENGTH_MAX = 256

_CEILINGS: dict[Shape, tuple[str, ...]] = {
    Shape.OPENAI_CHAT: ("max_tokens", "max_completion_tokens"),
    Shape.OPENAI_RESPONSES: ("max_output_tokens",),
    Shape.ANTHROPIC_MESSAGES: ("max_tokens", "max_tokens_to_sample"),
    Shape.GEMINI: (),
    Shape.OTHER: (),
}
_OTHER_CEILINGS = {"cohere_chat": ("max_tokens",)}
_COUNTS = ("n", "best_of")
# Some servers match keys without regard to case (Go's encoding/json), so another spelling of these decides.
_FACTS = frozenset({"model", "stream", "stream_options", "background", *_COUNTS}).union(*_CEILINGS.values())
# Protocol buffers' JSON takes a field by either name (protobuf.dev, "ProtoJSON").
_GEMINI_NAMES = (("generationConfig", "generation_config"), ("cachedContent", "cached_content"))
_BEGINNING = re.compile(rb"[ \t\r\n]*+")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")

_DEARER_TIERS = frozenset({"priority", "fast"})

# Providers whose OpenAI-shaped streams take `stream_options.include_usage` and send usage only when asked.
# Mistral, Cohere and Perplexity send it unasked; some of them, and older versions of Azure's API, refuse
# fields that they do not know.
USAGE_WHEN_ASKED = frozenset(
    {"openai", "groq", "deepseek", "openrouter", "together", "fireworks", "x-ai", "cerebras"}
)

type Document = Mapping[str, object]


class Malformed(ValueError):
    """A request that cannot be read as what it claims to be; its text is one sentence for the caller."""


def inspect(
    shape: Shape, operation: str, path_model: str | None, body: bytes, content_type: str = ""
) -> Call:
    """Read one whole request body (identity encoding, bytes) into a ``Call``.

    An empty body of a reading method asks for nothing and gives zero tokens. Raises ``Malformed``.
    """
    if not body and (operation in {"read", "models", "realtime"} or operation == OTHER):
        return _nothing(operation, path_model)
    begins = _BEGINNING.match(body)
    opening = body[begins.end() : begins.end() + 1] if begins is not None else b""
    if operation in WITH_FILES and (is_form(content_type) or opening != b"{"):
        return _file(operation, path_model, body, content_type)
    if shape is Shape.OTHER and opening not in {b"{", b"["}:
        return Call(operation, path_model, False, len(body), None, 1, False, len(body))
    document = _document(shape, body)
    _refuse_second_spellings(shape, document)
    model = _model(shape, document, path_model)
    stream = _stream(operation, document)
    return Call(
        operation=operation,
        model=model,
        stream=stream,
        input_tokens_ceiling=input_ceiling(document, body, model),
        output_ceiling=_output_ceiling(shape, operation, document, model),
        choices=_choices(shape, operation, document),
        asks_usage=shape is Shape.OPENAI_CHAT and _asks_usage(document),
        body_bytes=len(body),
        tier=_tier(document),
    )


def may_ask_usage(provider: str | None, call: Call) -> bool:
    """Whether usage must and may be asked for on the caller's behalf, with ``with_usage_asked``."""
    return (
        call.stream
        and not call.asks_usage
        and call.operation in {"chat_completions", "completions"}
        and provider in USAGE_WHEN_ASKED
    )


def with_usage_asked(body: bytes) -> bytes:
    """Set ``stream_options.include_usage`` in a body that ``inspect`` accepted; all else stays byte for byte.

    The added usage chunk is to be hidden from the caller (``policy.usage``, ``hide_usage``).
    """
    text = body.decode()
    may_hold = "stream_options" in text or "\\u" in text
    span = _value_span(text, "stream_options") if may_hold else None
    if span is None:
        start = text.index("{") + 1
        rest = text[start:]
        comma = "" if rest.lstrip().startswith("}") else ","
        return f'{text[:start]}"stream_options":{{"include_usage":true}}{comma}{rest}'.encode()
    options = json.loads(text[span[0] : span[1]]) or {}
    changed = json.dumps({**options, "include_usage": True}, separators=(",", ":"))
    return f"{text[: span[0]]}{changed}{text[span[1] :]}".encode()


def _nothing(operation: str, path_model: str | None) -> Call:
    return Call(operation, path_model, False, 0, 0, 1, False, 0)


def _file(operation: str, path_model: str | None, body: bytes, content_type: str) -> Call:
    """Forms name the model in a field of its own; the file's bytes bound its tokens."""
    try:
        named = set(fields_named("model", body, content_type)) if is_form(content_type) else set()
        model = checked_model(named.pop().decode()) if named else path_model
    except (AmbiguousForm, UnicodeDecodeError) as error:
        what = "The model's name is not UTF-8." if isinstance(error, UnicodeDecodeError) else str(error)
        raise Malformed(what) from error
    if named:
        raise Malformed("The form names two models; name one.")
    output = 0 if operation in WITHOUT_OUTPUT else None
    return Call(operation, model, False, len(body), output, 1, False, len(body))


def _document(shape: Shape, body: bytes) -> Document:
    try:
        document = parse(body)
    except AmbiguousJson as error:
        raise Malformed(str(error)) from error
    if isinstance(document, dict):
        return document
    if shape is Shape.OTHER:
        return {}
    raise Malformed("The body must be a JSON object.")


def _refuse_second_spellings(shape: Shape, document: Document) -> None:
    for key in document:
        if key not in _FACTS and key.lower() in _FACTS:
            raise Malformed(f"The field {key.lower()} is spelt in another case; spell it as documented.")
    if shape is Shape.GEMINI:
        for names in _GEMINI_NAMES:
            _either(document, *names)


def _either(document: Document, name: str, alias: str) -> object:
    """A field of a protocol buffer by either of its JSON names, never by both."""
    if name in document and alias in document:
        raise Malformed(f"The field {name} is given twice, as {name} and {alias}.")
    return document.get(name, document.get(alias))


def _model(shape: Shape, document: Document, path_model: str | None) -> str | None:
    named = checked_model(document.get("model"))
    if path_model is None:
        return named
    if shape is Shape.GEMINI:
        _require_same_model(document, path_model)
    return checked_model(path_model)


def checked_model(value: object) -> str | None:
    """A model's name as a request states it, without Google's ``models/``; raises ``Malformed``."""
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MODEL_LENGTH_MAX or _UNPRINTABLE.search(value):
        raise Malformed("The model's name must be a short text without blanks.")
    return value.removeprefix("models/")


def _require_same_model(document: Document, path_model: str) -> None:
    """Gemini bodies may repeat the model, also in each part of a batch; another one would be unpriced."""
    requests = document.get("requests")
    parts = [document, *(requests if isinstance(requests, list) else [])]
    for part in parts:
        named = checked_model(part.get("model")) if isinstance(part, dict) else None
        if named is not None and named != path_model:
            raise Malformed("The model in the body is not the model in the path.")


def _stream(operation: str, document: Document) -> bool:
    if operation in {"stream_generate_content", "converse_stream", "invoke_stream"}:
        return True
    stream = document.get("stream")
    if document.get("background") not in (None, False):
        raise Malformed("Background responses cannot be metered; send the request without background.")
    if stream is None:
        return operation in {"ollama_chat", "ollama_generate"}
    if not isinstance(stream, bool):
        raise Malformed("The field stream must be true or false.")
    return stream


def _output_ceiling(shape: Shape, operation: str, document: Document, model: str | None) -> int | None:
    if operation in WITHOUT_OUTPUT:
        return 0
    names = _CEILINGS[shape] or _OTHER_CEILINGS.get(operation, ())
    given = [_whole(document.get(name), name, OUTPUT_CEILING_MAX) for name in names]
    if shape is Shape.GEMINI:
        given.append(_gemini_number(document, "maxOutputTokens", "max_output_tokens", OUTPUT_CEILING_MAX))
    if operation in {"converse", "converse_stream"}:
        limits = _object(document.get("inferenceConfig"), "inferenceConfig")
        given.append(_whole(limits.get("maxTokens"), "maxTokens", OUTPUT_CEILING_MAX))
    if operation in {"invoke", "invoke_stream"}:
        given += [_whole(value, name, OUTPUT_CEILING_MAX) for name, value in stated_ceilings(model, document)]
    # Protocol buffers and some servers read 0 as "not set", so it bounds nothing.
    return max((number for number in given if number), default=None)


def _choices(shape: Shape, operation: str, document: Document) -> int:
    if shape is Shape.GEMINI:
        return _gemini_number(document, "candidateCount", "candidate_count", CHOICES_MAX) or 1
    if shape is not Shape.OPENAI_CHAT:
        return 1
    choices = max(_count(document, name) for name in _COUNTS)
    prompts = document.get("prompt")
    if operation == "completions" and isinstance(prompts, list) and not _is_one_prompt(prompts):
        choices *= max(1, len(prompts))
    return choices


def _count(document: Document, name: str) -> int:
    count = _whole(document.get(name), name, CHOICES_MAX)
    if count == 0:
        raise Malformed(f"{name} is at least 1.")
    return count or 1


def _is_one_prompt(prompts: list[object]) -> bool:
    """A list of numbers is one prompt in tokens; a list of texts or of lists is many prompts."""
    return bool(prompts) and isinstance(prompts[0], int)


def _gemini_number(document: Document, name: str, alias: str, most: int) -> int | None:
    configuration = _object(_either(document, *_GEMINI_NAMES[0]), "generationConfig")
    return _whole(_either(configuration, name, alias), name, most)


def _object(value: object, name: str) -> Document:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"The field {name} must be an object.")
    return value


def _whole(value: object, name: str, most: int) -> int | None:
    """A whole number from 0 to ``most``; ``None`` where the field is absent or null."""
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed(f"The field {name} must be a whole number from 0 to {most}.")
    return value


def _tier(document: Document) -> str | None:
    """OpenAI's and Google's ``service_tier``, Anthropic's ``speed``; other tiers never cost more."""
    for name in ("service_tier", "serviceTier", "speed"):
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            raise Malformed(f"The field {name} must be a text.")
        if isinstance(value, str) and value.lower() in _DEARER_TIERS:
            return value.lower()
    return None


def _asks_usage(document: Document) -> bool:
    options = _object(document.get("stream_options"), "stream_options")
    asked = options.get("include_usage")
    if asked is not None and not isinstance(asked, bool):
        raise Malformed("The field include_usage must be true or false.")
    return bool(asked)


def _value_span(text: str, wanted: str) -> tuple[int, int] | None:
    """Where the value of a top-level key stands, found by the standard library's own scanner."""
    position = text.index("{") + 1
    while (quote := text.find('"', position)) >= 0:
        key, position = cast(tuple[str, int], json.decoder.scanstring(text, quote + 1))  # type: ignore[attr-defined]
        start = _skip_blanks(text, text.index(":", position) + 1)
        _, position = _decoder.raw_decode(text, start)
        if key == wanted:
            return start, position
    return None


def _skip_blanks(text: str, position: int) -> int:
    while text[position] in " \t\r\n":
        position += 1
    return position


_decoder = json.JSONDecoder()
