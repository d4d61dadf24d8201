import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import usage as metering
from policy.exchange import Call, Shape, Usage
from policy.inspection import inspect, operation_of
from policy.strict_json import VALUES_MAX
from policy.usage import Meter
from tests.standins.recordings import FOLDER, Recording

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
RECORDINGS = [
    Recording.from_json(path.stem, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))
]
ANSWERED = [recording for recording in RECORDINGS if recording.status == 200]


def a_call(
    *, model: str = "gpt-4o", tokens: int = 300, output: int | None = 100, stream: bool = True
) -> Call:
    return Call("chat_completions", model, stream, tokens, output, 1, False, tokens)


def a_meter(shape: Shape = Shape.OPENAI_CHAT, provider: str = "openai", **fields: object) -> Meter:
    defaults: dict[str, object] = {"operation": "chat_completions", "content_type": "text/event-stream"}
    return Meter(shape, provider=provider, **{**defaults, **fields})  # type: ignore[arg-type]


def of_recording(recording: Recording, **fields: object) -> tuple[Meter, Call]:
    shape, operation, model = operation_of(recording.path, recording.method)
    headers = dict(recording.headers)
    meter = Meter(
        shape,
        provider=recording.provider,
        operation=operation,
        content_type=headers.get("content-type", ""),
        **fields,  # type: ignore[arg-type]
    )
    return meter, inspect(shape, operation, model, json.dumps(recording.request).encode())


def last(pattern: str, text: str) -> int:
    found: list[str] = re.findall(pattern + r'":\s*(\d+)', text)
    return int(found[-1]) if found else 0


def reported(recording: Recording) -> int:
    """The output tokens that the text of the answer states, found without the code under test."""
    text = recording.plain.decode()
    if recording.provider == "google":
        return last('"candidatesTokenCount', text) + last('"thoughtsTokenCount', text)
    return last('"(?:completion_tokens|output_tokens)', text)


def sse(*documents: object) -> list[bytes]:
    return [f"data: {json.dumps(document)}\n\n".encode() for document in documents]


def chunk(text: str = "", usage: object = None, **choice: object) -> dict[str, object]:
    return {
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": {"content": text}, **choice}],
        "usage": usage,
    }


USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
USAGE_ONLY = {"model": "gpt-4o", "choices": [], "usage": USAGE}


def read(meter: Meter, *chunks: bytes, call: Call | None = None) -> Usage:
    for part in chunks:
        assert meter.feed(part) == part
    meter.finish()
    return meter.usage(call or a_call(), AT)


@pytest.mark.parametrize("recording", ANSWERED, ids=lambda recording: recording.name)
def test_recorded_answers_pass_unaltered_and_are_metered_as_the_provider_reports(
    recording: Recording,
) -> None:
    meter, call = of_recording(recording)
    body = recording.plain
    cut = [body[start : start + 7] for start in range(0, len(body), 7)]
    assert b"".join(meter.feed(part) for part in cut) + meter.finish() == body
    used = meter.usage(call, AT)
    expected = reported(recording)
    if expected:
        assert (used.output_tokens, used.estimated) == (expected, False)
        assert 0 < used.input_tokens <= call.input_tokens_ceiling
    else:
        assert used.estimated
        assert used.output_tokens > 0
    assert used.cost is not None
    assert used.cost > 0


@pytest.mark.parametrize(
    "recording", [r for r in ANSWERED if r.streams], ids=lambda recording: recording.name
)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_any_chunking_meters_the_same(recording: Recording, cuts: list[int]) -> None:
    whole, call = of_recording(recording)
    whole.feed(recording.body)
    parts, _ = of_recording(recording)
    edges = [0, *sorted(min(cut, len(recording.body)) for cut in cuts), len(recording.body)]
    for start, end in zip(edges, edges[1:], strict=False):  # noqa: RUF007
        parts.feed(recording.body[start:end])
    assert (parts.finish(), parts.usage(call, AT)) == (whole.finish(), whole.usage(call, AT))


