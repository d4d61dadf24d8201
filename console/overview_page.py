"""The analyst's page: its parts, its live stream, and the decisions taken on it."""

from typing import Annotated, Any

from litestar import MediaType, Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery
from litestar.response import Redirect, Response, ServerSentEvent, Template

from console.charts import calls_chart
from console.errors import NotFound, NotSignedIn
from console.forms import Form
from console.live import ENDED
from console.pages import shared
from console.people import person_of, signed_in
from console.periods import PERIODS
from console.services import Services, services_of
from console.sessions import actor_of, token_of
from console.views import View, note_look, reading, view_of
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from store import endpoint_acts, overview, tenants


class Decision(Form):
    """A decision on an endpoint."""

    host: str
    state: EndpointState


@get("/", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(
    request: Request[Any, Any, Any], tenant: FromQuery[str] = "", period: FromQuery[str] = ""
) -> Template:
    """The whole page."""
    view = view_of(person_of(request), tenant=tenant, period=period)
    answer = await _render("overview.html", request, view)
    actor = actor_of(request, via="console")
    await note_look(services_of(request).store, view.person, actor, tenant_id=view.tenant_id)
    return answer


@get("/panels", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def panels(
    request: Request[Any, Any, Any], tenant: FromQuery[str] = "", period: FromQuery[str] = ""
) -> Template:
    """The parts that change, for the page to put in place."""
    view = view_of(person_of(request), tenant=tenant, period=period)
    return await _render("panels.html", request, view)


@get("/live", include_in_schema=False)
async def live(
    request: Request[Any, Any, Any], tenant: FromQuery[str] = "", period: FromQuery[str] = ""
) -> ServerSentEvent:
    """Tell the page when there is something new, or that its session is over.

    The latter also at once: a browser that connects again does not follow to the sign-in page.
    """
    services, token = services_of(request), token_of(request) or ""
    try:
        view = view_of(person_of(request), tenant=tenant, period=period)
    except NotSignedIn:
        return ServerSentEvent([ENDED])
    return ServerSentEvent(
        services.live.changes(view.tenant_id, lambda: services.sign_in.person(token, used=False))
    )


@post(
    "/endpoints/state",
    guards=[signed_in],
    media_type=MediaType.HTML,
    status_code=200,
    include_in_schema=False,
)
async def decide(
    request: Request[Any, Any, Any],
    data: Annotated[Decision, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
    period: FromQuery[str] = "",
) -> Response[Any]:
    """Sanction or block an endpoint, for the tenant in view or for all, and show the parts anew."""
    person = person_of(request)
    view = view_of(person, tenant=tenant, period=period)
    person.require(view.endpoint_permission, tenant_id=view.tenant_id)
    await endpoint_acts.set_endpoint_state(
        services_of(request).store,
        actor=actor_of(request, via="console"),
        host=data.host,
        state=data.state,
        tenant_id=view.tenant_id,
    )
    if "hx-request" not in request.headers:
        return Redirect("/" + view.query, status_code=303)
    return await _render("panels.html", request, view, decided=data)


async def _render(
    template: str, request: Request[Any, Any, Any], view: View, *, decided: Decision | None = None
) -> Template:
    services = services_of(request)
    context = await _context(services, view)
    common = shared(request, view)
    shown: overview.Overview = context["overview"]
    return Template(
        template,
        context={
            **context,
            **common,
            "query": view.query,
            "period": view.period,
            "periods": PERIODS,
            "chart": calls_chart(shown.buckets, common["format"]),
            "unsanctioned": sum(seen.state != EndpointState.SANCTIONED for seen in shown.endpoints),
            "may_set": view.person.holds(view.endpoint_permission),
            "decided": decided,
        },
    )


async def _context(services: Services, view: View) -> dict[str, Any]:
    """Everything of the database that the page shows."""
    since, until = view.period.bounds(services.clock())
    known = await _tenants(services, view)
    async with reading(services.store, view.tenant_id) as session:
        shown = await overview.read(
            session,
            since=since,
            until=until,
            step=view.period.step,
            defaults=services.defaults,
            by_tenant=view.tenant_id is None,
        )
    return {
        "overview": shown,
        "tenants": known if view.person.of_platform else None,
        "heading": "All tenants" if view.tenant_id is None else known[view.tenant_id],
        "scope_note": "decisions here hold for every tenant that has none of its own"
        if view.tenant_id is None
        else f"decisions here hold for {known[view.tenant_id]} alone",
        "decided_for": "for all tenants" if view.tenant_id is None else f"for {known[view.tenant_id]}",
        "spender": "tenant" if view.tenant_id is None else "user",
        "tenants_named": view.tenant_id is None,
    }


async def _tenants(services: Services, view: View) -> dict[TenantId, str]:
    """The tenants that the person may choose from, by name. Raises ``NotFound`` for a view of none."""
    async with reading(services.store, None if view.person.of_platform else view.tenant_id) as session:
        known = {tenant.tenant_id: tenant.name for tenant in await tenants.every(session)}
    if view.tenant_id is not None and view.tenant_id not in known:
        raise NotFound
    return known
