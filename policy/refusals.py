"""Why a call is refused: the closed list of reasons, and the value that carries one.

The names are public (they stand in ``x-conduit-reason``); how a refusal is written for each provider's
SDK is ``policy.answers``.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """A public refusal code. Its HTTP status is in ``STATUS``."""

    UNIDENTIFIED = "unidentified"
    PLACEHOLDER_UNKNOWN = "placeholder_unknown"
    PLACEHOLDER_REVOKED = "placeholder_revoked"
    PLACEHOLDER_EXPIRED = "placeholder_expired"
    PLACEHOLDER_MISUSED = "placeholder_misused"
    IDENTITY_CONFLICT = "identity_conflict"
    UNVAULTED_KEY = "unvaulted_key"
    SHADOW_ENDPOINT = "shadow_endpoint"
    COACHED = "coached"
    MODEL_DENIED = "model_denied"
    REGION_DENIED = "region_denied"
    CONTENT_BLOCKED = "content_blocked"
    UNPRICED_MODEL = "unpriced_model"
    RATE_LIMITED = "rate_limited"
    TOKENS_LIMITED = "tokens_limited"
    CONCURRENCY_LIMITED = "concurrency_limited"
    BUDGET_EXHAUSTED = "budget_exhausted"
    REQUEST_MALFORMED = "request_malformed"
    REQUEST_TOO_LARGE = "request_too_large"
    DEGRADED = "degraded"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    INTERNAL = "internal"


STATUS: dict[Reason, int] = {
    Reason.UNIDENTIFIED: 401,
    Reason.PLACEHOLDER_UNKNOWN: 401,
    Reason.PLACEHOLDER_REVOKED: 401,
    Reason.PLACEHOLDER_EXPIRED: 401,
    Reason.PLACEHOLDER_MISUSED: 403,
    Reason.IDENTITY_CONFLICT: 403,
    Reason.UNVAULTED_KEY: 403,
    Reason.SHADOW_ENDPOINT: 403,
    Reason.COACHED: 403,
    Reason.MODEL_DENIED: 403,
    Reason.REGION_DENIED: 403,
    Reason.CONTENT_BLOCKED: 403,
    Reason.UNPRICED_MODEL: 403,
    Reason.RATE_LIMITED: 429,
    Reason.TOKENS_LIMITED: 429,
    Reason.CONCURRENCY_LIMITED: 429,
    Reason.BUDGET_EXHAUSTED: 429,
    Reason.REQUEST_MALFORMED: 400,
    Reason.REQUEST_TOO_LARGE: 413,
    Reason.DEGRADED: 503,
    Reason.UPSTREAM_UNREACHABLE: 502,
    Reason.UPSTREAM_TIMEOUT: 504,
    Reason.INTERNAL: 500,
}

PROXY_AUTHENTICATION_REQUIRED = 407

# Those that the passing of time, or the mending of a dependency, may cure. The OpenAI and Anthropic SDKs
# retry 429 and 5xx by themselves unless told `x-should-retry: false`.
RETRYABLE = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.TOKENS_LIMITED,
        Reason.CONCURRENCY_LIMITED,
        Reason.BUDGET_EXHAUSTED,
        Reason.DEGRADED,
        Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: the code, one sentence that says what to do, and the rule that decided.

    ``message`` is shown to the caller and must hold no secret and nothing of another tenant.
    ``rule`` names the deciding rule for the event. ``retry_after_s`` is in seconds, where time mends it.
    ``proxy`` is true where what was refused are credentials for the proxy itself (RFC 9110 section 15.5.8).
    """

    reason: Reason
    message: str
    rule: str
    retry_after_s: int | None = None
    proxy: bool = False

    @property
    def status(self) -> int:
        return PROXY_AUTHENTICATION_REQUIRED if self.proxy else STATUS[self.reason]

    @property
    def retryable(self) -> bool:
        return self.reason in RETRYABLE
