import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.exchange import Shape
from policy.operations import operation_of


@pytest.mark.parametrize(
    ("path", "shape", "name", "model"),
    [
        ("/v1/chat/completions", Shape.OPENAI_CHAT, "chat_completions", None),
        ("/openai/v1/chat/completions", Shape.OPENAI_CHAT, "chat_completions", None),
        ("/api/paas/v4/chat/completions", Shape.OPENAI_CHAT, "chat_completions", None),
        ("/openai/deployments/my-gpt/chat/completions", Shape.OPENAI_CHAT, "chat_completions", "my-gpt"),
        ("/v1/engines/davinci/completions", Shape.OPENAI_CHAT, "completions", "davinci"),
        ("/v1/responses", Shape.OPENAI_RESPONSES, "responses", None),
        ("/v1/responses/compact", Shape.OPENAI_RESPONSES, "responses_compact", None),
        ("/v1/messages", Shape.ANTHROPIC_MESSAGES, "messages", None),
        ("/anthropic/v1/messages", Shape.ANTHROPIC_MESSAGES, "messages", None),
        ("/v1/messages/count_tokens", Shape.ANTHROPIC_MESSAGES, "count_tokens", None),
        ("/v1/embeddings", Shape.OPENAI_CHAT, "embeddings", None),
        ("/v1beta/models/gemini-2.5-pro:generateContent", Shape.GEMINI, "generate_content", "gemini-2.5-pro"),
        (
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
            Shape.GEMINI,
            "stream_generate_content",
            "gemini-2.5-pro",
        ),
        ("/v1beta/tunedModels/mine:generateContent", Shape.GEMINI, "generate_content", "tunedmodels/mine"),
        ("/v1internal:generateContent", Shape.GEMINI, "generate_content", None),
        (
            "/v1/projects/p/locations/eu/publishers/anthropic/models/claude-sonnet-4:streamRawPredict",
            Shape.ANTHROPIC_MESSAGES,
            "messages",
            "claude-sonnet-4",
        ),
        (
            "/model/eu.anthropic.claude-3-haiku-20240307-v1:0/converse-stream",
            Shape.OTHER,
            "converse_stream",
            "eu.anthropic.claude-3-haiku-20240307-v1:0",
        ),
        ("/v1/threads/t/messages", Shape.OTHER, "other", None),
        ("/", Shape.OTHER, "other", None),
        ("/unheard/of", Shape.OTHER, "other", None),
    ],
)
def test_the_tail_of_a_path_names_the_operation(
    path: str, shape: Shape, name: str, model: str | None
) -> None:
    assert operation_of(path, "POST") == (shape, name, model)


def test_reading_is_not_generating() -> None:
    assert operation_of("/v1/chat/completions", "GET").name == "read"
    assert operation_of("/v1/models", "GET").name == "models"


@given(st.text(max_size=60), st.sampled_from(["GET", "POST", "post", ""]))
def test_any_path_names_something(path: str, method: str) -> None:
    assert operation_of(path, method).name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/realtime/client_secret%73", "ephemeral_keys"),
        ("/v1/chat/complet%69ons", "chat_completions"),
        ("/v1beta/models/gemini-2.5-pro%3AgenerateContent", "generate_content"),
    ],
)
def test_an_encoded_path_is_read_as_its_provider_reads_it(path: str, name: str) -> None:
    assert operation_of(path, "POST").name == name


def test_a_model_of_bedrock_is_known_by_its_decoded_name() -> None:
    """botocore encodes the colon."""
    found = operation_of("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", "POST")
    assert found.model == "anthropic.claude-3-haiku-20240307-v1:0"
