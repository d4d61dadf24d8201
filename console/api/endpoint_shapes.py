"""What the API takes and says about endpoints: coaching page, pinned clients, exceptions, accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Base64Bytes, Field, model_validator

from console.api.shapes import Given, Shown
from policy import branding
from policy.accounts import ACCOUNTS_MAX
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


class NewEndpointException(Given):
    """``host`` may be used by one user or one team until ``expires_at``, whatever its state."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    user_id: UUID | None = None
    team_id: UUID | None = None
    reason: Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]
    expires_at: AwareDatetime

    @model_validator(mode="after")
    def _one(self) -> "NewEndpointException":
        if (self.user_id is None) == (self.team_id is None):
            raise ValueError("name a user or a team")
        return self


class EndpointException(Shown):
    """``approved_by`` is who granted it."""

    id: UUID
    host: str
    member_id: UUID | None = Field(serialization_alias="user_id")
    team_id: UUID | None
    reason: str
    approved_by: str
    created_at: datetime
    expires_at: datetime


class AccountProduct(Shown):
    """``header`` restricts the product's accounts on its ``hosts``; empty where the vendor has none."""

    product: str
    header: str
    hosts: list[str]
    source: str


class NewStatedAccounts(Given):
    """Ids of workspaces or organisations, or domains, as the product's header takes them."""

    accounts: Annotated[list[str], Field(min_length=1, max_length=ACCOUNTS_MAX)]


class StatedAccounts(Shown):
    product: str
    accounts: list[str]
    updated_at: datetime
