"""AI endpoints: what was seen, and what was decided about them, for all tenants or for one."""

from typing import Any
from uuid import UUID

from litestar import Request, get, put
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, Endpoint, EndpointRule, NewEndpointState
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import TenantId
from store import endpoint_acts, overview


@get("/endpoints", guards=[requires(Permission.PLATFORM_ENDPOINT_VIEW)], responses=PROBLEMS)
async def list_for_all(request: Request[Any, Any, Any]) -> list[Endpoint]:
    """The endpoints that any tenant's calls went to."""
    return await _seen(request, None)


@put("/endpoints/{host:str}", guards=[requires(Permission.PLATFORM_ENDPOINT_SET)], responses=PROBLEMS)
async def set_for_all(
    request: Request[Any, Any, Any], host: FromPath[str], data: JSONBody[NewEndpointState]
) -> EndpointRule:
    """Decide about a host for every tenant that has no decision of its own."""
    return await _set(request, None, host, data)


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
