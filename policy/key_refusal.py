"""Whether a provider's answer says that it does not take our key.

What a caller can bring about with a good key must not count, or anybody could have a tenant's keys marked:
an organisation or project of their own choice, a key of their own beside ours, an endpoint for which the
key has no right.

    OpenAI     401: https://platform.openai.com/docs/guides/error-codes
    Anthropic  401 authentication_error: https://docs.anthropic.com/en/api/errors
    Google     400, reason API_KEY_INVALID (google.rpc.ErrorInfo)
    AWS        403, x-amzn-errortype (common errors of Bedrock); it signs wrong requests off with others
"""

import json
from collections.abc import Mapping
from typing import Any

# No provider's error is longer; what lies beyond is not looked at.
ERROR_BYTES_MAX = 16 * 1024

_STATUSES = frozenset({400, 401, 403})
# OpenAI answers these with 401 for keys that are good.
_OF_THE_CALL = frozenset(
    {"mismatched_organization", "mismatched_project", "invalid_organization", "missing_scope"}
)
_AWS = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException"})
# With these a caller chooses on whose behalf the key is used.
_CHOSEN_BY_CALLER = ("openai-organization", "openai-project", "x-goog-user-project")


def may_tell(status: int) -> bool:
    """Whether an answer of this status may be one, so that its body has to be read."""
    return status in _STATUSES


def blames_the_key(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the answer refuses the key. Header names in lower case; never raises."""
    if status == 403:
        return headers.get("x-amzn-errortype", "").partition(":")[0] in _AWS
    error = _error(body)
    if status == 400:
        details = error.get("details")
        reasons = [item.get("reason") for item in _objects(details)]
        return "API_KEY_INVALID" in reasons
    return status == 401 and error.get("code") not in _OF_THE_CALL


def is_plain(headers: Mapping[str, str], keys: int) -> bool:
    """Whether our key alone said who was asking, in a request with ``keys`` keys: then a refusal is of it."""
    return keys == 1 and not any(name in headers for name in _CHOSEN_BY_CALLER)


def _error(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(document, list) and document:  # Google's, where a stream was asked for
        document = document[0]
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
