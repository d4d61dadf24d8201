"""Usage reports as OpenAI's and Anthropic's administrators get them: by day and key, in pages."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.standins.answers import Answer
from tests.standins.provider import Seen

OPENAI, ANTHROPIC = "api.openai.com", "api.anthropic.com"
_PATHS = ("/v1/organization/usage/completions", "/v1/organization/usage/embeddings")
_MESSAGES = "/v1/organizations/usage_report/messages"


@dataclass(slots=True)
class UsageReports:
    """What both providers count: tokens by key id and day. ``page_days`` buckets make a page."""

    admin_keys: Mapping[str, str]
    used: dict[tuple[str, date], int] = field(default_factory=dict)
    page_days: int = 1

    def answer(self, seen: Seen) -> Answer | None:
        """The answer to a request for a report; ``None`` for any other request."""
        target = urlsplit(seen.target)
        if seen.host == OPENAI and target.path in _PATHS:
            held = seen.header("authorization") == f"Bearer {self.admin_keys['openai']}"
            return self._openai(target.path, parse_qs(target.query)) if held else Answer.error("openai", 401)
        if seen.host == ANTHROPIC and target.path == _MESSAGES:
            held = seen.header("x-api-key") == self.admin_keys["anthropic"]
            held = held and seen.header("anthropic-version") == "2023-06-01"
            return self._anthropic(parse_qs(target.query)) if held else Answer.error("anthropic", 401)
        return None

    def _openai(self, path: str, asked: dict[str, list[str]]) -> Answer:
        if asked.get("group_by") != ["api_key_id"] or asked.get("bucket_width") != ["1d"]:
            return Answer.error("openai", 400)
        since = datetime.fromtimestamp(int(asked["start_time"][0]), UTC).date()
        until = datetime.fromtimestamp(int(asked["end_time"][0]), UTC).date()
        embeddings = path.endswith("embeddings")

        def bucket(day: date) -> dict[str, Any]:
            begins = int(datetime.combine(day, time.min, UTC).timestamp())
            results = [] if embeddings else [self._openai_result(*each) for each in self._of(day)]
            return {"object": "bucket", "start_time": begins, "end_time": begins + 86_400, "results": results}

        days, more, cursor = self._page(since, until, asked)
        page = {"object": "page", "data": [bucket(day) for day in days], "has_more": more}
        return Answer.json(200, {**page, "next_page": cursor})

    def _openai_result(self, key_id: str, tokens: int) -> dict[str, Any]:
        return {
            "object": "organization.usage.completions.result",
            "input_tokens": tokens - tokens // 3,
            "output_tokens": tokens // 3,
            "input_cached_tokens": tokens // 4,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
            "num_model_requests": 1,
            "project_id": None,
            "user_id": None,
            "api_key_id": key_id,
            "model": None,
            "batch": None,
            "service_tier": None,
        }

    def _anthropic(self, asked: dict[str, list[str]]) -> Answer:
        if asked.get("group_by[]") != ["api_key_id"] or asked.get("bucket_width") != ["1d"]:
            return Answer.error("anthropic", 400)
        since, until = (
            datetime.fromisoformat(asked[name][0]).date() for name in ("starting_at", "ending_at")
        )

        def bucket(day: date) -> dict[str, Any]:
            begins, ends = f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"
            results = [self._anthropic_result(*each) for each in self._of(day)]
            return {"starting_at": begins, "ending_at": ends, "results": results}

        days, more, cursor = self._page(since, until, asked)
        page = {"data": [bucket(day) for day in days], "has_more": more, "next_page": cursor}
        return Answer.json(200, page)

    def _anthropic_result(self, key_id: str, tokens: int) -> dict[str, Any]:
        return {
            "uncached_input_tokens": tokens - tokens // 2,
            "cache_creation": {"ephemeral_1h_input_tokens": tokens // 8, "ephemeral_5m_input_tokens": 0},
            "cache_read_input_tokens": tokens // 8,
            "output_tokens": tokens // 2 - 2 * (tokens // 8),
            "server_tool_use": {"web_search_requests": 0},
            "api_key_id": key_id,
            "workspace_id": None,
            "model": None,
            "service_tier": None,
            "context_window": None,
        }

    def _of(self, day: date) -> list[tuple[str, int]]:
        return [(key_id, tokens) for (key_id, on), tokens in self.used.items() if on == day]

    def _page(
        self, since: date, until: date, asked: dict[str, list[str]]
    ) -> tuple[list[date], bool, str | None]:
        """The days of the page that is asked for, whether more follow, and the cursor of those."""
        days = [since + timedelta(days=number) for number in range((until - since).days)]
        at = int(base64.b64decode(asked["page"][0].removeprefix("page_"))) if "page" in asked else 0
        following = at + self.page_days
        more = following < len(days)
        cursor = "page_" + base64.b64encode(json.dumps(following).encode()).decode() if more else None
        return days[at:following], more, cursor
