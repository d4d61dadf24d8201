"""With whose accounts the products of vendors may be used."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.params import FromPath, JSONBody

from console.api.endpoint_shapes import AccountProduct, NewStatedAccounts, StatedAccounts
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from store import accounts, endpoint_acts


@get(
    "/tenants/{tenant_id:uuid}/account-products",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def list_products(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[AccountProduct]:
    """The products that have a restriction header, and where it counts; the same for every tenant."""
    await known_tenant(services_of(request).store, tenant_id)
    return [AccountProduct.model_validate(each) for each in services_of(request).restrictions]


@get(
    "/tenants/{tenant_id:uuid}/accounts",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def list_accounts(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[StatedAccounts]:
    """The accounts that the tenant has stated to be its own, by product."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [StatedAccounts.model_validate(each) for each in await accounts.every(session)]


@put(
    "/tenants/{tenant_id:uuid}/accounts/{product:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def state_accounts(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    product: FromPath[str],
    data: JSONBody[NewStatedAccounts],
) -> StatedAccounts:
    """Allow these accounts of a product alone; what was stated before is replaced."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    made = await endpoint_acts.state_accounts(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        product=product,
        stated=data.accounts,
        restrictions=services.restrictions,
    )
    return StatedAccounts.model_validate(made)


@delete(
    "/tenants/{tenant_id:uuid}/accounts/{product:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def clear_accounts(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], product: FromPath[str]
) -> None:
    """Let any account of a product be used again."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await endpoint_acts.clear_accounts(
        services.store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, product=product
    )
