"""What the API says about the inventory of AI endpoints, and takes for its review."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from console.api.shapes import Given, Shown
from policy.exchange import EndpointState


class NewReview(Given):
    """What is not given stays as it is; ``state`` ends the review by a decision and needs a note."""

    owner: Annotated[str | None, Field(max_length=200)] = None
    note: Annotated[str | None, Field(max_length=2000)] = None
    state: EndpointState | None = None


class Reviewed(Shown):
    owner: str
    note: str
    reviewed_by: str
    started_at: datetime
    updated_at: datetime


class Decision(Shown):
    """``source``: ``tenant``, ``all tenants``, ``credential`` (the provider's key is held) or ``default``."""

    source: str
    by: str | None
    at: datetime | None
    note: str | None


class RiskPart(Shown):
    name: str
    points: int
    reason: str


class InventoryItem(Shown):
    """``refused`` are among ``calls``; ``risk`` (0 to 100) is the sum of its parts."""

    host: str
    tenant: str
    provider: str | None
    product: str | None
    category: str | None
    verdict: str
    score: int
    evidence: list[str]
    state: EndpointState
    stage: str
    decision: Decision
    owner: str | None
    review: Reviewed | None
    calls: int
    refused: int
    users: int
    networks: int
    bytes_up: int
    bytes_down: int
    cost_micro_dollars: int
    data_classes: dict[str, int]
    private_use: dict[str, int]
    risk: int
    risk_parts: list[RiskPart]
    first_seen: datetime
    last_seen: datetime


class Use(Shown):
    name: str
    calls: int
    first_seen: datetime
    last_seen: datetime


class StatedFact(Shown):
    """``unknown``, without source and date, where nobody has stated it."""

    value: str
    source: str | None
    date: str | None


class Catalogued(Shown):
    """What the catalogue says; ``source`` and ``date`` are of the host, its provider, shape and region.

    ``trains``: whether the operator trains on what is sent, by default; ``regions``: where it processes;
    ``evasions``: known ways round a proxy, ``none`` where somebody looked and found none.
    """

    pattern: str
    region: str
    source: str
    date: str
    country: StatedFact
    regions: StatedFact
    trains: StatedFact
    evasions: StatedFact


class InventoryDetail(InventoryItem):
    used_by: list[Use]
    used_from: list[Use]
    catalogue: Catalogued | None
