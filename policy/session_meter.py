"""Meters a WebSocket session: what its answers are reported to have used, else an estimate marked as one.

Each answer within a session is charged for the whole conversation before it, as a request would be. So the
conversation is kept count of, and an answer that has begun counts at once with what it will be charged for.
Usage reports: OpenAI Realtime ``response.done``, Responses ``response.completed``, Gemini Live
``usageMetadata``. Nothing here raises: what cannot be read is counted by its bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from policy.exchange import Call, Priced, Shape, Usage
from policy.money import MicroDollars
from policy.price_rules import Terms
from policy.pricing import Answered, Unpriced, ceiling, price_units
from policy.reported import TOKENS_MAX, Units, units, usage_of
from policy.session_messages import (
    Dialect,
    Said,
    answer_call,
    decoded_size,
    tokens_of_sound,
    tokens_of_text,
)
from policy.strict_json import holds_many_values
from policy.usage import MEDIA_BYTES_PER_TOKEN

# Answers that are under way at once; a provider that begins more without ending any is counted as one.
OPEN_MAX = 64

_SHAPES = {
    Dialect.REALTIME: Shape.OPENAI_CHAT,
    Dialect.RESPONSES: Shape.OPENAI_RESPONSES,
    Dialect.LIVE: Shape.GEMINI,
    Dialect.OTHER: Shape.OTHER,
}
_ENDS = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
_SOUND_DELTAS = frozenset({"response.output_audio.delta", "response.audio.delta"})
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
# The Live API names the answer's counts by other names than `generateContent` does.
_LIVE_NAMES = {
    "responseTokenCount": "candidatesTokenCount",
    "responseTokensDetails": "candidatesTokensDetails",
}
# A sound transcriber that charges by the second is counted as tokens of sound (ten a second).
_TOKENS_PER_SECOND = 10

type Document = Mapping[str, object]


@dataclass(slots=True)
class _Open:
    """An answer that has begun: what it will be charged for, and what of it has come."""

    input_tokens: int
    text_bytes: int = 0
    sound_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """What a session has used, or is to hold: ``cost`` counts what has no known price as nothing."""

    tokens: int
    cost: MicroDollars

    def __add__(self, other: "Used") -> "Used":
        return Used(self.tokens + other.tokens, MicroDollars(self.cost + other.cost))


class SessionMeter:
    """Feed it what either side says; ask it at any time what has been used.

    ``model`` is the one that calls for the next answers; a message of the client may name another. The whole
    session is priced by the ``terms`` in force at ``at``, the moment at which it began.
    """

    def __init__(
        self, dialect: Dialect, *, provider: str | None, model: str | None, at: datetime, terms: Terms
    ) -> None:
        self.model = model
        self._at, self._terms = at, terms
        self._dialect, self._provider = dialect, provider
        self._settled = Units()
        self._priced: Priced | None = None
        self._unpriced = self._estimated = False
        self._narrow = {True: False, False: False}
        self._context_tokens = 0
        self._open: dict[str, _Open] = {}

    @property
    def is_answering(self) -> bool:
        """Whether the provider is known to be in the middle of an answer."""
        return self._dialect is not Dialect.OTHER and bool(self._open)

    # What is said

    def sent(self, said: Said) -> None:
        """A message of the client goes out."""
        self.model = said.model or self.model
        if self._dialect is Dialect.OTHER:
            self._under("").input_tokens += said.text_tokens
            return
        if not said.continues:
            self._context_tokens = 0
        sound = tokens_of_sound(self._dialect, said.sound_bytes, spoken=False, narrow=self._narrow[False])
        self._context_tokens += said.text_tokens + sound

    def received(self, content: bytes, *, text: bool) -> None:
        """A message of the provider has come."""
        document = None if self._dialect is Dialect.OTHER else _object(content)
        if document is None:
            self._unknown(len(content), text=text)
        elif self._dialect is Dialect.LIVE:
            self._live(document)
        else:
            self._event(document)

    # What it comes to

    def used(self) -> Used:
        """What has been used so far, answers under way included."""
        under_way = self._under_way()
        tokens = _total(self._settled) + _total(under_way)
        priced = _sum(self._priced, self._price(under_way, None, None))
        return Used(tokens, priced.amount if priced is not None else MicroDollars(0))

    @property
    def longest_answer(self) -> int:
        """Output tokens of the longest answer under way, estimated."""
        return max((self._estimate(each).get("output_tokens", 0) for each in self._open.values()), default=0)

    def next_call(self, call: Call | None, said: Said) -> Call:
        """The answer that ``said`` asks for: ``call`` where it states bounds, else the conversation."""
        if call is not None:
            return replace(call, model=call.model or self.model, stream=True)
        return answer_call(said.model or self.model, self._context_tokens + said.text_tokens)

    def next_step(self, call: Call | None, step_tokens: int) -> Used:
        """The most that the next answer may use: ``call`` where it is known, else the conversation so far.

        ``step_tokens`` is its output where none is bounded.
        """
        context = 0 if self._open else self._context_tokens
        worst = call or answer_call(self.model, context)
        if worst.model is None:
            worst = replace(worst, model=self.model)
        output = (step_tokens if worst.output_ceiling is None else worst.output_ceiling) * worst.choices
        try:
            cost = ceiling(
                self._provider, worst.model, worst, self._at, step_tokens=step_tokens, terms=self._terms
            )
        except Unpriced:
            cost = MicroDollars(0)
        return Used(worst.input_tokens_ceiling + output, cost)

    def usage(self) -> Usage:
        """The whole session. An answer that never ended is in it by estimate."""
        under_way = self._under_way()
        total = Units(self._settled)
        _add(total, under_way)
        last = self._price(under_way, None, None)
        unpriced = self._unpriced or (bool(under_way) and last is None)
        priced = None if unpriced else _sum(self._priced, last)
        return usage_of(
            total,
            model=self.model,
            cost=priced.amount if priced is not None else None if unpriced else MicroDollars(0),
            estimated=self._estimated or bool(under_way),
            priced=priced,
        )

    # OpenAI

    def _event(self, document: Document) -> None:
        kind = document.get("type")
        if kind == "response.created":
            self._begin(_id_of(document))
        elif kind in _ENDS:
            self._end(document)
        elif kind == _TRANSCRIBED:
            self._transcribed(document.get("usage"))
        elif kind in ("session.created", "session.updated"):
            self._take_session(document.get("session"))
        elif isinstance(kind, str) and kind.endswith(".delta"):
            self._delta(kind, document)

    def _end(self, document: Document) -> None:
        response = document.get("response")
        opened = self._open.pop(_id_of(document), None)
        report = response if isinstance(response, dict) else {}
        usage = report.get("usage")
        model, tier = report.get("model"), report.get("service_tier")
        counts = self._counts(usage) if isinstance(usage, dict) else None
        if counts is None or not counts.sound:
            if opened is None and counts is None:
                return
            self._estimated = True
            counts = counts or self._estimate(opened or _Open(0))
        self._settle(
            counts, model if isinstance(model, str) else None, tier if isinstance(tier, str) else None
        )
        self._context_tokens = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)

    def _transcribed(self, usage: object) -> None:
        """Sound that was written down is charged for beside the answers."""
        if not isinstance(usage, dict):
            return
        seconds = usage.get("seconds")
        if isinstance(seconds, int | float) and 0 <= seconds <= TOKENS_MAX:
            self._estimated = True
            tokens = int(seconds * _TOKENS_PER_SECOND)
            self._settle(Units(input_tokens=tokens, input_audio_tokens=tokens), None, None)
            return
        counts = self._counts(usage)
        if counts is not None:
            self._settle(counts, None, None)

    def _take_session(self, session: object) -> None:
        if not isinstance(session, dict):
            return
        model = session.get("model")
        self.model = model if isinstance(model, str) and model else self.model
        sound = session.get("audio")
        for spoken, side, older in (
            (False, "input", "input_audio_format"),
            (True, "output", "output_audio_format"),
        ):
            told = sound.get(side) if isinstance(sound, dict) else None
            form = told.get("format") if isinstance(told, dict) else None
            name = form.get("type") if isinstance(form, dict) else session.get(older)
            self._narrow[spoken] = isinstance(name, str) and (
                "pcmu" in name or "pcma" in name or "g711" in name
            )

    def _delta(self, kind: str, document: Document) -> None:
        delta, response = document.get("delta"), document.get("response_id")
        if not isinstance(delta, str):
            return
        opened = self._under(response if isinstance(response, str) else "")
        if kind in _SOUND_DELTAS:
            opened.sound_bytes += decoded_size(delta)
        else:
            opened.text_bytes += len(delta.encode("utf-8", "replace"))

    # Gemini, and what is not known

    def _live(self, document: Document) -> None:
        content = document.get("serverContent")
        turn = content.get("modelTurn") if isinstance(content, dict) else None
        parts = turn.get("parts") if isinstance(turn, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if not isinstance(part, dict):
                continue
            opened, said, data = self._under(""), part.get("text"), part.get("inlineData")
            if isinstance(said, str):
                opened.text_bytes += len(said.encode("utf-8", "replace"))
            if isinstance(data, dict):
                opened.sound_bytes += decoded_size(data.get("data"))
        usage = document.get("usageMetadata")
        if isinstance(usage, dict):
            self._reported_live({_LIVE_NAMES.get(str(name), str(name)): usage[name] for name in usage})

    def _reported_live(self, usage: Document) -> None:
        counts = self._counts(usage)
        if counts is None:
            return
        self._estimated = self._estimated or not counts.sound
        self._open.pop("", None)
        self._settle(counts, None, None)
        self._context_tokens = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)

    def _unknown(self, size: int, *, text: bool) -> None:
        opened = self._under("")
        if text:
            opened.text_bytes += size
        else:
            opened.sound_bytes += size

    # Sums

    def _counts(self, usage: Document) -> Units | None:
        return units(_SHAPES[self._dialect], self._dialect.value, self._provider, usage)

    def _begin(self, name: str) -> None:
        if len(self._open) < OPEN_MAX:
            self._open.setdefault(name, _Open(self._context_tokens))

    def _under(self, name: str) -> _Open:
        """The answer that a part belongs to; one whose beginning was not seen begins with it."""
        if name not in self._open and self._open and (not name or len(self._open) >= OPEN_MAX):
            return next(reversed(self._open.values()))
        self._begin(name)
        return self._open[name]

    def _estimate(self, opened: _Open) -> Units:
        if self._dialect is Dialect.OTHER:
            sound = -(-opened.sound_bytes // MEDIA_BYTES_PER_TOKEN)
            return Units(
                input_tokens=opened.input_tokens, output_tokens=tokens_of_text(opened.text_bytes) + sound
            )
        sound = tokens_of_sound(self._dialect, opened.sound_bytes, spoken=True, narrow=self._narrow[True])
        found = Units(
            input_tokens=opened.input_tokens, output_tokens=tokens_of_text(opened.text_bytes) + sound
        )
        if sound:
            found["output_audio_tokens"] = sound
        return found

    def _under_way(self) -> Units:
        total = Units()
        for opened in self._open.values():
            _add(total, self._estimate(opened))
        return total

    def _settle(self, counts: Units, model: str | None, tier: str | None) -> None:
        _add(self._settled, counts)
        priced = self._price(counts, model, tier)
        self._unpriced = self._unpriced or priced is None
        self._priced = _sum(self._priced, priced)

    def _price(self, counts: Units, model: str | None, tier: str | None) -> Priced | None:
        """By the model that answered, else by the session's; ``None`` where neither has a price."""
        if not counts:
            return None
        answered = Answered(model, tier)
        try:
            return price_units(
                self._provider, self.model, counts, self._at, answered=answered, terms=self._terms
            )
        except Unpriced:
            return None


def _sum(one: Priced | None, other: Priced | None) -> Priced | None:
    """Both together, said to be by the price of the later one."""
    if one is None or other is None:
        return one or other
    amount, listed = MicroDollars(one.amount + other.amount), MicroDollars(one.listed + other.listed)
    return replace(other, amount=amount, listed=listed)


def _add(total: Units, more: Units) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def _total(counts: Units) -> int:
    return counts.get("input_tokens", 0) + counts.get("output_tokens", 0)


def _id_of(document: Document) -> str:
    response = document.get("response")
    found = response.get("id") if isinstance(response, dict) else None
    return found if isinstance(found, str) else ""


def _object(content: bytes) -> Document | None:
    if holds_many_values(content):
        return None
    try:
        found = json.loads(content, parse_constant=float)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
