"""What the API takes and says about kept content."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from console.api.shapes import Given, Shown, WholeNumber
from policy.content import BYTES_MAX as CONTENT_BYTES_MAX


class NewContentPolicy(Given):
    """``bytes_max`` bounds each direction of a call."""

    keep: bool
    bytes_max: WholeNumber = Field(CONTENT_BYTES_MAX, ge=1, le=CONTENT_BYTES_MAX)


class ContentPolicy(Shown):
    keep: bool
    bytes_max: int


class KeptContent(Shown):
    """That the content of a call is kept; ``bytes`` is the size of the sealed record."""

    event_id: UUID
    at: datetime
    bytes: int


class NewOpening(Given):
    event_id: UUID
    reason: str = Field(min_length=1, max_length=1000)


class ContentDecision(Given):
    """``code`` is a fresh one-time code of the person who decides."""

    approve: bool
    code: str = Field(min_length=6, max_length=7)


class Opening(Shown):
    """A request to open the content of one call."""

    id: UUID
    event_id: UUID
    reason: str
    state: str
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    expires_at: datetime


class OpenedContent(Shown):
    """What was said. The texts are as long as the tenant's policy keeps them."""

    event_id: UUID
    question: str
    question_bytes: int
    question_whole: bool
    answer: str
    answer_bytes: int
    answer_whole: bool
    answer_content_type: str
