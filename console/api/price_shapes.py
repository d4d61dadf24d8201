"""What the API takes and says about prices, and the invoices that follow from them."""

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, Field

from console.api.shapes import Given, Shown, WholeNumber
from policy.price_rules import DISCOUNT_MAX, PRICE_MAX


class Prices(Given):
    """Micro-dollars for a million tokens, and for each request; what is left out costs as ``input``."""

    input: WholeNumber = Field(ge=0, le=PRICE_MAX)
    output: WholeNumber = Field(ge=0, le=PRICE_MAX)
    cached_input: WholeNumber | None = Field(None, ge=0, le=PRICE_MAX)
    cache_write: WholeNumber | None = Field(None, ge=0, le=PRICE_MAX)
    request: WholeNumber = Field(0, ge=0, le=PRICE_MAX)


class NewPriceRule(Given):
    """``prices``, or a ``discount`` in hundredths of a per cent; ``model`` may end in ``*``."""

    provider: str | None = Field(None, min_length=1, max_length=60)
    model: str = Field("*", min_length=1, max_length=256)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    prices: Prices | None = None
    discount: WholeNumber | None = Field(None, ge=1, le=DISCOUNT_MAX)


class PriceRule(Shown):
    """Of the tenant, or of the platform: then it holds for all."""

    id: UUID
    tenant_id: UUID
    kind: str
    provider: str | None
    model: str
    since: datetime
    until: datetime | None
    input: int | None
    output: int | None
    cached_input: int | None
    cache_write: int | None
    request: int | None
    discount: int | None


class PriceList(Shown):
    """``price_data`` is the list of prices for whatever no rule is about: its version and its day."""

    price_data: dict[str, str]
    rules: list[PriceRule]


class Repricing(Given):
    """The calls of ``[since, until)``; nothing is written without ``apply``."""

    since: AwareDatetime
    until: AwareDatetime | None = None
    apply: bool = False


class PriceDifference(Shown):
    """What changes for one model, in micro-dollars."""

    provider: str | None
    model: str | None
    calls: int
    before: int
    after: int
    difference: int


class Repriced(Shown):
    """How many calls were looked at, how many cost something else, and by how many micro-dollars."""

    calls: int
    changed: int
    difference: int
    differences: list[PriceDifference]


class InvoiceLine(Shown):
    """One user's calls of one model at one price, in the team and for the cost centre of that time.

    ``kind`` is ``usage``, or ``correction`` of calls that were priced anew in the month.
    """

    kind: str
    user_id: UUID | None
    user: str | None
    team: str | None
    cost_centre: str | None
    provider: str | None
    model: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cost_micro_dollars: int
    unpriced: int
    estimated: int
    list_micro_dollars: int
    discount_basis_points: int
    price_source: str | None
    price_version: str | None


class Invoice(Shown):
    """A calendar month in the tenant's time zone. The lines sum to the whole, to the micro-dollar."""

    tenant: str
    tenant_id: UUID
    month: str
    time_zone: str
    since: datetime
    until: datetime
    lines: list[InvoiceLine]
    requests: int
    unpriced: int
    list_micro_dollars: int
    cost_micro_dollars: int
    currency: str
    price_data: dict[str, str]
