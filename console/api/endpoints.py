"""AI endpoints: what was seen, and what was decided about them, for all tenants or for one."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, Endpoint, EndpointRule, NewEndpointState
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import TenantId
from store import endpoint_acts, endpoints, overview


@get("/endpoints", guards=[requires(Permission.PLATFORM_ENDPOINT_VIEW)], responses=PROBLEMS)
async def list_for_all(request: Request[Any, Any, Any]) -> list[Endpoint]:
    """The endpoints that any tenant's calls went to."""
    return await _seen(request, None)


@get("/endpoint-rules", guards=[requires(Permission.PLATFORM_ENDPOINT_VIEW)], responses=PROBLEMS)
async def rules_for_all(request: Request[Any, Any, Any]) -> list[EndpointRule]:
    """The decisions that hold for every tenant that has none of its own, by host."""
    async with reading(services_of(request).store, None) as session:
        return [EndpointRule.model_validate(rule) for rule in await endpoints.platform_rules(session)]


@put("/endpoints/{host:str}", guards=[requires(Permission.PLATFORM_ENDPOINT_SET)], responses=PROBLEMS)
async def set_for_all(
    request: Request[Any, Any, Any], host: FromPath[str], data: JSONBody[NewEndpointState]
) -> EndpointRule:
    """Decide about a host for every tenant that has no decision of its own."""
    return await _set(request, None, host, data)


@delete("/endpoints/{host:str}", guards=[requires(Permission.PLATFORM_ENDPOINT_SET)], responses=PROBLEMS)
async def clear_for_all(request: Request[Any, Any, Any], host: FromPath[str]) -> None:
    """Take back the decision for all; the default holds again where a tenant has no decision of its own."""
    await _clear(request, None, host)


@get(
    "/tenants/{tenant_id:uuid}/endpoint-rules",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def rules_of_tenant(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[EndpointRule]:
    """The tenant's own decisions, by host."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [EndpointRule.model_validate(rule) for rule in await endpoints.rules(session)]


@get(
    "/tenants/{tenant_id:uuid}/endpoints",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def list_of_tenant(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Endpoint]:
    """The endpoints that the tenant's calls went to, with the state in force for it."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _seen(request, tenant.tenant_id)


@put(
    "/tenants/{tenant_id:uuid}/endpoints/{host:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def set_for_tenant(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    host: FromPath[str],
    data: JSONBody[NewEndpointState],
) -> EndpointRule:
    """Decide about a host for the tenant."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _set(request, tenant.tenant_id, host, data)


@delete(
    "/tenants/{tenant_id:uuid}/endpoints/{host:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def clear_for_tenant(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], host: FromPath[str]
) -> None:
    """Take the tenant's decision back; the one for all holds again, or the default."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    await _clear(request, tenant.tenant_id, host)


async def _seen(request: Request[Any, Any, Any], tenant_id: TenantId | None) -> list[Endpoint]:
    services = services_of(request)
    async with reading(services.store, tenant_id) as session:
        found = await overview.endpoints(session, defaults=services.defaults)
    return [Endpoint.model_validate(endpoint) for endpoint in found]


async def _set(
    request: Request[Any, Any, Any], tenant_id: TenantId | None, host: str, data: NewEndpointState
) -> EndpointRule:
    rule = await endpoint_acts.set_endpoint_state(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        host=host,
        state=data.state,
        tenant_id=tenant_id,
        note=data.note,
    )
    return EndpointRule.model_validate(rule)


async def _clear(request: Request[Any, Any, Any], tenant_id: TenantId | None, host: str) -> None:
    await endpoint_acts.clear_endpoint_state(
        services_of(request).store, actor=actor_of(request, via="api"), host=host, tenant_id=tenant_id
    )
