"""Acts about prices, each with its event in the same transaction; who may is decided by the console."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from policy.price_rules import ANY, DISCOUNT_MAX, PRICE_MAX, OverridePrices
from store import prices
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord
from store.prices import NewRule, Rule

MODEL_LENGTH_MAX = 256


async def set_price(store: Store, *, actor: Actor, tenant_id: TenantId | None, new: NewRule) -> Rule:
    """Override a list price, or give a discount; without ``tenant_id`` for all tenants.

    Raises ``InvalidRecord`` for what contradicts itself, and ``AlreadyExists`` where a rule of the same
    subject begins at the same moment: it is to be removed first, so that nothing is replaced in silence.
    """
    checked = _checked(new, for_all=tenant_id is None)
    async with _session(store, tenant_id) as session:
        made = await prices.add(session, new=checked, for_all=tenant_id is None)
        if made is None:
            raise AlreadyExists("a price rule of the same subject begins at that moment; remove it first")
        await record(session, actor, "price.set", tenant_id=tenant_id, target=made.id, **_detail(made))
    return made


async def remove_price(store: Store, *, actor: Actor, tenant_id: TenantId | None, rule_id: UUID) -> Rule:
    """Take a rule back; raises ``NotFound``. Calls that were charged by it stay as they are."""
    async with _session(store, tenant_id) as session:
        ended = await prices.remove(session, rule_id=rule_id, for_all=tenant_id is None)
        await record(session, actor, "price.remove", tenant_id=tenant_id, target=ended.id, **_detail(ended))
    return ended


@asynccontextmanager
async def _session(store: Store, tenant_id: TenantId | None) -> AsyncIterator[AsyncSession]:
    door = store.platform(Purpose.ADMINISTRATION) if tenant_id is None else store.tenant(tenant_id)
    async with door as session:
        yield session


def _checked(new: NewRule, *, for_all: bool) -> NewRule:
    if (new.prices is None) == (new.discount is None):
        raise InvalidRecord("a price rule sets prices or a discount, one of the two")
    if new.prices is not None:
        if new.provider is None:
            raise InvalidRecord("an override names its provider")
        _check_amounts(new.prices)
    elif for_all:
        raise InvalidRecord("a discount is a tenant's; for all tenants, set a price")
    elif type(new.discount) is not int or not 0 < new.discount <= DISCOUNT_MAX:
        raise InvalidRecord("a discount is more than 0 and at most 100 per cent")
    if new.until is not None and new.until <= new.since:
        raise InvalidRecord("a price rule ends after it begins")
    model = new.model.strip()
    if not 0 < len(model) <= MODEL_LENGTH_MAX or ANY in model[:-1] or not model.isprintable():
        raise InvalidRecord("a model is a name, or its beginning with * behind it")
    return replace(new, model=model)


def _check_amounts(amounts: OverridePrices) -> None:
    stated = (amounts.input, amounts.output, amounts.cached_input, amounts.cache_write, amounts.request)
    for amount in stated:
        if amount is not None and (type(amount) is not int or not 0 <= amount <= PRICE_MAX):
            raise InvalidRecord("a price is from 0 to 1,000,000 dollars, for a million tokens or a request")


def _detail(rule: Rule) -> dict[str, str | int | None]:
    return {
        "kind": rule.kind.value,
        "provider": rule.provider,
        "model": rule.model,
        "since": rule.since.isoformat(),
        "until": rule.until.isoformat() if rule.until else None,
        "input": rule.input,
        "output": rule.output,
        "cached_input": rule.cached_input,
        "cache_write": rule.cache_write,
        "request": rule.request,
        "discount_basis_points": rule.discount,
    }
