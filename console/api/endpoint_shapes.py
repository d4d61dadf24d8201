"""What the API takes and says about the coaching page, and about clients that pin a certificate."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Base64Bytes, Field

from console.api.shapes import Given, Shown
from policy import branding
from store.pinned_acts import REASON_LENGTH_MAX

Line = Annotated[str, Field(max_length=branding.TEXT_LENGTH_MAX)]


class NewCoachingPage(Given):
    """``logo`` is a PNG, JPEG or WebP of at most 32 KiB, in base64; ``hours`` is how long a reason holds."""

    name: Annotated[str, Field(max_length=branding.NAME_LENGTH_MAX)] = ""
    colour: Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$")] = branding.COLOUR_DEFAULT
    logo: Base64Bytes = b""
    contact: Line = ""
    alternative: Line = ""
    hours: Annotated[int, Field(ge=1, le=branding.HOURS_MAX)] = branding.HOURS_DEFAULT


class CoachingPage(Shown):
    """``updated_at`` is absent where the tenant has said nothing, so that the plain page is shown."""

    name: str
    colour: str
    logo_bytes: int
    contact: str
    alternative: str
    hours: int
    updated_at: datetime | None = None


class NewPinnedBypass(Given):
    """Why clients that pin a certificate may pass unread, and until when."""

    reason: Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]
    expires_at: AwareDatetime


class PinnedBypass(Shown):
    host: str
    reason: str
    approved_by: str
    created_at: datetime
    expires_at: datetime
