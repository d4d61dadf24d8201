"""Kept content for people: ask that one call's be opened, decide about another's request, and look."""

from typing import Annotated, Any
from uuid import UUID

from litestar import MediaType, Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect, Template
from pydantic import Field

from console.forms import Form
from console.pages import shared
from console.people import person_of, signed_in
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of, address_of
from console.views import View, reading, view_of
from policy.identifiers import TenantId
from store import content, content_acts

NEWEST = 50


class RequestForm(Form):
    event_id: UUID
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class DecisionForm(Form):
    """``code`` is a fresh one-time code of who decides."""

    decision: Annotated[str, Field(pattern="^(approve|refuse)$")]
    code: Annotated[str, Field(min_length=6, max_length=7)]


@get("/content", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(request: Request[Any, Any, Any], tenant: FromQuery[str] = "") -> Template:
    """The requests of one tenant, and the newest calls whose content is kept."""
    view, whose = _view(request, tenant, Permission.TENANT_CONTENT_VIEW)
    services = services_of(request)
    async with services.store.tenant(whose) as session:
        policy = await content.find_policy(session)
    async with reading(services.store, whose) as session:
        kept = await content.latest(session, limit=NEWEST)
    context = {
        "policy": policy,
        "kept": kept,
        "openings": await content_acts.openings(services.store, tenant_id=whose),
        "may_request": view.person.holds(Permission.TENANT_CONTENT_REQUEST),
        "may_decide": view.person.holds(Permission.TENANT_CONTENT_APPROVE),
    }
    return Template("content.html", context=shared(request, view) | context)


@post("/content", guards=[signed_in], include_in_schema=False)
async def ask(
    request: Request[Any, Any, Any],
    data: Annotated[RequestForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
) -> Redirect:
    """Ask that one call's content be opened."""
    _, whose = _view(request, tenant, Permission.TENANT_CONTENT_REQUEST)
    await content_acts.request_opening(
        services_of(request).store,
        actor=actor_of(request, via="console"),
        tenant_id=whose,
        event_id=data.event_id,
        reason=data.reason,
    )
    return Redirect(f"/content?tenant={whose}", status_code=303)


@post("/content/{approval_id:uuid}/decision", guards=[signed_in], include_in_schema=False)
async def decide(
    request: Request[Any, Any, Any],
    approval_id: FromPath[UUID],
    data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
) -> Redirect:
    """Approve or refuse another person's request."""
    view, whose = _view(request, tenant, Permission.TENANT_CONTENT_APPROVE)
    services = services_of(request)
    await services.step_up.prove(view.person.name, data.code, address=address_of(request))
    await content_acts.decide_opening(
        services.store,
        actor=actor_of(request, via="console"),
        tenant_id=whose,
        approval_id=approval_id,
        approve=data.decision == "approve",
    )
    return Redirect(f"/content?tenant={whose}", status_code=303)


@post(
    "/content/{approval_id:uuid}",
    guards=[signed_in],
    media_type=MediaType.HTML,
    status_code=200,
    include_in_schema=False,
)
async def look(
    request: Request[Any, Any, Any],
    approval_id: FromPath[UUID],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
) -> Template:
    """What was said, for who asked, once it is approved. ``data`` carries the form's token alone."""
    del data
    view, whose = _view(request, tenant, Permission.TENANT_CONTENT_REQUEST)
    services = services_of(request)
    said = await content_acts.open_content(
        services.store,
        services.vault,
        actor=actor_of(request, via="console"),
        tenant_id=whose,
        approval_id=approval_id,
    )
    return Template("content_opened.html", context=shared(request, view) | {"said": said})


def _view(request: Request[Any, Any, Any], tenant: str, permission: Permission) -> tuple[View, TenantId]:
    """Content is one tenant's; raises ``NotFound`` for a view of all."""
    view = view_of(person_of(request), tenant=tenant, period="")
    whose = view.one_tenant()
    view.person.require(permission, tenant_id=whose)
    return view, whose
