"""The inventory of AI endpoints and its review."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from console.api.inventory_shapes import InventoryDetail, InventoryItem, NewReview, Reviewed
from console.api.shapes import PROBLEMS
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import TenantId
from store import inventory, review_acts
from store.hosts import stated_host
from store.inventory import HOSTS_MAX, Stage, Wanted
from store.inventory_document import document, review_document, whole


async def _wanted(
    stage: FromQuery[Stage | None] = None,
    search: FromQuery[str] = "",
    catalogued: FromQuery[bool | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=HOSTS_MAX)] = HOSTS_MAX,
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
) -> Wanted:
    return Wanted(stage, search, catalogued, limit, offset)


@get(
    "/inventory",
    guards=[requires(Permission.PLATFORM_ENDPOINT_VIEW)],
    responses=PROBLEMS,
    dependencies={"wanted": Provide(_wanted)},
)
async def list_for_all(
    request: Request[Any, Any, Any], wanted: NamedDependency[Wanted]
) -> list[InventoryItem]:
    """Every tenant's AI endpoints, last seen first: of a stage, with `search` in the host."""
    return await _listed(request, None, wanted)


@get(
    "/tenants/{tenant_id:uuid}/inventory",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
    dependencies={"wanted": Provide(_wanted)},
)
async def list_of_tenant(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], wanted: NamedDependency[Wanted]
) -> list[InventoryItem]:
    """The tenant's AI endpoints, last seen first: of a stage, with `search` in the host."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _listed(request, tenant.tenant_id, wanted)


async def _listed(
    request: Request[Any, Any, Any], tenant_id: TenantId | None, wanted: Wanted
) -> list[InventoryItem]:
    services = services_of(request)
    async with reading(services.store, tenant_id) as session:
        found = await inventory.items(session, defaults=services.defaults, wanted=wanted)
    return [InventoryItem.model_validate(document(item)) for item in found]


@get(
    "/tenants/{tenant_id:uuid}/inventory/{host:str}",
    guards=[requires(Permission.TENANT_ENDPOINT_VIEW)],
    responses=PROBLEMS,
)
async def show(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], host: FromPath[str]
) -> InventoryDetail:
    """One endpoint, with who uses it and from where."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    async with reading(services.store, tenant.tenant_id) as session:
        found = await inventory.detail(session, host=stated_host(host), defaults=services.defaults)
    return InventoryDetail.model_validate(whole(found))


@put(
    "/tenants/{tenant_id:uuid}/inventory/{host:str}/review",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def review(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    host: FromPath[str],
    data: JSONBody[NewReview],
) -> Reviewed:
    """Take an endpoint into review, add to the review, or end it by a decision."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    made = await review_acts.review(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        host=host,
        finding=review_acts.Finding(data.owner, data.note, data.state),
    )
    return Reviewed.model_validate(review_document(made))


@delete(
    "/tenants/{tenant_id:uuid}/inventory/{host:str}/review",
    guards=[requires(Permission.TENANT_ENDPOINT_SET)],
    responses=PROBLEMS,
)
async def reopen(request: Request[Any, Any, Any], tenant_id: FromPath[UUID], host: FromPath[str]) -> None:
    """Make an endpoint new again: its review and the tenant's decision are taken back."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await review_acts.reopen(
        services.store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, host=host
    )
