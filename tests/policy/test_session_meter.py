"""Sessions are metered from what providers report, and never credited by it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Shape
from policy.inspection import Malformed
from policy.price_rules import LIST_PRICES
from policy.session_messages import Dialect, dialect_of, opening_call, read_message
from policy.session_meter import SessionMeter

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KINDS = st.sampled_from(
    [
        "response.created",
        "response.done",
        "response.completed",
        "session.updated",
        "response.output_audio.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
)


def meter(dialect: Dialect, model: str = "gpt-realtime", provider: str = "openai") -> SessionMeter:
    return SessionMeter(dialect, provider=provider, model=model, at=NOW, terms=LIST_PRICES)


def event(kind: str, **fields) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


@pytest.mark.parametrize("dialect", Dialect)
@given(kind=KINDS, fields=st.dictionaries(st.sampled_from(["response", "session", "usage", "delta"]), JSON),
       live=st.dictionaries(st.sampled_from(["serverContent", "usageMetadata"]), JSON))  # fmt: skip
def test_nothing_that_a_provider_says_raises_or_credits(dialect, kind, fields, live):
    counted = meter(dialect)
    counted.received(json.dumps({"type": kind, **fields, **live}).encode(), text=True)
    usage = counted.usage()
    assert min(usage.input_tokens, usage.output_tokens, counted.used().tokens, counted.used().cost) >= 0


@pytest.mark.parametrize("count", [-5, float("nan"), 10**12, "many", True])
def test_a_count_that_can_be_none_is_not_believed(count):
    counted = meter(Dialect.REALTIME)
    counted.received(event("response.created", response={"id": "r"}), text=True)
    done = {"id": "r", "usage": {"input_tokens": count, "output_tokens": 5}}
    counted.received(event("response.done", response=done), text=True)
    usage = counted.usage()
    assert usage.estimated is True
    assert 0 <= usage.input_tokens < 10


def test_an_answer_is_charged_for_the_conversation_before_it():
    counted = meter(Dialect.REALTIME)
    counted.received(event("response.created", response={"id": "a"}), text=True)
    done = {"id": "a", "usage": {"input_tokens": 1_000, "output_tokens": 500}}
    counted.received(event("response.done", response=done), text=True)
    counted.sent(read_message(Dialect.REALTIME, event("response.create")))
    assert counted.next_step(None, 1024).tokens == 1_500 + 9 + 1024
    counted.received(event("response.created", response={"id": "b"}), text=True)
    assert counted.used().tokens == 1_500 + 1_500 + 9


def test_sound_is_estimated_by_its_format():
    second = "A" * (48_000 * 4 // 3)  # one second at 24 kHz, 16 bits
    counted = meter(Dialect.REALTIME)
    counted.received(event("response.output_audio.delta", response_id="r", delta=second), text=True)
    assert counted.usage().output_tokens == 20
    narrow = meter(Dialect.REALTIME)
    sound = {"output": {"format": {"type": "audio/pcmu"}}}
    narrow.received(event("session.updated", session={"audio": sound}), text=True)
    narrow.received(
        event("response.output_audio.delta", response_id="r", delta="A" * (8_000 * 4 // 3)), text=True
    )
    assert narrow.usage().output_tokens == 20


def test_transcription_is_charged_beside_the_answers():
    counted = meter(Dialect.REALTIME)
    usage = {"type": "tokens", "input_tokens": 17, "output_tokens": 9, "total_tokens": 26}
    kind = "conversation.item.input_audio_transcription.completed"
    counted.received(event(kind, usage=usage), text=True)
    counted.received(event(kind, usage={"type": "duration", "seconds": 3.0}), text=True)
    found = counted.usage()
    assert (found.input_tokens, found.output_tokens, found.estimated) == (17 + 30, 9, True)


def test_answers_at_once_are_kept_apart():
    counted = meter(Dialect.REALTIME)
    for name in ("a", "b"):
        counted.received(event("response.created", response={"id": name}), text=True)
        counted.received(event("response.output_text.delta", response_id=name, delta="xxxxxx"), text=True)
    done = {"id": "a", "usage": {"input_tokens": 1, "output_tokens": 7}}
    counted.received(event("response.done", response=done), text=True)
    assert counted.usage().output_tokens == 7 + 2


def test_more_answers_than_can_be_kept_apart_are_still_counted():
    counted = meter(Dialect.REALTIME)
    for number in range(200):
        counted.received(event("response.output_text.delta", response_id=str(number), delta="xxx"), text=True)
    assert counted.usage().output_tokens >= 190


def test_a_cost_of_which_a_part_is_not_known_is_not_known():
    assert meter(Dialect.OTHER, "nobody-knows-this").usage().cost == 0
    counted = meter(Dialect.OTHER, "nobody-knows-this")
    counted.received(b"something", text=True)
    assert counted.usage().cost is None


@pytest.mark.parametrize(
    ("shape", "operation", "dialect"),
    [
        (Shape.OPENAI_CHAT, "realtime", Dialect.REALTIME),
        (Shape.OPENAI_RESPONSES, "responses", Dialect.RESPONSES),
        (Shape.GEMINI, "live", Dialect.LIVE),
        (Shape.OTHER, "other", Dialect.OTHER),
    ],
)
def test_the_operation_tells_the_protocol(shape, operation, dialect):
    assert dialect_of(shape, operation) is dialect


def test_the_model_of_a_session_is_read_where_each_protocol_names_it():
    transcribing = {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
    }
    named = [
        read_message(Dialect.REALTIME, event("session.update", session={"model": "gpt-realtime"})),
        read_message(Dialect.REALTIME, event("session.update", session=transcribing)),
        read_message(Dialect.RESPONSES, event("response.create", model="gpt-5", input="x")),
        read_message(Dialect.LIVE, json.dumps({"setup": {"model": "models/gemini-live"}}).encode()),
        read_message(
            Dialect.LIVE,
            json.dumps(
                {"setup": {"model": "projects/p/locations/l/publishers/google/models/gemini-live"}}
            ).encode(),
        ),
    ]
    assert [said.model for said in named] == [
        "gpt-realtime",
        "gpt-4o-transcribe",
        "gpt-5",
        *["gemini-live"] * 2,
    ]
    assert opening_call(Dialect.REALTIME, "model=gpt-realtime&x=1").model == "gpt-realtime"
    assert opening_call(Dialect.REALTIME, "api-version=1&deployment=mine").model == "mine"


@given(st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_message_is_read_or_refused_by_the_declared_error(content):
    for dialect in Dialect:
        try:
            said = read_message(dialect, content)
        except Malformed:
            continue
        assert said.text_tokens >= 0


KEY = "sk-proj-0123456789abcdefghijkl"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"type": "x", "api_key": KEY}, True),
        ({"type": "x", "tools": [{"headers": {"Authorization": f"Bearer {KEY}"}}]}, True),
        ({"type": "x", "text": f"my key is {KEY}"}, False),
        ({"type": "x", "token": "none of a provider's form"}, False),
    ],
)
def test_a_key_is_noticed_where_keys_are_read_from(message, found):
    for dialect in (Dialect.REALTIME, Dialect.OTHER):
        assert read_message(dialect, json.dumps(message).encode()).foreign_keys is found
