"""Meters one answer as it flows by: what the provider reports, else an estimate that is marked as one.

The bytes pass as they came, except that a usage chunk which the caller did not ask for can be hidden.
Nothing here raises: an answer that cannot be read is counted by its bytes.
"""

import json
from datetime import datetime

from policy.amazon_events import MEDIA_TYPE, AmazonEvents
from policy.decoding import is_plain
from policy.exchange import Call, Priced, Shape, Usage
from policy.inspection import USAGE_WHEN_ASKED
from policy.money import MicroDollars
from policy.operations import WITHOUT_PRICE
from policy.price_rules import LIST_PRICES, Terms
from policy.pricing import Answered, Unpriced, price_units
from policy.reported import Reading, Units, units, usage_of
from policy.sse import Event, Events, JsonArray, JsonLines, ServerSentEvents
from policy.strict_json import holds_many_values

# A whole JSON answer is kept until its end, so that its usage can be read; a longer one is estimated.
ANSWER_BYTES_MAX = 32 * 1024 * 1024
# Of what follows the last "usage" so much is looked at.
USAGE_BYTES_MAX = 64 * 1024
# How many bytes of UTF-8 a token is taken for, by the family whose tokenizer it is: low numbers, as they are
# charged. OpenAI's makes about 4.5 of English, 3.3 of program text, 3 of Chinese; Anthropic's more tokens of
# the same text. ``make bench ARGS=estimates`` says
# how far that is off.
BYTES_PER_TOKEN = dict.fromkeys(Shape, 3) | {Shape.ANTHROPIC_MESSAGES: 2}
# No tokenizer in use packs more text than this into one token on average; a report that says so is wrong.
BYTES_PER_TOKEN_MAX = 64
CONTRADICTION_BYTES = 512
# Sound and images: 128 kbit/s at 50 tokens a second is 320 bytes a token.
MEDIA_BYTES_PER_TOKEN = 256

_MEDIA = ("audio/", "image/", "video/", "application/octet-stream")


