"""Price rules (``policy.price_rules``): a tenant's own, and the operator's, which hold for all."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from policy.price_rules import OverridePrices, PriceRule
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, PRICE_RULE
from store.tenants import PLATFORM


class Kind(StrEnum):
    """What a rule does."""

    OVERRIDE = "override"
    DISCOUNT = "discount"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row. Amounts are micro-dollars for a million tokens; ``discount`` is in hundredths of a per cent."""

    tenant_id: TenantId
    id: UUID
    kind: Kind
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
    created_at: datetime

    def as_policy(self) -> PriceRule:
        """The rule as pricing reads it."""
        prices = None
        if self.input is not None and self.output is not None:
            prices = OverridePrices(
                self.input, self.output, self.cached_input, self.cache_write, self.request or 0
            )
        return PriceRule(
            id=self.id,
            tenant_id=None if self.tenant_id == PLATFORM else self.tenant_id,
            provider=self.provider,
            model=self.model,
            since=self.since,
            until=self.until,
            prices=prices,
            discount=self.discount,
        )


@dataclass(frozen=True, slots=True)
class NewRule:
    """What a rule is to say; ``prices`` or ``discount``, as in ``policy.price_rules.PriceRule``."""

    provider: str | None
    model: str
    since: datetime
    until: datetime | None = None
    prices: OverridePrices | None = None
    discount: int | None = None


_COLUMNS = columns(PRICE_RULE, Rule)


async def add(session: AsyncSession, *, new: NewRule, for_all: bool = False) -> Rule | None:
    """Write a rule; ``None`` where one of the same subject begins at the same moment.

    For the session's tenant, or with ``for_all`` the operator's, under ``Purpose.ADMINISTRATION``.
    """
    prices = new.prices
    statement = insert(PRICE_RULE).values(
        tenant_id=PLATFORM if for_all else CLAIMED_TENANT,
        id=uuid7(),
        kind=(Kind.OVERRIDE if prices else Kind.DISCOUNT).value,
        provider=new.provider,
        model=new.model,
        since=new.since,
        until=new.until,
        input=prices.input if prices else None,
        output=prices.output if prices else None,
        cached_input=prices.cached_input if prices else None,
        cache_write=prices.cache_write if prices else None,
        request=prices.request if prices else None,
        discount=new.discount,
    )
    found = await many(session, Rule, statement.on_conflict_do_nothing().returning(*_COLUMNS))
    return found[0] if found else None


async def remove(session: AsyncSession, *, rule_id: UUID, for_all: bool = False) -> Rule:
    """End a rule now and for all time; raises ``NotFound``. What was charged by it stays charged."""
    owner = PLATFORM if for_all else CLAIMED_TENANT
    statement = delete(PRICE_RULE).where(PRICE_RULE.c.id == rule_id, PRICE_RULE.c.tenant_id == owner)
    return await one(session, Rule, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[Rule]:
    """Every rule that the session may see, by what it is about, the latest begun first."""
    about = PRICE_RULE.c.provider, PRICE_RULE.c.model, PRICE_RULE.c.since.desc()
    return await many(session, Rule, select(*_COLUMNS).order_by(PRICE_RULE.c.kind.desc(), *about))


async def in_force_for(session: AsyncSession, *, tenant_id: TenantId) -> list[Rule]:
    """A tenant's rules and the operator's; for ``Purpose.REPORTING``, which sees those of all."""
    mine = or_(PRICE_RULE.c.tenant_id == tenant_id, PRICE_RULE.c.tenant_id == PLATFORM)
    return await many(session, Rule, select(*_COLUMNS).where(mine).order_by(PRICE_RULE.c.since.desc()))
