"""What a provider's answer reports about its own cost, read document by document.

A document is a whole JSON answer or one event of a stream. Usage is merged as each provider's own SDK
merges it, then normalised by ``genai-prices``. What is not a sound number is dropped and the report marked
as not to be trusted; it never lowers a count below what was seen. Estimates are made in ``policy.usage``.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from genai_prices import data_snapshot, types

from policy.exchange import Priced, Shape, Usage
from policy.money import MicroDollars
from policy.operations import WITHOUT_OUTPUT

# Beyond this a count is a mistake of the provider's: ten times the longest context there is.
TOKENS_MAX = 10_000_000

# Not text that the model wrote: ids, encrypted or binary content, what its tools found.
_NOT_TEXT = frozenset(
    {
        "type",
        "role",
        "id",
        "call_id",
        "item_id",
        "status",
        "object",
        "index",
        "finish_reason",
        "finishReason",
        "signature",
        "thoughtSignature",
        "obfuscation",
        "mimeType",
        "mime_type",
        "data",
        "b64_json",
        "result",
        "results",
        "encrypted_content",
        "annotations",
        "logprobs",
        "safetyRatings",
        "citations",
        "format",
    }
)
# The frame of a tool call costs about a dozen tokens that no text shows.
_TOOL_CALL = "x" * 36
_OTHER_TEXTS = (
    *("message", "output", "response", "choices", "text", "content", "delta", "generated_text"),
    *("content_block", "generation", "outputText", "completion", "outputs"),
)
_CACHED_KINDS = frozenset(
    {
        "cache_text_read_tokens",
        "cache_audio_read_tokens",
        "cache_image_read_tokens",
        "cache_video_read_tokens",
    }
)
_RESPONSES_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
# The last event of a stream of a transcription, of an image.
_MEDIA_ENDS = frozenset(
    {"transcript.text.done", "image_generation.completed", "image_edit.completed", "speech.audio.done"}
)
_NOT_TEXT_DELTAS = ("audio.delta", "partial_image")
# What stands around each output item of a Responses answer, seen over recorded answers of gpt-4o to gpt-5.5.
_ITEM_TOKENS = 7
# Reasoning that is neither shown nor passed on encrypted: 95 % of the recorded items were shorter.
_HIDDEN_REASONING_TOKENS = 512
# Encrypted, it is about 1,000 bytes and 6 for each token; both taken low.
_ENCRYPTED_BYTES = 900
_ENCRYPTED_BYTES_PER_TOKEN = 5
# Its items are a tool's, not what the model wrote.
_NOT_WRITTEN = frozenset({"mcp_list_tools"})

type Document = Mapping[str, object]


class Reading:
    """What has been read of one answer so far. ``text_bytes`` is the text delivered, in UTF-8.

    ``hidden_tokens`` are the output tokens that no text shows, by estimate.
    """

    def __init__(self, shape: Shape) -> None:
        self.usage: dict[str, object] = {}
        self.model: str | None = None
        self.tier: str | None = None
        self.complete = False
        self._begun = False
        self.text_bytes = 0
        self.text_events = 0
        self.hidden_tokens = 0
        self._item_now, self._item_bytes, self._item_hidden = -1, 0, 0
        self._read: Callable[[Document], None] = {
            Shape.OPENAI_CHAT: self._chat,
            Shape.OPENAI_RESPONSES: self._responses,
            Shape.ANTHROPIC_MESSAGES: self._anthropic,
            Shape.GEMINI: self._gemini,
            Shape.OTHER: self._other,
        }[shape]

    def observe(self, document: object) -> None:
        """Take one document into account; what is not understood is passed over."""
        if isinstance(document, dict):
            self._read(document)

    @property
    def output_tokens(self) -> int:
        """The output tokens reported so far, by whichever name."""
        names = ("completion_tokens", "output_tokens", "candidatesTokenCount", "thoughtsTokenCount")
        return sum(_count(self.usage.get(name)) for name in names)

    def _chat(self, document: Document) -> None:
        self._name(document)
        self._merge(document.get("usage"))
        groq = document.get("x_groq")
        if isinstance(groq, dict):
            self._merge(groq.get("usage"))
        kind = document.get("type")
        if kind in _MEDIA_ENDS:
            self.complete = True
        elif isinstance(document.get("delta"), str):
            self._deliver([document.get("delta")])
        for choice in _objects(document.get("choices")):
            self._deliver([choice.get("delta"), choice.get("message"), choice.get("text")])
            self.complete = self.complete or choice.get("finish_reason") is not None

    def _responses(self, document: Document) -> None:
        kind, item = document.get("type"), document.get("item")
        if isinstance(kind, str) and kind.startswith("response."):
            delta = document.get("delta")
            if isinstance(delta, str) and not kind.endswith(_NOT_TEXT_DELTAS):
                self._deliver([delta])
                if document.get("output_index") == self._item_now:
                    self._item_bytes += _length(delta)
            if isinstance(item, dict):
                self._item(item, document.get("output_index"), done=kind == "response.output_item.done")
            response = document.get("response")
            if kind in _RESPONSES_ENDS and isinstance(response, dict):
                self._response(response)
        elif document.get("object") == "response" or "usage" in document:
            self._response(document)
            for number, each in enumerate(_objects(document.get("output"))):
                self._item(each, number, done=True)

    def _item(self, item: Document, number: object, *, done: bool) -> None:
        """Count what an output item holds beyond its deltas. A stream tells it twice: begun, and whole."""
        if number != self._item_now or type(number) is not int:
            self._item_now = number if type(number) is int else -1
            self._item_bytes = self._item_hidden = 0
        hidden = _hidden(item, done=done)
        self.hidden_tokens += hidden - self._item_hidden
        self._item_hidden = hidden
        if item.get("type") not in _NOT_WRITTEN:
            written = sum(_length(text) for text in _texts([item]))
            self._written(written - self._item_bytes)
            self._item_bytes = max(written, self._item_bytes)

    def _response(self, response: Document) -> None:
        self._name(response)
        self._merge(response.get("usage"))
        self.complete = True

    def _anthropic(self, document: Document) -> None:
        kind = document.get("type")
        if kind == "message_start" and isinstance(message := document.get("message"), dict):
            self._name(message)
            self._merge(message.get("usage"))
        elif kind == "message_delta":
            self._merge(document.get("usage"))
            self.complete = True
        elif kind in ("content_block_start", "content_block_delta"):
            self._deliver([document.get("content_block"), document.get("delta")])
        elif kind == "message" or "usage" in document:
            self._name(document)
            self._merge(document.get("usage"))
            self._deliver([document.get("content")])
            self.complete = True

    def _gemini(self, document: Document) -> None:
        inner = document.get("response")  # Code Assist wraps each answer once more
        if isinstance(inner, dict):
            document = inner
        model = document.get("modelVersion")
        self.model = model if isinstance(model, str) and model else self.model
        self._merge(document.get("usageMetadata"))
        if document.get("promptFeedback") is not None:
            self.complete = True
        for candidate in _objects(document.get("candidates")):
            self._deliver([candidate.get("content")])
            self.complete = self.complete or candidate.get("finishReason") is not None

    def _other(self, document: Document) -> None:
        """Bedrock Converse, Cohere, Ollama and what resembles the known shapes."""
        self._name(document)
        self._begun = document.get("type") == "message_start" or (self._begun and "usage" not in document)
        for holder in (document, document.get("delta"), document.get("response"), document.get("message")):
            if isinstance(holder, dict):
                self._merge(holder.get("usage"))
        if "eval_count" in document:
            self._rename(document, {"prompt_tokens": "prompt_eval_count", "completion_tokens": "eval_count"})
        invocation = document.get("amazon-bedrock-invocationMetrics")
        if isinstance(invocation, dict) and not self.usage:
            counts = {"prompt_tokens": "inputTokenCount", "completion_tokens": "outputTokenCount"}
            self._rename(invocation, counts)
        # What a message begins with is not what it has used (Anthropic's models at Bedrock).
        self.complete = self.complete or (bool(self.usage) and not self._begun)
        self._deliver([document.get(key) for key in _OTHER_TEXTS])

    def _rename(self, holder: Document, names: Mapping[str, str]) -> None:
        self._merge({name: holder.get(theirs, 0) for name, theirs in names.items()})

    def _name(self, document: Document) -> None:
        model = document.get("model")
        if isinstance(model, str) and model:
            self.model = model
        tier = document.get("service_tier")
        self.tier = tier if isinstance(tier, str) else self.tier

    def _merge(self, usage: object) -> None:
        """A later report replaces an earlier one field by field; ``null`` replaces nothing."""
        if not isinstance(usage, dict):
            return
        self.usage.update({key: value for key, value in usage.items() if value is not None})
        tier = usage.get("speed") or usage.get("service_tier")
        self.tier = tier if isinstance(tier, str) else self.tier

    def _deliver(self, nodes: list[object]) -> None:
        self._written(sum(_length(text) for text in _texts(nodes)))

    def _written(self, size: int) -> None:
        if size > 0:
            self.text_bytes += size
            self.text_events += 1


class Units(dict[str, int]):
    """Counts by the unit names of ``genai-prices``; not ``sound`` where some number had to be dropped."""

    sound = True


def usage_of(
    counts: Units, *, model: str | None, cost: MicroDollars | None, estimated: bool, priced: Priced | None
) -> Usage:
    """What an answer, or a session, comes to with these counts; what is not counted is none."""
    return Usage(
        model=model,
        input_tokens=counts.get("input_tokens", 0),
        output_tokens=counts.get("output_tokens", 0),
        cache_read_tokens=counts.get("cache_read_tokens", 0),
        cache_write_tokens=counts.get("cache_write_tokens", 0),
        reasoning_tokens=counts.get("output_reasoning_tokens", 0),
        cost=cost,
        estimated=estimated,
        priced=priced,
    )


def units(shape: Shape, operation: str, provider: str | None, usage: Document) -> Units | None:
    """Normalise a provider's usage object; ``None`` where it holds no usable counts."""
    cleaned, sound = _cleaned(_named_as_chat(usage) if operation in _TRANSCRIPTIONS else usage)
    root = "usageMetadata" if shape is Shape.GEMINI else "usage"
    for extractor in _extractors(shape, operation, provider):
        path = [extractor.root] if isinstance(extractor.root, str) else list(extractor.root)
        if path[-1] != root:
            continue
        document: dict[str, object] = cleaned
        for name in reversed(path):
            document = {str(name): document}
        try:
            _, found = extractor.extract(document)
        except ValueError:
            continue
        # That none of the sound was cached has to be said where sound and cached text are.
        counts = Units(
            {
                key: math.ceil(value)
                for key, value in vars(found).items()
                if value or (value == 0 and key in _CACHED_KINDS)
            }
        )
        counts.sound = sound
        return counts
    return None


