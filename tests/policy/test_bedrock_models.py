"""What a model at Bedrock is told to write at most is read in its own family's field alone."""

import json

import pytest

from policy.exchange import Shape
from policy.inspection import Malformed, inspect


def ceiling(model: str, document: object) -> int | None:
    return inspect(Shape.OTHER, "invoke_stream", model, json.dumps(document).encode()).output_ceiling


@pytest.mark.parametrize(
    ("model", "document"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", {"max_tokens": 9}),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", {"max_tokens": 9}),
        ("arn:aws:bedrock:eu-west-1::inference-profile/eu.anthropic.claude-v2", {"max_tokens_to_sample": 9}),
        ("meta.llama3-3-70b-instruct-v1:0", {"max_gen_len": 9}),
        ("us.amazon.nova-lite-v1:0", {"inferenceConfig": {"max_new_tokens": 9}}),
        ("amazon.titan-text-express-v1", {"textGenerationConfig": {"maxTokenCount": 9}}),
        ("mistral.mistral-large-2402-v1:0", {"max_tokens": 9}),
        ("cohere.command-r-v1:0", {"max_tokens": 9}),
    ],
)
def test_the_ceiling_is_read_where_the_family_states_it(model: str, document: object) -> None:
    assert ceiling(model, document) == 9


@pytest.mark.parametrize(
    ("model", "document"),
    [
        ("meta.llama3-3-70b-instruct-v1:0", {"max_tokens": 9}),
        ("anthropic.claude-v2", {"inferenceConfig": {"maxTokens": 9}}),
        ("arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/abcdef", {"max_tokens": 9}),
        ("not-anthropic.claude", {"max_tokens": 9}),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": "9"}),
    ],
)
def test_a_field_that_the_model_would_not_obey_bounds_nothing(model: str, document: object) -> None:
    assert ceiling(model, document) is None


@pytest.mark.parametrize("number", [-1, True, 1.5, "9", 2**40])
def test_a_ceiling_that_is_none_is_refused(number: object) -> None:
    with pytest.raises(Malformed):
        ceiling("anthropic.claude-v2", {"max_tokens": number})
