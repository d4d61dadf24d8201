"""What an operator decides about prices: overrides of the list, and discounts negotiated for a tenant.

A rule holds from ``since`` until ``until``. For one model at one moment at most one override and one discount
apply: a tenant's own override before the operator's, a model's exact name before a longer beginning before a
shorter one, and of equals the one that began last. Discounts are not added up. Amounts are integers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from policy.identifiers import TenantId
from policy.money import MicroDollars

# A million dollars a million tokens: dearer is a slip of the pen.
PRICE_MAX = 10**12
DISCOUNT_MAX = 10_000
ANY = "*"


class PriceSource(StrEnum):
    """Where a price comes from."""

    LIST = "genai-prices"
    OPERATOR = "operator"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class OverridePrices:
    """Micro-dollars for a million tokens, and for each request. ``None`` costs what input costs."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    request: int = 0


@dataclass(frozen=True, slots=True)
class PriceRule:
    """An override (``prices``) or a discount in hundredths of a per cent; exactly one of the two.

    ``tenant_id`` ``None``: the operator's, for all tenants. ``provider`` ``None``: any (discounts only).
    ``model`` is the name by which requests ask for it; a final ``*`` stands for any rest.
    """

    id: UUID
    tenant_id: TenantId | None
    provider: str | None
    model: str
    since: datetime
    until: datetime | None
    prices: OverridePrices | None = None
    discount: int | None = None

    def applies(self, provider: str | None, model: str, at: datetime) -> bool:
        """Whether it is about this model, at this aware moment."""
        if self.provider not in (None, provider) or at < self.since:
            return False
        if self.until is not None and at >= self.until:
            return False
        return model == self.model or (
            self.model.endswith(ANY) and model.startswith(self.model.removesuffix(ANY))
        )

    @property
    def _precedence(self) -> tuple[bool, bool, bool, int, datetime, UUID]:
        exact = not self.model.endswith(ANY)
        own = self.tenant_id is not None
        return own, self.provider is not None, exact, len(self.model), self.since, self.id


@dataclass(frozen=True, slots=True)
class Terms:
    """What one tenant pays: rules in the order in which they are looked at."""

    overrides: tuple[PriceRule, ...] = ()
    discounts: tuple[PriceRule, ...] = ()

    def override(self, provider: str | None, model: str | None, at: datetime) -> PriceRule | None:
        """The override that applies at an aware moment; a call that names no model has none."""
        return _first(self.overrides, provider, model, at)

    def discount(self, provider: str | None, model: str | None, at: datetime) -> PriceRule | None:
        """The discount that applies at an aware moment."""
        return _first(self.discounts, provider, model or "", at)


LIST_PRICES = Terms()


def terms_of(rules: Iterable[PriceRule]) -> Terms:
    """The terms that rules of one tenant and of the operator make together."""
    ordered = sorted(rules, key=lambda rule: rule._precedence, reverse=True)
    return Terms(
        overrides=tuple(rule for rule in ordered if rule.prices is not None),
        discounts=tuple(rule for rule in ordered if rule.discount is not None),
    )


def discounted(amount: MicroDollars, basis_points: int) -> MicroDollars:
    """``amount`` less a discount in hundredths of a per cent, rounded up to whole micro-dollars."""
    return MicroDollars(-(-amount * (DISCOUNT_MAX - basis_points) // DISCOUNT_MAX))


def _first(
    rules: tuple[PriceRule, ...], provider: str | None, model: str | None, at: datetime
) -> PriceRule | None:
    if model is None:
        return None
    return next((rule for rule in rules if rule.applies(provider, model, at)), None)
