"""How long a tenant's events and kept content stay, and the holds that forbid deleting them."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody

from console.api.retention_shapes import Hold, NewHold, NewRetention, Release, Retention
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from store import retention, retention_acts

NOTHING_STATED = Retention(event_days=None, content_days=None, emptied=0)


@get(
    "/tenants/{tenant_id:uuid}/retention",
    guards=[requires(Permission.TENANT_RETENTION_VIEW)],
    responses=PROBLEMS,
)
async def show_retention(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> Retention:
    """The periods in days, and up to which event the text has been deleted."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with services_of(request).store.tenant(tenant.tenant_id) as session:
        found = await retention.find(session)
    return NOTHING_STATED if found is None else Retention.model_validate(found)


@put(
    "/tenants/{tenant_id:uuid}/retention",
    guards=[requires(Permission.TENANT_RETENTION_SET)],
    responses=PROBLEMS,
)
async def set_retention(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewRetention]
) -> Retention:
    """State both periods; null keeps without end."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    stated = await retention_acts.set_retention(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        event_days=data.event_days,
        content_days=data.content_days,
        days_min=services_of(request).retention_days_min,
    )
    return Retention.model_validate(stated)


@get("/tenants/{tenant_id:uuid}/holds", guards=[requires(Permission.TENANT_HOLD_VIEW)], responses=PROBLEMS)
async def list_holds(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Hold]:
    """Every hold, standing or ended, newest first."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [Hold.model_validate(found) for found in await retention.holds(session)]


@post("/tenants/{tenant_id:uuid}/holds", guards=[requires(Permission.TENANT_HOLD_PLACE)], responses=PROBLEMS)
async def place_hold(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewHold]
) -> Hold:
    """Forbid deleting anything of the tenant, until somebody else releases it."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    placed = await retention_acts.place_hold(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        reason=data.reason,
    )
    return Hold.model_validate(placed)


@post(
    "/tenants/{tenant_id:uuid}/holds/{hold_id:uuid}/release",
    guards=[requires(Permission.TENANT_HOLD_RELEASE)],
    responses=PROBLEMS,
)
async def release_hold(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    hold_id: FromPath[UUID],
    data: JSONBody[Release],
) -> Hold:
    """End a hold that another person has placed."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    ended = await retention_acts.release_hold(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        hold_id=hold_id,
        reason=data.reason,
    )
    return Hold.model_validate(ended)
