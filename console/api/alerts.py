"""Whom incidents are told to: how it stands with each, what is told, and whether a message arrives."""

import json
from dataclasses import asdict
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from console.alert_destinations import standings, try_out
from console.api.alert_shapes import AlertDelivery, AlertDestination, AlertTest
from console.api.shapes import PROBLEMS, Given
from console.people import person_of, requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import note_look
from store import alerts
from store.claim import Purpose

DELIVERIES_MAX = 1000


class NewAlertTest(Given):
    """Nothing is stated; a test is asked for all the same."""


@get("/alerts", guards=[requires(Permission.PLATFORM_ALERT_VIEW)], responses=PROBLEMS)
async def list_destinations(request: Request[Any, Any, Any]) -> list[AlertDestination]:
    """The destinations of the settings, what waits for each, and why."""
    services = services_of(request)
    return [
        AlertDestination.model_validate(each)
        for each in await standings(services.store, services.destinations)
    ]


@get("/alerts/deliveries", guards=[requires(Permission.PLATFORM_ALERT_VIEW)], responses=PROBLEMS)
async def list_deliveries(
    request: Request[Any, Any, Any],
    destination: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=DELIVERIES_MAX)] = 100,
) -> list[AlertDelivery]:
    """What is to be told before what was told lately, the latest first."""
    store = services_of(request).store
    await note_look(store, person_of(request), actor_of(request, via="api"), tenant_id=None)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        found = await alerts.deliveries(session, destination=destination, limit=limit)
    return [AlertDelivery.model_validate(asdict(each) | {"event": json.loads(each.body)}) for each in found]


@post(
    "/alerts/{name:str}/test",
    guards=[requires(Permission.PLATFORM_ALERT_TEST)],
    responses=PROBLEMS,
    status_code=200,
)
async def test(
    request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[NewAlertTest]
) -> AlertTest:
    """Send a test alert once, and say what came back. It is on record who asked for it."""
    del data
    services = services_of(request)
    answer, taken = await try_out(
        services.store, services.destinations, name, actor=actor_of(request, via="api")
    )
    return AlertTest(destination=name, taken=taken, answer=answer)