# What OpenAI's transcriptions report has no extractor; by other names it is what a chat reports.
_TRANSCRIPTIONS = frozenset({"audio_transcriptions", "audio_translations"})
_CHAT_NAMES = {
    "input_tokens": "prompt_tokens",
    "input_token_details": "prompt_tokens_details",
    "output_tokens": "completion_tokens",
}


def _named_as_chat(usage: Document) -> Document:
    return {_CHAT_NAMES.get(name, name): value for name, value in usage.items()}


# Where the provider has no extractor of its own, that of the API whose shape it speaks.
_CANONICAL: dict[Shape, tuple[tuple[str, str], ...]] = {
    Shape.OPENAI_CHAT: (("openai", "chat"),),
    Shape.OPENAI_RESPONSES: (("openai", "responses"),),
    Shape.ANTHROPIC_MESSAGES: (("anthropic", "default"),),
    Shape.GEMINI: (("google", "default"),),
    Shape.OTHER: (("openai", "chat"), ("anthropic", "default"), ("aws", "default")),
}
_FLAVOURS: dict[Shape, tuple[str, ...]] = {
    Shape.OPENAI_CHAT: ("chat", "default"),
    Shape.OPENAI_RESPONSES: ("responses",),
    Shape.ANTHROPIC_MESSAGES: ("anthropic",),
    Shape.GEMINI: (),
    Shape.OTHER: ("default",),
}


