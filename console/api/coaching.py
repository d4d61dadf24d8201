"""How a tenant's coaching page looks."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.params import FromPath, JSONBody

from console.api.endpoint_shapes import CoachingPage, NewCoachingPage
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.branding import Branding
from store import branding, branding_acts
from store.branding import KeptBranding


@get(
    "/tenants/{tenant_id:uuid}/coaching",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def show_page(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> CoachingPage:
    """What the tenant has said about its page; the plain one where it has said nothing."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return _page(await branding.find(session) or Branding())


@put(
    "/tenants/{tenant_id:uuid}/coaching",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def set_page(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewCoachingPage]
) -> CoachingPage:
    """Say how the page looks; what was said before is replaced."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    made = await branding_acts.set_branding(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        branding=Branding(**dict(data)),
    )
    return _page(made)


@delete(
    "/tenants/{tenant_id:uuid}/coaching",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def clear_page(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> None:
    """Show the plain page again."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await branding_acts.clear_branding(
        services.store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id
    )


def _page(said: KeptBranding | Branding) -> CoachingPage:
    return CoachingPage(
        name=said.name,
        colour=said.colour,
        logo_bytes=len(said.logo),
        contact=said.contact,
        alternative=said.alternative,
        hours=said.hours,
        updated_at=said.updated_at if isinstance(said, KeptBranding) else None,
    )
