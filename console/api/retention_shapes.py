"""What the API takes and says about how long the record stays, and about legal holds."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from console.api.shapes import Given, Shown, WholeNumber
from store.retention import DAYS_MAX


class NewRetention(Given):
    event_days: WholeNumber | None = Field(ge=0, le=DAYS_MAX)
    content_days: WholeNumber | None = Field(None, ge=0, le=DAYS_MAX)


class Retention(Shown):
    """Days, null for no end; the text of events up to ``deleted_through`` has been deleted."""

    event_days: int | None
    content_days: int | None
    emptied: int = Field(serialization_alias="deleted_through")


class NewHold(Given):
    reason: str = Field(min_length=1, max_length=2000)


class Release(Given):
    reason: str = Field(min_length=1, max_length=2000)


class Hold(Shown):
    id: UUID
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None
    release_reason: str | None
