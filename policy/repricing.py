"""What a call that was charged would cost by the prices that are in force for its moment now.

The list of prices is not a reason: what was charged by the list of its day stays, unless an override, a
discount or the end of one says otherwise. A call without a known price is charged once it has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policy.exchange import Priced
from policy.money import MicroDollars
from policy.price_data import VERSION
from policy.price_rules import PriceSource, Terms, discounted
from policy.pricing import Unpriced, price_units


@dataclass(frozen=True, slots=True)
class Charged:
    """A call as it was charged, with all corrections so far; ``priced`` is ``None`` for an unknown price.

    ``units`` are its counts by the unit names of ``genai-prices``.
    """

    provider: str | None
    model: str | None
    at: datetime
    units: Mapping[str, int]
    priced: Priced | None


def repriced(charged: Charged, terms: Terms) -> Priced | None:
    """The cost by ``terms``, where that is another one; ``None`` where it is the same, or not known."""
    try:
        now = price_units(charged.provider, charged.model, charged.units, charged.at, terms=terms)
    except Unpriced:
        now = None
    before = charged.priced
    if before is None:
        return now
    if _same_price(before, now):
        basis_points = _discount(charged, terms)
        now = Priced(
            discounted(before.listed, basis_points),
            before.listed,
            before.source,
            before.version,
            basis_points,
        )
    return now if now is not None and now.amount != before.amount else None


def _same_price(before: Priced, now: Priced | None) -> bool:
    """Whether the price before the discount is what it was; the amount that it made then is exact."""
    if before.source == PriceSource.LIST:
        return now is None or now.source == PriceSource.LIST
    return now is not None and (before.source, before.version) == (now.source, now.version)


def _discount(charged: Charged, terms: Terms) -> int:
    rule = terms.discount(charged.provider, charged.model, charged.at)
    return rule.discount or 0 if rule is not None else 0


def charged_by_list(cost: MicroDollars) -> Priced:
    """A call of the time before a price was written down with its cost."""
    return Priced(cost, cost, PriceSource.LIST.value, VERSION)
