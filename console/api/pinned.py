"""Hosts to which a tenant's clients that pin a certificate pass unread."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.params import FromPath, JSONBody

from console.api.endpoint_shapes import NewPinnedBypass, PinnedBypass
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from store import pinned, pinned_acts


@get(
    "/tenants/{tenant_id:uuid}/pinned",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def list_bypasses(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[PinnedBypass]:
    """Every such host, those that are over included."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [PinnedBypass.model_validate(found) for found in await pinned.every(session)]


@put(
    "/tenants/{tenant_id:uuid}/pinned/{host:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def bypass(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    host: FromPath[str],
    data: JSONBody[NewPinnedBypass],
) -> PinnedBypass:
    """Pass TLS to a host unread; a host that is blocked or coached is still refused."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    made = await pinned_acts.bypass_pinned(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        new=pinned_acts.NewBypass(host, data.reason, data.expires_at),
    )
    return PinnedBypass.model_validate(made)


@delete(
    "/tenants/{tenant_id:uuid}/pinned/{host:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def block(request: Request[Any, Any, Any], tenant_id: FromPath[UUID], host: FromPath[str]) -> None:
    """Refuse clients that pin a certificate again."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await pinned_acts.block_pinned(
        services.store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, host=host
    )
