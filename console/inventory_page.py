"""The inventory of AI endpoints for people: a list, one endpoint in detail, and its review."""

from typing import Annotated, Any, Literal

from litestar import MediaType, Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery, QueryParameter
from litestar.response import Redirect, Template
from pydantic import Field

from console.exception_page import DAYS_MAX, excepted
from console.forms import Form
from console.pages import shared, tenants_to_choose
from console.people import person_of, signed_in
from console.services import services_of
from console.sessions import actor_of
from console.views import note_look, reading, view_of
from policy.exchange import EndpointState
from store import inventory, review_acts
from store.hosts import stated_host
from store.inventory import Stage

SHOWN_MAX = 500
EXCEPTION_SAID = {"granted": "The exception is granted.", "ended": "The exception has ended."}


class ReviewForm(Form):
    """``state`` is empty while the review goes on."""

    owner: Annotated[str, Field(max_length=200)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""
    state: EndpointState | Literal[""] = ""


@get("/inventory", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(
    request: Request[Any, Any, Any],
    tenant: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    search: FromQuery[str] = "",
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
) -> Template:
    """The endpoints that were seen last, the riskiest of them first; what is left out is named."""
    services, view = services_of(request), view_of(person_of(request), tenant=tenant, period="")
    chosen = next((each for each in Stage if each.value == stage), None)
    wanted = inventory.Wanted(stage=chosen, search=search, limit=SHOWN_MAX, offset=offset)
    async with reading(services.store, view.tenant_id) as session:
        shown = await inventory.items(session, defaults=services.defaults, wanted=wanted)
        counts = await inventory.counts(session, wanted=wanted)
    named = await tenants_to_choose(request, view)
    await note_look(services.store, view.person, actor_of(request, via="console"), tenant_id=view.tenant_id)
    context = {
        "items": sorted(shown, key=lambda item: (-item.risk.score, item.host)),
        "counts": counts,
        "found": inventory.number_found(counts, chosen),
        "wanted": wanted,
        "stages": list(Stage),
        "chosen_stage": chosen,
        "tenants": named,
    }
    return Template("inventory.html", context=shared(request, view) | context)


@get("/inventory/{host:str}", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def detail(
    request: Request[Any, Any, Any],
    host: FromPath[str],
    tenant: FromQuery[str] = "",
    saved: FromQuery[bool] = False,
    exception: FromQuery[str] = "",
) -> Template:
    """One endpoint of one tenant."""
    services, view = services_of(request), view_of(person_of(request), tenant=tenant, period="")
    whose = view.one_tenant()
    async with reading(services.store, whose) as session:
        found = await inventory.detail(session, host=stated_host(host), defaults=services.defaults)
        exceptions = await excepted(session, host=found.item.host, now=services.clock())
    context = {
        "found": found,
        "item": found.item,
        "states": list(EndpointState)[::-1],
        "may_set": view.person.holds(view.endpoint_permission),
        "saved": saved,
        "exceptions": exceptions,
        "exception_days_max": DAYS_MAX,
        "exception_said": EXCEPTION_SAID.get(exception, ""),
    }
    return Template("inventory_detail.html", context=shared(request, view) | context)


@post("/inventory/{host:str}/review", guards=[signed_in], include_in_schema=False)
async def review(
    request: Request[Any, Any, Any],
    host: FromPath[str],
    data: Annotated[ReviewForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
) -> Redirect:
    """Add to the review, or end it by a decision, and show the endpoint again."""
    person = person_of(request)
    view = view_of(person, tenant=tenant, period="")
    whose = view.one_tenant()
    person.require(view.endpoint_permission, tenant_id=whose)
    made = await review_acts.review(
        services_of(request).store,
        actor=actor_of(request, via="console"),
        tenant_id=whose,
        host=host,
        finding=review_acts.Finding(data.owner, data.note, data.state or None),
    )
    return Redirect(f"/inventory/{made.host}?tenant={whose}&saved=true", status_code=303)
