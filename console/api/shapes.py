"""What the API takes and gives. A field that is not named here is refused; no secret of ours is ever given.

Money is whole micro-dollars (a millionth of a US dollar), moments are RFC 3339 with an offset.
"""

from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar.openapi.datastructures import ResponseSpec
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from console.permissions import Role
from policy.exchange import EndpointState, IdentitySource
from policy.limit_setting import THRESHOLDS_MAX, LimitSetting
from policy.limits import ROLLING_HOURS_MAX, LimitKind, Window
from policy.money import MICRO_DOLLARS_MAX
from store.credentials import Purpose
from store.session_acts import SESSIONS_AT_ONCE_MAX


def _whole(value: object) -> object:
    if type(value) is not int:
        raise ValueError("should be a whole number")
    return value


# Not pydantic's strict mode: Litestar's decoder passes its own choice of mode over the field's.
WholeNumber = Annotated[int, BeforeValidator(_whole)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]


class Given(BaseModel):
    """Base of what a caller sends. Values are never echoed in errors: one may be a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Shown(BaseModel):
    """Base of what a caller gets: exactly these fields of a record, and no others that it may have."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Problem(BaseModel):
    """An error, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


PROBLEMS = {
    status: ResponseSpec(Problem, description=words, media_type="application/problem+json")
    for status, words in {
        400: "The body cannot be read",
        401: "Nobody is signed in",
        403: "The role does not allow it, or the form token is missing",
        404: "There is no such thing, or it is another tenant's",
        409: "It exists already",
        422: "The input is not valid",
        503: "A dependency is down",
    }.items()
}


class Profile(Shown):
    id: UUID
    tenant_id: UUID
    name: str
    role: Role
    permissions: list[str]


class NewToken(Given):
    days: int = Field(90, ge=1, le=365, description="How long it lives.")


class IssuedToken(Shown):
    """``token`` is shown this once."""

    id: UUID
    token: str
    expires_at: datetime


class Token(Shown):
    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class NewTenant(Given):
    name: Name
    region: str = Field("eu", min_length=1, max_length=40)
    time_zone: str = Field("UTC", max_length=60)


class TenantSettings(Given):
    """``data_residency`` names regions, such as ``eu``; an empty list allows every one.

    ``decrypt_unknown`` says whether TLS to hosts outside the catalogue is looked into, ``never_decrypted`` to
    which of them (``*.name`` covers what is below) never, beside those that the operator names.
    """

    time_zone: str | None = Field(None, min_length=1, max_length=60)
    data_residency: list[str] | None = Field(None, max_length=50)
    decrypt_unknown: Literal["on", "off", "default"] | None = None
    never_decrypted: list[str] | None = Field(None, max_length=500)


class TenantEnabled(Given):
    enabled: bool


class Tenant(Shown):
    tenant_id: UUID
    name: str
    region: str
    time_zone: str
    data_residency: tuple[str, ...]
    degraded_mode: str
    degraded_allowance: int | None
    decrypt_unknown: bool | None
    never_decrypted: tuple[str, ...]
    enabled: bool
    created_at: datetime


class NewAllowance(Given):
    """Micro-dollars an hour that may pass while limits cannot be counted; ``null`` refuses calls then."""

    allowance: WholeNumber | None = Field(gt=0, le=MICRO_DOLLARS_MAX)


class NewUser(Given):
    name: Name
    team: Name | None = None
    cost_centre: Name | None = None


class UserChange(Given):
    """What is left out stays; an empty ``team`` or ``cost_centre`` is taken away."""

    team: Name | Literal[""] | None = None
    cost_centre: Name | Literal[""] | None = None
    enabled: bool | None = None


class User(Shown):
    id: UUID
    name: str
    team_id: UUID | None
    cost_centre: str | None
    enabled: bool
    created_at: datetime


class NewInvitation(Given):
    name: Name
    role: Role


class IssuedInvitation(Shown):
    """``path`` is where the invited person sets up the account; it works once and is shown this once."""

    path: str
    expires_at: datetime


class Credential(Shown):
    """A provider key as far as anybody may see it, and what the provider last said of it."""

    id: UUID
    provider: str
    name: str
    hosts: list[str]
    version: int
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None
    purpose: Purpose
    pool: str | None
    weight: int
    provider_key_id: str | None
    refused_at: datetime | None
    refused_status: int | None
    accepted_at: datetime | None


class NewPlaceholder(Given):
    """It stands for one credential, or for all of a pool; the use of a ``honeytoken`` raises an alarm."""

    user_id: UUID
    credential_id: UUID | None = None
    pool: Name | None = None
    models: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    expires_at: AwareDatetime | None = None
    honeytoken: bool = False

    @model_validator(mode="after")
    def _one(self) -> "NewPlaceholder":
        if (self.credential_id is None) == (self.pool is None):
            raise ValueError("name a credential or a pool")
        return self


class Placeholder(Shown):
    id: UUID
    member_id: UUID = Field(serialization_alias="user_id")
    credential_id: UUID | None
    pool: str | None
    models: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    honeytoken: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedPlaceholder(Shown):
    """``placeholder`` is shown this once. It is worth nothing outside this gateway."""

    id: UUID
    placeholder: str


class NewNetwork(Given):
    network: IPv4Network | IPv6Network


class Network(Shown):
    id: UUID
    network: IPv4Network | IPv6Network
    created_at: datetime


class NewSession(Given):
    """``user`` holds ``address`` from ``started_at`` (now, if left out) until ``expires_at``."""

    address: IPv4Address | IPv6Address
    user: Name
    started_at: AwareDatetime | None = None
    expires_at: AwareDatetime


class NewSessions(Given):
    """``source`` names who tells of them, such as ``dhcp`` or ``vpn``."""

    source: str = Field(min_length=1, max_length=40, pattern=r"^[a-z0-9_.-]+$")
    sessions: list[NewSession] = Field(min_length=1, max_length=SESSIONS_AT_ONCE_MAX)


class AddressSession(Shown):
    id: UUID
    address: IPv4Address | IPv6Address
    user_name: str = Field(serialization_alias="user")
    source: str
    started_at: datetime
    expires_at: datetime


class NewSufficiencyRule(Given):
    """Each of ``sources`` is enough alone."""

    sources: list[IdentitySource] = Field(min_length=1, max_length=6)


class SufficiencyRule(Shown):
    host: str
    sources: list[IdentitySource]
    updated_at: datetime


class NewLimit(Given):
    """``window``, ``hours`` if it rolls, and ``alert_at`` are for budgets and tokens, ``burst`` for rates."""

    kind: LimitKind
    amount: WholeNumber = Field(ge=0, le=MICRO_DOLLARS_MAX)
    window: Window | None = None
    hours: WholeNumber | None = Field(None, ge=1, le=ROLLING_HOURS_MAX)
    burst: WholeNumber | None = Field(None, ge=1, le=MICRO_DOLLARS_MAX)
    alert_at: list[WholeNumber] | None = Field(None, max_length=THRESHOLDS_MAX)

    def setting(self) -> LimitSetting:
        """As the act takes it."""
        thresholds = None if self.alert_at is None else tuple(self.alert_at)
        return LimitSetting(self.kind, self.amount, self.window, self.hours, self.burst, thresholds)


class NewLimits(Given):
    """For the tenant, or for one team, one user or one placeholder of it; ``model`` narrows what counts."""

    limits: list[NewLimit] = Field(min_length=1, max_length=20)
    team_id: UUID | None = None
    user_id: UUID | None = None
    placeholder_id: UUID | None = None
    model: str | None = Field(None, min_length=1, max_length=201)


class Limit(Shown):
    id: UUID
    scope: str
    team_id: UUID | None
    member_id: UUID | None = Field(serialization_alias="user_id")
    placeholder_id: UUID | None
    model: str | None
    kind: LimitKind
    amount: int
    counting_window: Window | None = Field(serialization_alias="window")
    rolling_hours: int | None = Field(serialization_alias="hours")
    burst: int | None
    thresholds: tuple[int, ...] | None = Field(serialization_alias="alert_at")
    updated_at: datetime


class NewEndpointState(Given):
    state: EndpointState
    note: str = Field("", max_length=2000)


class EndpointRule(Shown):
    host: str
    state: EndpointState
    note: str
    updated_at: datetime


class Endpoint(Shown):
    """``state`` is what is in force; ``mixed`` where tenants differ."""

    host: str
    provider: str | None
    verdict: str
    score: int
    evidence: list[str]
    state: str
    calls: int
    first_seen: datetime
    last_seen: datetime


class Usage(Shown):
    """Sums over one subject of the grouping asked for; ``unpriced`` calls have no known cost.

    ``list_micro_dollars`` is before discounts; corrections (calls priced anew) are not in the cost.
    """

    tenant_id: UUID
    subject: UUID | str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cost_micro_dollars: int
    list_micro_dollars: int
    correction_micro_dollars: int
    unpriced: int


class Passed(Shown):
    """What passed undecrypted to one host: connections, ``refused`` among them, and bytes."""

    tenant_id: UUID
    host: str
    connections: int
    refused: int
    bytes_up: int
    bytes_down: int
    verdict: str | None
    first_seen: datetime
    last_seen: datetime


class Touched(Shown):
    """One host, model, address, reason or outcome that a placeholder's events name."""

    value: str
    events: int
    first_at: datetime
    last_at: datetime


class Trace(Shown):
    """What a placeholder touched. ``unpriced`` calls have no known price and are not in the cost."""

    placeholder_id: UUID
    events: int
    refused: int
    first_at: datetime | None
    last_at: datetime | None
    hosts: list[Touched]
    models: list[Touched]
    addresses: list[Touched]
    ja4: list[Touched]
    reasons: list[Touched]
    outcomes: list[Touched]
    requests: int
    input_tokens: int
    output_tokens: int
    cost_micro_dollars: int
    unpriced: int


class Event(Shown):
    """A link of the tenant's chain; ``event`` is what was written down."""

    tenant_id: UUID
    sequence: int
    event: dict[str, Any]
