"""Prices: the operator's overrides for all tenants, and a tenant's own overrides and discounts."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody

from console.api.price_shapes import NewPriceRule, PriceDifference, PriceList, PriceRule, Repriced, Repricing
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy import price_data
from policy.identifiers import TenantId
from policy.price_rules import OverridePrices
from store import price_acts, prices, repricing
from store.prices import NewRule, Rule


@get("/prices", guards=[requires(Permission.PLATFORM_PRICE_VIEW)], responses=PROBLEMS)
async def list_for_all(request: Request[Any, Any, Any]) -> PriceList:
    """Every override and discount, of which day the list of prices is that they stand above."""
    async with reading(services_of(request).store, None) as session:
        return _listed(await prices.every(session))


@get("/tenants/{tenant_id:uuid}/prices", guards=[requires(Permission.TENANT_PRICE_VIEW)], responses=PROBLEMS)
async def list_of_tenant(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> PriceList:
    """The tenant's overrides and discounts, and the operator's, which hold for it too."""
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    async with reading(store, None) as session:
        return _listed(await prices.in_force_for(session, tenant_id=tenant.tenant_id))


@post("/prices", guards=[requires(Permission.PLATFORM_PRICE_SET)], responses=PROBLEMS)
async def set_for_all(request: Request[Any, Any, Any], data: JSONBody[NewPriceRule]) -> PriceRule:
    """Override the list price of a model for every tenant that has no override of its own."""
    return await _set(request, None, data)


@post(
    "/tenants/{tenant_id:uuid}/prices", guards=[requires(Permission.PLATFORM_PRICE_SET)], responses=PROBLEMS
)
async def set_for_tenant(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewPriceRule]
) -> PriceRule:
    """Override a price for the tenant, or give it a discount. Only people of the platform may."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _set(request, tenant.tenant_id, data)


@delete("/prices/{rule_id:uuid}", guards=[requires(Permission.PLATFORM_PRICE_SET)], responses=PROBLEMS)
async def remove_for_all(request: Request[Any, Any, Any], rule_id: FromPath[UUID]) -> None:
    """Take an override for all back. What was charged by it stays charged."""
    await price_acts.remove_price(
        services_of(request).store, actor=actor_of(request, via="api"), tenant_id=None, rule_id=rule_id
    )


@delete(
    "/tenants/{tenant_id:uuid}/prices/{rule_id:uuid}",
    guards=[requires(Permission.PLATFORM_PRICE_SET)],
    responses=PROBLEMS,
)
async def remove_for_tenant(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], rule_id: FromPath[UUID]
) -> None:
    """Take an override or a discount of the tenant back. What was charged by it stays charged."""
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    await price_acts.remove_price(
        store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, rule_id=rule_id
    )


@post(
    "/tenants/{tenant_id:uuid}/usage/reprice",
    guards=[requires(Permission.PLATFORM_PRICE_SET)],
    responses=PROBLEMS,
    status_code=200,
)
async def reprice(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[Repricing]
) -> Repriced:
    """What the tenant's calls would cost by the rules in force; with ``apply``, write the corrections."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    outcome = await repricing.reprice(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        since=data.since,
        until=data.until or services.clock(),
        apply=data.apply,
    )
    return Repriced(
        calls=outcome.calls,
        changed=outcome.changed,
        difference=outcome.difference,
        differences=[PriceDifference.model_validate(each) for each in outcome.differences.values()],
    )


def _listed(rules: list[Rule]) -> PriceList:
    return PriceList(
        price_data=price_data.edition(), rules=[PriceRule.model_validate(rule) for rule in rules]
    )


async def _set(request: Request[Any, Any, Any], tenant_id: TenantId | None, data: NewPriceRule) -> PriceRule:
    services = services_of(request)
    stated = data.prices
    new = NewRule(
        provider=data.provider,
        model=data.model,
        since=data.since or services.clock(),
        until=data.until,
        prices=OverridePrices(**stated.model_dump()) if stated else None,
        discount=data.discount,
    )
    made = await price_acts.set_price(
        services.store, actor=actor_of(request, via="api"), tenant_id=tenant_id, new=new
    )
    return PriceRule.model_validate(made)
