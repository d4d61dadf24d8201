"""What the API says about alerts. Addresses and secrets of destinations are in the settings alone."""

from datetime import datetime
from typing import Any
from uuid import UUID

from console.api.shapes import Shown
from policy.incident import Severity


class AlertDestination(Shown):
    """It hears of incidents of ``severity`` and graver. ``problem`` is what the last attempt came to."""

    name: str
    kind: str
    severity: Severity
    tenant: str | None
    rate_per_minute: int
    waiting: int
    failing_since: datetime | None
    problem: str | None


class AlertDelivery(Shown):
    """One incident for one destination; ``told_at`` is absent while it waits. ``repeats`` are untold yet."""

    id: UUID
    tenant_id: UUID
    tenant: str
    destination: str
    event: dict[str, Any]
    repeats: int
    last_at: datetime
    told_at: datetime | None
    attempts: int
    due_at: datetime
    problem: str | None


class AlertTest(Shown):
    """``answer`` says what came back."""

    destination: str
    taken: bool
    answer: str