@pytest.mark.parametrize(("operation", "cost"), [("models", 0), ("read", 0), ("chat_completions", None)])
def test_what_no_provider_charges_for_is_no_unknown_price(operation: str, cost: int | None) -> None:
    meter = a_meter(operation=operation, content_type="application/json")
    meter.feed(b'{"object": "list", "data": []}')
    meter.finish()
    used = meter.usage(Call(operation, None, False, 0, None, 1, False, 0), datetime.now(UTC))
    assert (used.cost, used.estimated) == (cost, cost is None)


def test_an_answer_that_is_fetched_again_is_not_charged_again() -> None:
    told = b'{"object": "response", "model": "gpt-5.2", "usage": {"input_tokens": 9, "output_tokens": 7}}'
    used = {}
    for operation in ("responses", "read"):
        meter = a_meter(shape=Shape.OPENAI_RESPONSES, operation=operation, content_type="application/json")
        meter.feed(told)
        used[operation] = meter.usage(
            Call(operation, "gpt-5.2", False, 9, None, 1, False, 0), datetime.now(UTC)
        )
    assert (used["responses"].output_tokens, used["read"].output_tokens) == (7, 0)
    assert (used["responses"].cost or 0) > 0
    assert used["read"].cost == 0


def test_cached_and_reasoning_tokens_are_parts_and_not_additions() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    used = read(a_meter(), *sse(chunk("hi", finish_reason="stop"), {**USAGE_ONLY, "usage": usage}))
    assert (used.input_tokens, used.cache_read_tokens, used.output_tokens, used.reasoning_tokens) == (
        100,
        60,
        50,
        20,
    )


def test_anthropic_input_holds_its_cache_once() -> None:
    start = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 7,
        "output_tokens": 1,
    }
    used = read(
        a_meter(Shape.ANTHROPIC_MESSAGES, "anthropic", operation="messages"),
        *sse(
            {"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": start}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        ),
    )
    assert (used.input_tokens, used.cache_read_tokens, used.cache_write_tokens) == (22, 7, 5)
    assert (used.output_tokens, used.estimated) == (9, False)


def test_a_stream_that_breaks_off_is_charged_for_what_was_delivered() -> None:
    text = "x" * 3_000
    used = read(a_meter(), *sse(*[chunk(text[start : start + 100]) for start in range(0, 3_000, 100)]))
    assert used.estimated
    assert (used.input_tokens, used.output_tokens) == (100, 1_000)


def test_what_was_reported_before_the_break_stands() -> None:
    used = read(
        a_meter(Shape.ANTHROPIC_MESSAGES, "anthropic", operation="messages"),
        *sse(
            {
                "type": "message_start",
                "message": {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 44, "output_tokens": 1}},
            },
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word " * 30}},
        ),
    )
    assert (used.input_tokens, used.output_tokens, used.estimated) == (44, 75, True)


@pytest.mark.parametrize(
    "number", [-5, -0.5, float("nan"), float("inf"), 10**12, True, "17", None, [], {"a": 1}]
)
def test_a_count_that_cannot_be_one_never_credits(number: object) -> None:
    for broken in ({**USAGE, "completion_tokens": number}, {**USAGE, "prompt_tokens": number}):
        stream = sse(chunk("word " * 60, finish_reason="stop"), {**USAGE_ONLY, "usage": broken})
        used = read(a_meter(), *stream)
        assert used.estimated
        assert used.output_tokens >= 100
        assert used.input_tokens >= 12


def test_a_report_that_cannot_hold_the_text_delivered_is_not_believed() -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0}
    stream = sse(chunk("word " * 200, finish_reason="stop"), {**USAGE_ONLY, "usage": nothing})
    assert read(a_meter(), *stream).output_tokens >= 200
    short = sse(chunk("ok", finish_reason="stop"), {**USAGE_ONLY, "usage": nothing})
    assert read(a_meter(), *short).output_tokens == 0


