"""Source networks and limits of a tenant."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, Limit, Network, NewLimits, NewNetwork
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import PlaceholderId, UserId
from store import limit_acts, limits, network_acts, networks


@get(
    "/tenants/{tenant_id:uuid}/networks",
    guards=[requires(Permission.TENANT_NETWORK_VIEW)],
    responses=PROBLEMS,
)
async def list_networks(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Network]:
    """The networks whose calls are the tenant's."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [Network.model_validate(found) for found in await networks.every(session)]


@post(
    "/tenants/{tenant_id:uuid}/networks",
    guards=[requires(Permission.TENANT_NETWORK_ADD)],
    responses=PROBLEMS,
)
async def add_network(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewNetwork]
) -> Network:
    """Register a source network."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    added = await network_acts.add_network(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        network=data.network,
    )
    return Network.model_validate(added)


@get("/tenants/{tenant_id:uuid}/limits", guards=[requires(Permission.TENANT_LIMIT_VIEW)], responses=PROBLEMS)
async def list_limits(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Limit]:
    """Every limit of the tenant, its users and its placeholders."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [Limit.model_validate(found) for found in await limits.every(session)]


@post("/tenants/{tenant_id:uuid}/limits", guards=[requires(Permission.TENANT_LIMIT_SET)], responses=PROBLEMS)
async def set_limits(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewLimits]
) -> list[Limit]:
    """Set limits, all of them or none; one of the same kind and subject is replaced."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    rules = await limit_acts.set_limits(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        changes=[limit_acts.LimitChange(limit.kind, limit.amount, limit.window) for limit in data.limits],
        user_id=UserId(data.user_id) if data.user_id else None,
        placeholder_id=PlaceholderId(data.placeholder_id) if data.placeholder_id else None,
    )
    return [Limit.model_validate(rule) for rule in rules]
