import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Shape
from policy.inspection import Malformed, inspect, may_ask_usage, with_usage_asked
from policy.media import IMAGE_TOKENS, STORED_CONTEXT_TOKENS

CHAT = (Shape.OPENAI_CHAT, "chat_completions", None)
RESPONSES = (Shape.OPENAI_RESPONSES, "responses", None)
MESSAGES = (Shape.ANTHROPIC_MESSAGES, "messages", None)
GEMINI = (Shape.GEMINI, "generate_content", "gemini-2.5-pro")
HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def chat(**fields: object) -> bytes:
    return body({**HELLO, **fields})


def test_a_chat_call_is_read_whole() -> None:
    call = inspect(*CHAT, chat(stream=True, max_tokens=10, max_completion_tokens=20, n=3))
    assert (call.model, call.stream, call.output_ceiling, call.choices) == ("gpt-4o", True, 20, 3)
    assert call.input_tokens_ceiling >= call.body_bytes > 5
    assert not call.asks_usage


@pytest.mark.parametrize(
    ("target", "document", "ceiling", "choices"),
    [
        (RESPONSES, {"model": "gpt-5", "input": "hi", "max_output_tokens": 7}, 7, 1),
        (MESSAGES, {"model": "claude", "messages": [], "max_tokens": 9}, 9, 1),
        (GEMINI, {"contents": [], "generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}}, 5, 2),
        (GEMINI, {"contents": [], "generation_config": {"max_output_tokens": 6}}, 6, 1),
        (GEMINI, {"contents": []}, None, 1),
        (CHAT, {**HELLO, "max_tokens": None}, None, 1),
        (CHAT, {**HELLO, "max_tokens": 0}, None, 1),
        (
            (Shape.OPENAI_CHAT, "completions", None),
            {"model": "m", "prompt": ["a", "b"], "best_of": 3},
            None,
            6,
        ),
        ((Shape.OPENAI_CHAT, "completions", None), {"model": "m", "prompt": [1, 2, 3], "n": 2}, None, 2),
        ((Shape.OPENAI_CHAT, "embeddings", None), {"model": "m", "input": ["a", "b"]}, 0, 1),
        (
            (Shape.OTHER, "converse", "claude"),
            {"messages": [], "inferenceConfig": {"maxTokens": 11}},
            11,
            1,
        ),
    ],
)
def test_the_ceiling_is_read_in_each_shape(
    target: tuple[Shape, str, str | None], document: object, ceiling: int | None, choices: int
) -> None:
    call = inspect(*target, body(document))
    assert (call.output_ceiling, call.choices) == (ceiling, choices)


@pytest.mark.parametrize("number", [-1, True, 1.5, 100.0, "100", 10**12, [], {}])
def test_a_ceiling_that_could_be_read_two_ways_is_refused(number: object) -> None:
    for target, document in (
        (CHAT, {**HELLO, "max_tokens": number}),
        (CHAT, {**HELLO, "n": number}),
        (RESPONSES, {"model": "m", "input": "", "max_output_tokens": number}),
        (MESSAGES, {"model": "m", "messages": [], "max_tokens": number}),
        (GEMINI, {"generationConfig": {"maxOutputTokens": number}}),
        (GEMINI, {"generation_config": {"candidate_count": number}}),
    ):
        with pytest.raises(Malformed):
            inspect(*target, body(document))


@pytest.mark.parametrize(
    ("target", "document"),
    [
        (CHAT, {**HELLO, "Max_Tokens": 5}),
        (CHAT, {**HELLO, "MODEL": "dear"}),
        (CHAT, {**HELLO, "stream": "true"}),
        (CHAT, {**HELLO, "stream": 1}),
        (CHAT, {**HELLO, "stream_options": []}),
        (CHAT, {**HELLO, "stream_options": {"include_usage": "yes"}}),
        (CHAT, {**HELLO, "model": 5}),
        (CHAT, {**HELLO, "model": ""}),
        (CHAT, {**HELLO, "model": "a\nb"}),
        (CHAT, {**HELLO, "model": "m" * 257}),
        (CHAT, [HELLO]),
        (RESPONSES, {"model": "m", "input": "x", "background": True}),
        (GEMINI, {"generationConfig": {}, "generation_config": {"maxOutputTokens": 5}}),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 5, "max_output_tokens": 50}}),
        (GEMINI, {"model": "models/gemini-dear"}),
        (
            (Shape.GEMINI, "embeddings", "gemini-2.5-pro"),
            {"requests": [{"model": "models/gemini-2.5-pro"}, {"model": "models/other"}]},
        ),
    ],
)
def test_what_a_provider_could_read_otherwise_is_refused(
    target: tuple[Shape, str, str | None], document: object
) -> None:
    with pytest.raises(Malformed):
        inspect(*target, body(document))


def test_an_empty_body_is_nothing_to_read_and_malformed_to_generate_from() -> None:
    assert inspect(Shape.OPENAI_CHAT, "models", None, b"").input_tokens_ceiling == 0
    assert inspect(Shape.OTHER, "other", None, b"").output_ceiling == 0
    with pytest.raises(Malformed):
        inspect(*CHAT, b"")


def test_a_model_in_the_path_wins_and_may_be_repeated_in_a_gemini_body() -> None:
    assert inspect(*GEMINI, body({"model": "models/gemini-2.5-pro"})).model == "gemini-2.5-pro"
    assert inspect(Shape.OPENAI_CHAT, "chat_completions", "deployed", chat()).model == "deployed"