def test_the_usage_chunk_that_we_asked_for_is_hidden_and_counted() -> None:
    before, after = sse(chunk("hi", finish_reason="stop")), [b"data: [DONE]\n\n"]
    meter = a_meter(hide_usage=True)
    passed = b"".join(meter.feed(part) for part in [*before, *sse(USAGE_ONLY), *after]) + meter.finish()
    assert passed == b"".join([*before, *after])
    assert meter.usage(a_call()).output_tokens == 5


def test_usage_beside_text_is_not_hidden() -> None:
    meter = a_meter(hide_usage=True)
    stream = b"".join(sse(chunk("hi", USAGE, finish_reason="stop")))
    assert meter.feed(stream) + meter.finish() == stream


@pytest.mark.parametrize(
    "fields",
    [
        {"hide_usage": False},
        {"provider": "mistral"},
        {"shape": Shape.OPENAI_RESPONSES},
        {"content_encoding": "gzip"},
    ],
)
def test_nothing_is_hidden_where_nothing_was_asked_for(fields: dict[str, object]) -> None:
    meter = a_meter(**{"hide_usage": True, **fields})  # type: ignore[arg-type]
    stream = b"".join(sse(USAGE_ONLY))
    assert meter.feed(stream) + meter.finish() == stream


@given(st.lists(st.integers(0, 2_000), max_size=6))
def test_hiding_is_exact_for_any_chunking(cuts: list[int]) -> None:
    kept = [*sse(chunk("é"), chunk("b")), b": ping\r\n\r\n", *sse(chunk("c", USAGE)), b"data: [DONE]\n\n"]
    stream = b"".join([*kept[:3], *sse(USAGE_ONLY), *kept[3:]])
    meter = a_meter(hide_usage=True)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    passed = b"".join(meter.feed(stream[a:b]) for a, b in zip(edges, edges[1:], strict=False))  # noqa: RUF007
    assert passed + meter.finish() == b"".join(kept)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip"])
def test_an_answer_that_is_still_encoded_is_counted_by_its_bytes(encoding: str) -> None:
    used = read(a_meter(content_encoding=encoding), b"\x01" * 300, call=a_call())
    assert (used.output_tokens, used.estimated) == (100, True)


def test_a_long_whole_answer_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "ANSWER_BYTES_MAX", 1_000)
    assert read(a_meter(content_type="application/json"), b'"', *[b"x" * 500] * 5).output_tokens > 800


