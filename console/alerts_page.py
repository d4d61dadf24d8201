"""Alerts for people: whom incidents are told to, how it stands with each, and what is told."""

import json
from typing import Annotated, Any

from litestar import MediaType, Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Template

from console.alert_destinations import standings, try_out
from console.forms import Form
from console.pages import shared
from console.people import person_of, signed_in
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import note_look, view_of
from store import alerts
from store.claim import Purpose

NEWEST = 100


@get("/alerts", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(request: Request[Any, Any, Any]) -> Template:
    """The destinations, and the messages that wait or were told lately."""
    return await _page(request, Permission.PLATFORM_ALERT_VIEW, said="")


@post(
    "/alerts/{name:str}/test",
    guards=[signed_in],
    media_type=MediaType.HTML,
    status_code=200,
    include_in_schema=False,
)
async def test(
    request: Request[Any, Any, Any],
    name: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template:
    """Send a test alert and say above the same page what came back. ``data`` carries the token alone."""
    del data
    person_of(request).require(Permission.PLATFORM_ALERT_TEST, tenant_id=None)
    services = services_of(request)
    answer, taken = await try_out(
        services.store, services.destinations, name, actor=actor_of(request, via="console")
    )
    said = f"{name} {'has taken' if taken else 'has not taken'} the test alert: {answer}"
    return await _page(request, Permission.PLATFORM_ALERT_TEST, said=said)


async def _page(request: Request[Any, Any, Any], permission: Permission, *, said: str) -> Template:
    services, person = services_of(request), person_of(request)
    person.require(permission, tenant_id=None)
    view = view_of(person, tenant="", period="")
    async with services.store.platform(Purpose.ADMINISTRATION) as session:
        found = await alerts.deliveries(session, destination=None, limit=NEWEST)
    await note_look(services.store, person, actor_of(request, via="console"), tenant_id=None)
    context = {
        "destinations": await standings(services.store, services.destinations),
        "deliveries": [{"told": each, "event": json.loads(each.body)} for each in found],
        "may_test": person.holds(Permission.PLATFORM_ALERT_TEST),
        "said": said,
    }
    return Template("alerts.html", context=shared(request, view) | context)
