"""Bedrock's streams: read as Amazon's own SDK reads them, metered, and ended so that it raises."""

import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from policy.amazon_events import MEDIA_TYPE, AmazonEvents, exception_message
from policy.answers import stream_ending
from policy.exchange import Call, Shape
from policy.refusals import Reason, Refusal
from policy.usage import Meter
from tests.standins.bedrock import CONVERSE, INVOKE, METRICS, chunk

LLAMA = [
    chunk({"generation": "Hello there. " * 4, "stop_reason": None}),
    chunk({"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": METRICS}),
]


def metered(operation: str, *parts: bytes) -> Any:
    meter = Meter(Shape.OTHER, provider="aws", operation=operation, content_type=MEDIA_TYPE)
    for part in parts:
        assert meter.feed(part) == part
    meter.finish()
    model = "anthropic.claude-3-5-sonnet-20240620-v1:0"
    return meter.usage(Call(operation, model, True, 300, None, 1, False, 300))


@pytest.mark.parametrize(
    ("operation", "stream"),
    [("converse_stream", CONVERSE), ("invoke_stream", INVOKE), ("invoke_stream", LLAMA)],
    ids=["converse", "anthropic", "llama"],
)
def test_a_whole_stream_is_charged_as_reported(operation: str, stream: list[bytes]) -> None:
    usage = metered(operation, *stream)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (12, 17, False)


@pytest.mark.parametrize(
    ("operation", "stream"),
    [("converse_stream", CONVERSE[:2]), ("invoke_stream", INVOKE[:2]), ("invoke_stream", LLAMA[:1])],
    ids=["converse", "anthropic", "llama"],
)
def test_a_stream_that_was_aborted_is_estimated_by_what_came(operation: str, stream: list[bytes]) -> None:
    usage = metered(operation, *stream)
    assert usage.estimated
    assert usage.output_tokens >= len("Hello there. " * 4) // 3


@given(st.lists(st.integers(1, 60), max_size=30))
def test_messages_are_found_wherever_the_chunks_end(sizes: list[int]) -> None:
    stream, events, given_ = b"".join(CONVERSE), AmazonEvents(), []
    for size in [*sizes, len(stream)]:
        given_ += events.feed(stream[:size])
        stream = stream[size:]
    assert [event.raw for event in given_] == CONVERSE
    assert given_[3].name == b"metadata"
    assert (events.open_bytes, events.finish()) == (0, [])


@given(st.binary(max_size=200), st.integers(0, 300))
def test_what_is_no_message_passes_uncounted_and_never_raises(rubbish: bytes, place: int) -> None:
    stream, events = CONVERSE[0] + rubbish + CONVERSE[1], AmazonEvents()
    given_ = [*events.feed(stream[:place]), *events.feed(stream[place:]), *events.finish()]
    assert b"".join(event.raw for event in given_) == stream


def test_a_cut_ends_in_an_exception_that_amazons_sdk_reads() -> None:
    refusal = Refusal(Reason.BUDGET_EXHAUSTED, "The budget is used up.", "limit:x", None)
    ending = stream_ending(refusal, Shape.OTHER, "request-1", content_type=MEDIA_TYPE)
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(CONVERSE[:2]) + ending)
    *_, last = list(buffer)
    told = last.to_response_dict()
    assert told["status_code"] == 400
    assert told["headers"][":exception-type"] == "throttlingException"
    assert "budget_exhausted" in json.loads(told["body"])["message"]


def test_what_is_written_is_read_back() -> None:
    (event,) = AmazonEvents().feed(exception_message("validationException", {"message": "é"}))
    assert json.loads(event.data or b"") == {"message": "é"}
