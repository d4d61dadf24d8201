"""Kept content: whether a tenant keeps what is said, and opening one call's by two people."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody

from console.api.content_shapes import (
    ContentDecision,
    ContentPolicy,
    KeptContent,
    NewContentPolicy,
    NewOpening,
    OpenedContent,
    Opening,
)
from console.api.shapes import PROBLEMS
from console.people import person_of, requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of, address_of
from console.views import known_tenant, reading
from policy.content import BYTES_MAX
from store import content, content_acts

NEWEST = 200
NOTHING_KEPT = ContentPolicy(keep=False, bytes_max=BYTES_MAX)


@get(
    "/tenants/{tenant_id:uuid}/content-policy",
    guards=[requires(Permission.TENANT_CONTENT_VIEW)],
    responses=PROBLEMS,
)
async def show_policy(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> ContentPolicy:
    """Whether what is said is kept."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with services_of(request).store.tenant(tenant.tenant_id) as session:
        found = await content.find_policy(session)
    return NOTHING_KEPT if found is None else ContentPolicy.model_validate(found)


@put(
    "/tenants/{tenant_id:uuid}/content-policy",
    guards=[requires(Permission.TENANT_CONTENT_SET)],
    responses=PROBLEMS,
)
async def set_policy(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewContentPolicy]
) -> ContentPolicy:
    """Keep what is said from now on, encrypted, or stop."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    stated = await content_acts.set_policy(
        services.store,
        services.vault,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        keep=data.keep,
        bytes_max=data.bytes_max,
    )
    return ContentPolicy.model_validate(stated)


@get(
    "/tenants/{tenant_id:uuid}/content", guards=[requires(Permission.TENANT_CONTENT_VIEW)], responses=PROBLEMS
)
async def list_kept(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[KeptContent]:
    """The newest calls whose content is kept, without it."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [KeptContent.model_validate(each) for each in await content.latest(session, limit=NEWEST)]


@get(
    "/tenants/{tenant_id:uuid}/content-openings",
    guards=[requires(Permission.TENANT_CONTENT_VIEW)],
    responses=PROBLEMS,
)
async def list_openings(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Opening]:
    """Every request to open content, newest first."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    found = await content_acts.openings(services_of(request).store, tenant_id=tenant.tenant_id)
    return [_shown(each) for each in found]


@post(
    "/tenants/{tenant_id:uuid}/content-openings",
    guards=[requires(Permission.TENANT_CONTENT_REQUEST)],
    responses=PROBLEMS,
)
async def request_opening(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewOpening]
) -> Opening:
    """Ask that the content of a call be opened; somebody else decides within a day."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    made = await content_acts.request_opening(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        event_id=data.event_id,
        reason=data.reason,
    )
    return _shown(made)


@post(
    "/tenants/{tenant_id:uuid}/content-openings/{approval_id:uuid}/decision",
    guards=[requires(Permission.TENANT_CONTENT_APPROVE)],
    responses=PROBLEMS,
)
async def decide_opening(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    approval_id: FromPath[UUID],
    data: JSONBody[ContentDecision],
) -> Opening:
    """Approve or refuse another person's request, with a fresh one-time code of one's own."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await services.step_up.prove(person_of(request).name, data.code, address=address_of(request))
    decided = await content_acts.decide_opening(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        approval_id=approval_id,
        approve=data.approve,
    )
    return _shown(decided)


@post(
    "/tenants/{tenant_id:uuid}/content-openings/{approval_id:uuid}/content",
    guards=[requires(Permission.TENANT_CONTENT_REQUEST)],
    responses=PROBLEMS,
)
async def open_content(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], approval_id: FromPath[UUID]
) -> OpenedContent:
    """What was said, for who asked, within an hour of the approval. Each look is on record."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    opened = await content_acts.open_content(
        services.store,
        services.vault,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        approval_id=approval_id,
    )
    return OpenedContent.model_validate(opened)


def _shown(opening: content_acts.Opening) -> Opening:
    approval = opening.approval
    return Opening(
        id=approval.id,
        event_id=opening.event_id,
        reason=opening.reason,
        state=approval.state.value,
        requested_by=approval.requested_by,
        requested_at=approval.requested_at,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        expires_at=approval.expires_at,
    )