class Meter:
    """Feed it the answer's body; ask it for ``usage`` at any time, also after an abort.

    ``content_type`` and ``content_encoding`` are the answer's headers; what is still encoded is counted by
    its bytes (``policy.decoding`` comes before). ``hide_usage`` drops the usage-only chunk of an
    OpenAI chat stream, for providers that send it only when asked.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        provider: str | None,
        operation: str,
        content_type: str,
        content_encoding: str = "",
        hide_usage: bool = False,
    ) -> None:
        self._shape, self._provider, self._operation = shape, provider, operation
        self._bytes_per_token = BYTES_PER_TOKEN[shape]
        self._reading = Reading(shape)
        self._media_type = content_type.partition(";")[0].strip().lower()
        self._events = _events_of(self._media_type, shape, operation)
        self._readable = is_plain(content_encoding)
        self._hides = (
            hide_usage
            and shape is Shape.OPENAI_CHAT
            and provider in USAGE_WHEN_ASKED
            and self._media_type == "text/event-stream"
            and self._readable
        )
        self._body: bytearray | None = bytearray() if self._media_type.endswith("json") else None
        self._unread_bytes = 0

    @property
    def output_tokens_so_far(self) -> int:
        """Output tokens delivered, estimated, or reported where that is more.

        Without what is hidden: an answer under way is not ended for what may not be there.
        """
        return max(self._reading.output_tokens, self._delivered)

    @property
    def open_bytes(self) -> int:
        """How many of the last bytes passed on belong to an event that is not whole yet.

        Where a stream is cut, they must not stand before the error event.
        """
        return 0 if self._events is None or self._hides else self._events.open_bytes

    def feed(self, chunk: bytes) -> bytes:
        """Take one chunk; gives what to pass on: the same bytes, less a hidden usage chunk.

        Only where it hides does it hold back an event until it is whole.
        """
        if self._events is None:
            self._keep(chunk)
            return chunk
        if not self._readable:
            self._unread_bytes += len(chunk)
            return chunk
        passed = self._observe(self._events.feed(chunk))
        return passed if self._hides else chunk

    def finish(self) -> bytes:
        """End the answer; gives what was held back."""
        if self._events is None:
            return b""
        passed = self._observe(self._events.finish())
        return passed if self._hides else b""

    def usage(self, call: Call, at: datetime | None = None, terms: Terms = LIST_PRICES) -> Usage:
        """What the answer consumed so far, its cost included if ``at`` is given and the price is known.

        ``terms`` are what the tenant pays; ``at`` decides which of its prices are in force.
        """
        if self._body is not None:
            self._read_whole(bytes(self._body))
            self._body = None
        if call.operation in WITHOUT_PRICE:
            # What such an answer reports is an earlier call's use, or a count that was asked for.
            return _nothing(self._reading.model or call.model, at)
        counts = self._counts()
        reading, model = self._reading, self._reading.model or call.model
        settled = counts is not None and counts.sound and reading.complete and not self._contradicted(counts)
        counts = self._completed(counts or Units(), call, settled)
        priced = None if at is None else self._priced(counts, call, at, terms)
        return usage_of(
            counts,
            model=model,
            cost=None if priced is None else priced.amount,
            estimated=not settled,
            priced=priced,
        )

    def _priced(self, counts: Units, call: Call, at: datetime, terms: Terms) -> Priced | None:
        reading = self._reading
        try:
            return price_units(
                self._provider,
                call.model,
                counts,
                at,
                answered=Answered(reading.model, reading.tier),
                terms=terms,
            )
        except Unpriced:
            return None

    def _keep(self, chunk: bytes) -> None:
        if self._body is None or not self._readable or len(self._body) + len(chunk) > ANSWER_BYTES_MAX:
            self._unread_bytes += len(chunk) + len(self._body or b"")
            self._body = None
        else:
            self._body += chunk

    def _observe(self, events: list[Event]) -> bytes:
        passed = []
        for event in events:
            document = _loads(event.data) if event.data else None
            self._reading.observe(document)
            if not (self._hides and _is_usage_only(document)):
                passed.append(event.raw)
        return b"".join(passed)

    def _read_whole(self, body: bytes) -> None:
        in_tail = self._operation == "embeddings" or holds_many_values(body)
        document = _usage_tail(body) if in_tail else _parsed(body)
        if document == {} and self._operation != "embeddings":
            document = None  # its text was not read, so it is estimated
        for part in document if isinstance(document, list) else [document]:
            self._reading.observe(part)
        self._reading.complete = self._reading.complete or bool(self._reading.usage)
        if not isinstance(document, dict | list):
            self._unread_bytes += len(body)

    def _counts(self) -> Units | None:
        if not self._reading.usage:
            return None
        return units(self._shape, self._operation, self._provider, self._reading.usage)

    def _contradicted(self, counts: Units) -> bool:
        """Whether far more text came than the reported tokens can hold."""
        delivered = self._reading.text_bytes
        possible = BYTES_PER_TOKEN_MAX * (counts.get("output_tokens", 0) + 1)
        return delivered > CONTRADICTION_BYTES and delivered > possible

    def _completed(self, counts: Units, call: Call, settled: bool) -> Units:
        """Fill in by estimate what was not reported; a report that stands is left as it is."""
        if settled:
            return counts
        if "input_tokens" not in counts:
            counts["input_tokens"] = -(-call.input_tokens_ceiling // self._bytes_per_token)
        if call.output_ceiling != 0:
            counts["output_tokens"] = max(
                counts.get("output_tokens", 0), self.output_tokens_so_far, self.estimated_output
            )
        return counts

    @property
    def estimated_output(self) -> int:
        """Output tokens by what came alone, whatever was reported, hidden reasoning included."""
        return self._delivered + self._reading.hidden_tokens

    @property
    def _delivered(self) -> int:
        per_token = MEDIA_BYTES_PER_TOKEN if self._media_type.startswith(_MEDIA) else self._bytes_per_token
        unread = -(-self._unread_bytes // per_token)
        text = max(self._reading.text_events, -(-self._reading.text_bytes // self._bytes_per_token))
        return text + unread


def _events_of(media_type: str, shape: Shape, operation: str) -> Events | None:
    """How the answer is cut into documents; ``None`` for one whole document or for none."""
    if media_type == "text/event-stream":
        return ServerSentEvents()
    if media_type == MEDIA_TYPE:
        return AmazonEvents()
    if media_type in {"application/x-ndjson", "application/jsonl", "application/x-jsonlines"}:
        return JsonLines()
    if shape is Shape.GEMINI and operation == "stream_generate_content" and media_type == "application/json":
        return JsonArray()
    return None


def _is_usage_only(document: object) -> bool:
    """The chunk that ``include_usage`` adds: usage, and no choice (OpenAI, "stream_options")."""
    return (
        isinstance(document, dict)
        and document.get("choices") == []
        and isinstance(document.get("usage"), dict)
    )


def _loads(text: bytes) -> object:
    return None if holds_many_values(text) else _parsed(text)


def _parsed(text: bytes) -> object:
    try:
        return json.loads(text, parse_constant=float)
    except (ValueError, RecursionError):
        return None


def _usage_tail(body: bytes) -> object:
    """The usage of a long list of vectors, without reading the vectors."""
    start = body.rfind(b'"usage"')
    if start < 0:
        return _loads(body) if len(body) < CONTRADICTION_BYTES else {}
    try:
        text = body[start + 7 : start + USAGE_BYTES_MAX].decode("utf-8", "replace").lstrip(" \t\r\n:")
        usage, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return {"usage": usage}


def _nothing(model: str | None, at: datetime | None) -> Usage:
    """The use of a call that no provider charges for: that is known, and no unknown price."""
    return usage_of(
        Units(), model=model, cost=None if at is None else MicroDollars(0), estimated=False, priced=None
    )
