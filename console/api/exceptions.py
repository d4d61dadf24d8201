"""Users and teams that may use an endpoint that is held back, for a reason and a time."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody

from console.api.endpoint_shapes import EndpointException, NewEndpointException
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import UserId
from store import endpoint_acts, endpoints


@get(
    "/tenants/{tenant_id:uuid}/exceptions",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def list_exceptions(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID]
) -> list[EndpointException]:
    """Every exception of the tenant, those that are over included, oldest first."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [EndpointException.model_validate(each) for each in await endpoints.exceptions(session)]


@post(
    "/tenants/{tenant_id:uuid}/exceptions",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def add_exception(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewEndpointException]
) -> EndpointException:
    """Except one user, or one team, from the state of an endpoint. Who asks is who approves."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    made = await endpoint_acts.except_subject(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        new=endpoint_acts.NewException(
            data.host,
            endpoints.ExceptionSubject(
                member_id=UserId(data.user_id) if data.user_id else None, team_id=data.team_id
            ),
            data.reason,
            data.expires_at,
        ),
    )
    return EndpointException.model_validate(made)


@delete(
    "/tenants/{tenant_id:uuid}/exceptions/{exception_id:uuid}",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def end_exception(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], exception_id: FromPath[UUID]
) -> None:
    """End an exception before its time."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await endpoint_acts.end_exception(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        exception_id=exception_id,
    )
