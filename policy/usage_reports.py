"""What a provider says that each of its keys has used, a day and key at a time; read strictly.

    OpenAI     https://platform.openai.com/docs/api-reference/usage (completions, embeddings)
    Anthropic  https://docs.anthropic.com/en/api/admin-api/usage-cost/get-messages-usage-report

A field that is not a count, a page that leads nowhere and a page that leads back are errors, not zeros: what
cannot be read must not look like a key that nobody has used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

COUNT_MAX = 2**53

Count = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]
Cursor = Annotated[str, Field(min_length=1, max_length=4096)]


class UnreadableReport(ValueError):
    """An answer that is not the usage report that it should be; the text names fields, never values."""


@dataclass(frozen=True, slots=True)
class KeyDay:
    """One key, by the provider's id of it, on one day in UTC."""

    key_id: str
    day: date


@dataclass(frozen=True, slots=True)
class Used:
    """What was used: tokens in and out with all that is cached, and requests where they are counted."""

    tokens: int = 0
    requests: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.tokens + other.tokens, self.requests + other.requests)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a report, and the cursor of the next if there is one."""

    used: Mapping[KeyDay, Used]
    next: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """One report of a provider: where it is, what is asked for, and how a page of it is read."""

    path: str
    query: Callable[[datetime, datetime], Sequence[tuple[str, str]]]
    read: Callable[[bytes], Page]


class _Part(BaseModel):
    """Providers add fields; those that are read must be right."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _OpenAIResult(_Part):
    api_key_id: str | None = None
    input_tokens: Count
    output_tokens: Count = 0
    input_audio_tokens: Count = 0
    output_audio_tokens: Count = 0
    num_model_requests: Count


class _OpenAIBucket(_Part):
    start_time: Count
    results: list[_OpenAIResult]


class _OpenAIPage(_Part):
    object: Literal["page"]
    data: list[_OpenAIBucket]
    has_more: Annotated[bool, Field(strict=True)]
    next_page: Cursor | None = None


class _CacheCreation(_Part):
    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class _AnthropicResult(_Part):
    api_key_id: str | None = None
    uncached_input_tokens: Count
    cache_read_input_tokens: Count
    cache_creation: _CacheCreation
    output_tokens: Count


class _AnthropicBucket(_Part):
    starting_at: datetime
    results: list[_AnthropicResult]


class _AnthropicPage(_Part):
    data: list[_AnthropicBucket]
    has_more: Annotated[bool, Field(strict=True)]
    next_page: Cursor | None = None


_OPENAI, _ANTHROPIC = TypeAdapter(_OpenAIPage), TypeAdapter(_AnthropicPage)


def _openai(body: bytes) -> Page:
    page = _read(_OPENAI, body)
    used: dict[KeyDay, Used] = {}
    for bucket in page.data:
        day = _day(bucket.start_time)
        for result in bucket.results:
            tokens = result.input_tokens + result.output_tokens
            tokens += result.input_audio_tokens + result.output_audio_tokens
            _add(used, result.api_key_id, day, Used(tokens, result.num_model_requests))
    return Page(used, _next(has_more=page.has_more, cursor=page.next_page))


def _anthropic(body: bytes) -> Page:
    page = _read(_ANTHROPIC, body)
    used: dict[KeyDay, Used] = {}
    for bucket in page.data:
        if bucket.starting_at.tzinfo is None:
            raise UnreadableReport("a bucket's time has no offset")
        day = bucket.starting_at.astimezone(UTC).date()
        for result in bucket.results:
            written = result.cache_creation
            tokens = result.uncached_input_tokens + result.cache_read_input_tokens + result.output_tokens
            tokens += written.ephemeral_5m_input_tokens + written.ephemeral_1h_input_tokens
            _add(used, result.api_key_id, day, Used(tokens))
    return Page(used, _next(has_more=page.has_more, cursor=page.next_page))


def _read[Model](adapter: TypeAdapter[Model], body: bytes) -> Model:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        wrong = sorted({".".join(map(str, problem["loc"])) or "JSON" for problem in error.errors()})
        raise UnreadableReport(f"the report is wrong at: {', '.join(wrong[:5])}") from None


def _day(seconds: int) -> date:
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (OverflowError, ValueError, OSError):
        raise UnreadableReport("a bucket's time is none") from None


def _next(*, has_more: bool, cursor: str | None) -> str | None:
    if has_more and cursor is None:
        raise UnreadableReport("there is more, but no page to go to")
    return cursor if has_more else None


def _add(used: dict[KeyDay, Used], key_id: str | None, day: date, more: Used) -> None:
    """Use without a key (the provider's own workbench) is nobody's here."""
    if key_id is not None:
        place = KeyDay(key_id, day)
        used[place] = used.get(place, Used()) + more


def _openai_query(since: datetime, until: datetime) -> Sequence[tuple[str, str]]:
    return (
        ("start_time", str(int(since.timestamp()))),
        ("end_time", str(int(until.timestamp()))),
        ("bucket_width", "1d"),
        ("group_by", "api_key_id"),
        ("limit", "31"),
    )


def _anthropic_query(since: datetime, until: datetime) -> Sequence[tuple[str, str]]:
    return (
        ("starting_at", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("ending_at", until.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("bucket_width", "1d"),
        ("group_by[]", "api_key_id"),
        ("limit", "31"),
    )


REPORTS: Mapping[str, tuple[Report, ...]] = {
    "openai": (
        Report("/v1/organization/usage/completions", _openai_query, _openai),
        Report("/v1/organization/usage/embeddings", _openai_query, _openai),
    ),
    "anthropic": (Report("/v1/organizations/usage_report/messages", _anthropic_query, _anthropic),),
}
"""The providers that say what each of their keys has used, by the ids of genai-prices."""