FORM = "multipart/form-data; boundary=x"
TRANSCRIPTION = (Shape.OPENAI_CHAT, "audio_transcriptions", None)


def form(*models: str) -> bytes:
    parts = (f'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n{each}\r\n' for each in models)
    return "".join(parts).encode() + b"--x--\r\n"


def test_a_form_with_a_file_names_its_model() -> None:
    assert inspect(*TRANSCRIPTION, form("whisper-1"), FORM).model == "whisper-1"
    with pytest.raises(Malformed):
        inspect(*TRANSCRIPTION, form("whisper-1", "dear"), FORM)


def test_a_form_full_of_what_looks_like_fields_is_read_in_one_pass() -> None:
    """It took a second for a hundred kilobytes, and four for twice as many."""
    with pytest.raises(Malformed):
        inspect(*TRANSCRIPTION, b"--x\r\n" + b'name="model"\r\n' * 500_000, FORM)


@pytest.mark.parametrize("blanks", [0, 64, 5000])
def test_blanks_before_a_body_hide_nothing(blanks: int) -> None:
    document = b" " * blanks + body({"model": "dear", "n": 2})
    assert inspect(Shape.OTHER, "rerank", None, document).model == "dear"
    assert inspect(*TRANSCRIPTION, document, "application/json").model == "dear"


def image(data: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


@pytest.mark.parametrize(
    "part",
    [
        image("A" * 400_000),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}},
        {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 400_000},
        {"inlineData": {"mimeType": "image/png", "data": "A" * 400_000}},
    ],
)
def test_an_image_costs_a_fixed_amount_and_not_its_bytes(part: object) -> None:
    call = inspect(*CHAT, chat(messages=[{"role": "user", "content": [part]}]))
    assert IMAGE_TOKENS <= call.input_tokens_ceiling < IMAGE_TOKENS + 1_000


def test_text_dressed_as_an_image_where_the_model_reads_text_counts_as_text() -> None:
    dressed = {"type": "tool_use", "input": {"url": "data:image/png," + "x" * 50_000}}
    assert inspect(*MESSAGES, chat(messages=[dressed])).input_tokens_ceiling > 50_000


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"web_search_options": {}},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"googleSearch": {}}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
    ],
)
def test_context_that_the_request_only_names_is_reserved_for(fields: dict[str, object]) -> None:
    assert inspect(*CHAT, chat(**fields)).input_tokens_ceiling > STORED_CONTEXT_TOKENS


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"name": "f", "input_schema": {}}]},
        {"tools": [{"functionDeclarations": []}]},
        {"messages": [{"role": "user", "content": "where is file_id set?"}]},
        {"previous_response_id": None},
    ],
)
def test_context_that_stands_in_the_request_is_not_reserved_twice(fields: dict[str, object]) -> None:
    assert inspect(*CHAT, chat(**fields)).input_tokens_ceiling < STORED_CONTEXT_TOKENS


@pytest.mark.parametrize(
    "before",
    [
        b'{"stream": true, "x": [1.0, "\\u00e9"]}',
        b' \n{"stream_options":null,"stream":true}',
        b'{"stream":true,"stream_options": {"include_obfuscation": false}, "z": 1e5}',
        b'{"stream":true,"stream\\u005foptions":{"include_usage":false}}',
        b'{"a":{"stream_options":{"include_usage":false}},"b":"\\"stream_options\\":1","stream":true}',
        b"{}",
    ],
)
def test_asking_for_usage_changes_nothing_else(before: bytes) -> None:
    after = with_usage_asked(before)
    expected = json.loads(before)
    expected["stream_options"] = {**(expected.get("stream_options") or {}), "include_usage": True}
    assert json.loads(after) == expected
    assert inspect(*CHAT, after).asks_usage
    assert b"\\u00e9" not in before or b'"x": [1.0, "\\u00e9"]' in after


def test_usage_is_asked_only_where_it_is_missing_and_understood() -> None:
    streamed = inspect(*CHAT, chat(stream=True))
    assert may_ask_usage("openai", streamed)
    assert not may_ask_usage("mistral", streamed)
    assert not may_ask_usage(None, streamed)
    assert not may_ask_usage("openai", inspect(*CHAT, chat()))
    assert not may_ask_usage(
        "openai", inspect(*CHAT, chat(stream=True, stream_options={"include_usage": True}))
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "model",
        "stream",
        "stream_options",
        "max_tokens",
        "n",
        "generationConfig",
        "tools",
        "prompt",
        "requests",
        "messages",
        "inferenceConfig",
        "source",
        "url",
        "data",
        "type",
        "image_url",
        "mimeType",
        "background",
    ]
)


@given(
    st.sampled_from(list(Shape)),
    st.sampled_from(["chat_completions", "completions", "other", "files", "converse", "embeddings", "read"]),
    st.sampled_from([None, "m"]),
    st.dictionaries(fields, values | st.dictionaries(fields, values)).map(body) | st.binary(max_size=50),
)
def test_any_body_is_read_or_refused_by_the_declared_error(
    shape: Shape, operation: str, path_model: str | None, content: bytes
) -> None:
    try:
        call = inspect(shape, operation, path_model, content)
    except Malformed:
        return
    assert call.input_tokens_ceiling >= 0
    assert call.choices >= 1
    assert call.output_ceiling is None or call.output_ceiling >= 0
