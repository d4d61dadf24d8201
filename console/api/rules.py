"""Source networks and limits of a tenant."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, Limit, Network, NewLimits, NewNetwork
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import LimitId, PlaceholderId, UserId
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


@delete(
    "/tenants/{tenant_id:uuid}/networks/{network_id:uuid}",
    guards=[requires(Permission.TENANT_NETWORK_REMOVE)],
    responses=PROBLEMS,
)
async def remove_network(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], network_id: FromPath[UUID]
) -> None:
    """Take a source network away from the tenant; calls from it are no longer attributed by it."""
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    async with reading(store, tenant.tenant_id) as session:
        registered = await networks.get(session, network_id=network_id)
    await network_acts.remove_network(
        store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        network=registered.network,
    )


@get("/tenants/{tenant_id:uuid}/limits", guards=[requires(Permission.TENANT_LIMIT_VIEW)], responses=PROBLEMS)
async def list_limits(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Limit]:
    """Every limit of the tenant, its teams, its users and its placeholders."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [Limit.model_validate(found) for found in await limits.every(session)]


@post("/tenants/{tenant_id:uuid}/limits", guards=[requires(Permission.TENANT_LIMIT_SET)], responses=PROBLEMS)
async def set_limits(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewLimits]
) -> list[Limit]:
    """Set limits, all of them or none; one of the same kind and subject is replaced."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    subject = limits.LimitSubject(
        team_id=data.team_id,
        member_id=UserId(data.user_id) if data.user_id else None,
        placeholder_id=PlaceholderId(data.placeholder_id) if data.placeholder_id else None,
        model=data.model,
    )
    rules = await limit_acts.set_limits(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        settings=[limit.setting() for limit in data.limits],
        subject=subject,
    )
    return [Limit.model_validate(rule) for rule in rules]


@delete(
    "/tenants/{tenant_id:uuid}/limits/{limit_id:uuid}",
    guards=[requires(Permission.TENANT_LIMIT_SET)],
    responses=PROBLEMS,
)
async def remove_limit(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], limit_id: FromPath[UUID]
) -> None:
    """Remove a limit."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    await limit_acts.remove_limit(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        limit_id=LimitId(limit_id),
    )
