"""Where the models behind Bedrock's ``InvokeModel`` are told how much to write: each family in its own field.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. A field of another family is not
read: the model would not obey it, and less than it can cost would be held.
"""

import re
from collections.abc import Iterator, Mapping

# The family in a model's id, in that of an inference profile (eu.anthropic.…), or in the ARN of either.
_FAMILY = re.compile(
    r"(?:^|[./])(ai21|amazon\.nova|amazon\.titan|anthropic|cohere|deepseek|meta|mistral)[.-]"
)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "ai21": ("max_tokens", "maxTokens"),
    "amazon.nova": ("inferenceConfig.maxTokens", "inferenceConfig.max_new_tokens"),
    "amazon.titan": ("textGenerationConfig.maxTokenCount",),
    "anthropic": ("max_tokens", "max_tokens_to_sample"),
    "cohere": ("max_tokens",),
    "deepseek": ("max_tokens",),
    "meta": ("max_gen_len",),
    "mistral": ("max_tokens",),
}


def stated_ceilings(model: str | None, document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Each field of the model's family that the body has, with its value as it stands there, unchecked."""
    found = _FAMILY.search(model or "")
    for name in _FIELDS[found[1]] if found else ():
        holder, _, field = name.rpartition(".")
        place = document.get(holder) if holder else document
        if isinstance(place, Mapping) and field in place:
            yield field, place[field]