@lru_cache(maxsize=1024)
def _extractors(shape: Shape, operation: str, provider: str | None) -> tuple[types.UsageExtractor, ...]:
    flavours = _FLAVOURS[shape]
    if operation.startswith("images_"):
        flavours = ("images", *flavours)
    if operation == "embeddings":
        flavours = ("embeddings", *flavours)
    if operation == "realtime":
        flavours = ("realtime",)
    wanted = [(provider, flavour) for flavour in flavours if provider is not None]
    canonical = _CANONICAL[shape] if operation not in WITHOUT_OUTPUT else (("openai", "embeddings"),)
    if operation == "realtime":
        canonical = (("openai", "realtime"),)
    return tuple(_find_extractors([*wanted, *canonical]))


def _find_extractors(wanted: list[tuple[str, str]]) -> Iterator[types.UsageExtractor]:
    providers = data_snapshot.get_snapshot().providers
    for name, flavour in wanted:
        provider = data_snapshot.find_provider_by_id(providers, name)
        for extractor in (provider.extractors if provider else None) or ():
            if extractor.api_flavor == flavour:
                yield extractor


def _cleaned(usage: Document) -> tuple[dict[str, object], bool]:
    """The usage object without counts that cannot be counts, and whether there were none."""
    cleaned: dict[str, object] = {}
    sound = True
    for key, value in usage.items():
        if isinstance(value, dict):
            cleaned[key], inner = _cleaned(value)
            sound = sound and inner
        elif isinstance(value, list):
            cleaned[key] = _cleaned_list(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if _is_count(value):
                cleaned[key] = value
            else:
                sound = False
        elif value is not None and "token" in key.lower():
            sound = False
        elif isinstance(value, str):
            cleaned[key] = value
    return cleaned, sound


def _cleaned_list(values: list[object]) -> list[object]:
    return [_cleaned(value)[0] for value in values if isinstance(value, dict)]


def _is_count(value: float) -> bool:
    return 0 <= value <= TOKENS_MAX  # NaN compares false


def _count(value: object) -> int:
    return value if type(value) is int and _is_count(value) else 0


def _hidden(item: Document, *, done: bool) -> int:
    """Output tokens of an item that none of its text shows."""
    encrypted = item.get("encrypted_content")
    if done and isinstance(encrypted, str) and encrypted:
        return _ITEM_TOKENS + max(0, len(encrypted) - _ENCRYPTED_BYTES) // _ENCRYPTED_BYTES_PER_TOKEN
    return _ITEM_TOKENS + (_HIDDEN_REASONING_TOKENS if item.get("type") == "reasoning" else 0)


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _objects(values: object) -> Iterator[Document]:
    if isinstance(values, list):
        for value in values:
            if isinstance(value, dict):
                yield value


def _texts(pending: list[object]) -> Iterator[str]:
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict) and not _is_tool_result(node):
            if isinstance(node.get("name"), str):
                yield _TOOL_CALL
            pending.extend(value for key, value in node.items() if key not in _NOT_TEXT)


def _is_tool_result(node: Document) -> bool:
    kind = node.get("type")
    return isinstance(kind, str) and kind.endswith("_tool_result")