def test_usage_of_long_vectors_is_found_without_reading_them() -> None:
    vectors = [{"object": "embedding", "embedding": [0.1] * 1_000}]
    body = json.dumps(
        {"data": vectors, "model": "m", "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    ).encode()
    meter = a_meter(content_type="application/json", operation="embeddings")
    used = read(meter, body, call=a_call(model="text-embedding-3-small", output=0))
    assert (used.input_tokens, used.output_tokens, used.estimated) == (8, 0, False)
    assert used.cost == 1


def test_gemini_without_sse_streams_an_array() -> None:
    usage = {"promptTokenCount": 8, "candidatesTokenCount": 4, "thoughtsTokenCount": 6}
    answers = [
        {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "usageMetadata": {"promptTokenCount": 8}},
        {
            "candidates": [{"content": {}, "finishReason": "STOP"}],
            "usageMetadata": usage,
            "modelVersion": "gemini-2.5-pro",
        },
    ]
    meter = a_meter(
        Shape.GEMINI,
        "google",
        operation="stream_generate_content",
        content_type="application/json; charset=UTF-8",
    )
    used = read(meter, *[bytes([byte]) for byte in json.dumps(answers).encode()])
    assert (used.input_tokens, used.output_tokens, used.reasoning_tokens, used.estimated) == (8, 10, 6, False)


def test_output_so_far_grows_as_the_stream_flows() -> None:
    meter = a_meter()
    seen = []
    for part in sse(*[chunk("word " * 10)] * 3):
        meter.feed(part)
        seen.append(meter.output_tokens_so_far)
    assert seen == [17, 34, 50]


@given(
    st.sampled_from(list(Shape)),
    st.sampled_from(["text/event-stream", "application/json", "application/x-ndjson", "audio/mpeg", ""]),
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from([
            b'data: {"type":"message_start","message":{"usage":{"input_tokens":{}}}}\n\n',
            b'{"usage":{"prompt_tokens":[1],"completion_tokens":1e400}}\n',
            b'data: {"choices":[{"delta":[[["x"]]]}],"usage":{"a":null}}\n\n',
            b'[{"candidates":[{"content":"x"}],"usageMetadata":{"promptTokensDetails":7}}',
            b'{"type":"response.completed","response":{"usage":{"input_tokens":-1}}}',
        ]),
        max_size=5,
    ),
)  # fmt: skip
def test_any_answer_is_metered_and_none_raises(shape: Shape, content_type: str, chunks: list[bytes]) -> None:
    meter = a_meter(shape, content_type=content_type)
    used = read(meter, *chunks)
    assert min(used.input_tokens, used.output_tokens, used.reasoning_tokens) >= 0
    assert used.cost is None or used.cost >= 0


def item(kind: str, number: int, **fields: object) -> dict[str, object]:
    return {"type": f"response.output_item.{kind}", "output_index": number, "item": fields}


def responses_meter(*documents: object) -> Meter:
    meter = a_meter(Shape.OPENAI_RESPONSES)
    for each in sse(*documents):
        meter.feed(each)
    return meter


def test_reasoning_that_a_broken_off_answer_hides_is_charged_and_never_cuts() -> None:
    begun = item("added", 0, type="reasoning", summary=[])
    meter = responses_meter(begun)
    assert meter.output_tokens_so_far == 0
    usage = meter.usage(a_call())
    assert usage.estimated
    assert usage.output_tokens == 519

    # As recorded: 512 tokens of reasoning in 4,196 bytes.
    encrypted = item("done", 0, type="reasoning", summary=[], encrypted_content="x" * 4196)
    usage = responses_meter(begun, encrypted).usage(a_call())
    assert 512 <= usage.output_tokens <= 768


def test_what_a_streamed_item_says_is_counted_once() -> None:
    call = {"type": "function_call", "name": "weather", "call_id": "c", "arguments": ""}
    arguments = '{"city": "Berlin"}'
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": arguments}
    parts = [item("added", 0, **call), delta]
    before = responses_meter(*parts).estimated_output
    assert (
        before == responses_meter(*parts, item("done", 0, **call | {"arguments": arguments})).estimated_output
    )
    # What comes whole, without deltas, is counted as if it had come in some.
    whole = {"object": "response", "output": [call | {"arguments": arguments}]}
    meter = a_meter(Shape.OPENAI_RESPONSES, content_type="application/json")
    meter.feed(json.dumps(whole).encode())
    assert meter.usage(a_call()).output_tokens == before


def test_what_a_tool_says_is_not_taken_for_the_models() -> None:
    tools = item("done", 0, type="mcp_list_tools", tools=[{"name": "t", "description": "long " * 1000}])
    assert responses_meter(tools).estimated_output < 20


MANY = b",".join([b"{}"] * (VALUES_MAX // 2 + 1))


def test_of_an_answer_of_too_many_values_the_usage_is_read():
    meter = a_meter(content_type="application/json")
    usage = b'{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}'
    meter.feed(b'{"model":"gpt-4o","x":[' + MANY + b'],"usage":' + usage + b"}")
    found = meter.usage(a_call(stream=False), AT)
    assert (found.input_tokens, found.output_tokens, found.estimated) == (7, 5, False)


def test_an_answer_of_too_many_values_that_tells_no_usage_is_estimated_by_its_length():
    meter = a_meter(content_type="application/json")
    meter.feed(b'{"model":"gpt-4o","x":[' + MANY + b"]}")
    found = meter.usage(a_call(stream=False), AT)
    assert found.estimated
    assert found.output_tokens >= len(MANY) // 10
