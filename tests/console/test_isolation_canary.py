"""The canary at the REST API is quiet while guards stand, and sings when one is taken out."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar

from conduit.api_canary import ApiCanary, Route, asks, example, routes
from console.people import Person
from console.permissions import Permission
from store import administrators, tenants
from store.canary import Canary, CannotTry
from store.canary_probes import PROBES
from store.canary_rows import Rows
from store.claim import Purpose
from store.door import Store
from store.tenants import CANARIES
from tests.builders import some_rows

ROUTES = routes()
USERS = "/api/v1/tenants/{tenant_id:uuid}/users"


@pytest.fixture
async def rows(store: Store) -> tuple[Rows, Rows]:
    """What the two synthetic tenants have."""
    canary = Canary(store)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await tenants.create_canaries(session)
    one, two = [await canary._rows(tenant_id, number) for number, tenant_id in enumerate(CANARIES, start=1)]
    return one, two


def canary_over(store: Store, app: Litestar) -> ApiCanary:
    return ApiCanary(store, "http://console.test", transport=httpx.ASGITransport(app))


async def test_no_route_gives_anything_away(store: Store, app: Litestar) -> None:
    result = await Canary(store, [canary_over(store, app).attack]).run_once()
    assert result.breaches == ()
    assert result.probes > 2 * (len(PROBES) + len(ROUTES))


async def test_the_canarys_people_do_not_hinder_a_rotation(
    store: Store, app: Litestar, rows: tuple[Rows, Rows]
) -> None:
    """They have no second factor, so that there is none to wrap anew."""
    await canary_over(store, app).attack(*rows)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        people = await administrators.every(session)
    assert {each.totp_secret for each in people if each.tenant_id in CANARIES} == {b""}


@pytest.mark.parametrize(
    ("permission", "route"),
    [(Permission.TENANT_USER_VIEW, f"GET {USERS}"), (Permission.TENANT_USER_CREATE, f"POST {USERS}")],
)
async def test_a_guard_taken_out_is_a_breach(
    store: Store,
    app: Litestar,
    rows: tuple[Rows, Rows],
    monkeypatch: pytest.MonkeyPatch,
    permission: Permission,
    route: str,
) -> None:
    require: Callable[..., None] = Person.require

    def forgetful(self: Person, asked: Permission, **where: Any) -> None:
        if asked is not permission:
            require(self, asked, **where)

    monkeypatch.setattr(Person, "require", forgetful)
    api = canary_over(store, app)
    monkeypatch.setattr(api, "_routes", [each for each in ROUTES if each.path == USERS])
    attempt = await api.attack(*rows)
    assert {breach.function for breach in attempt.breaches} == {route}


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_an_api_that_lets_nobody_in_proves_nothing(
    store: Store, rows: tuple[Rows, Rows], status: int
) -> None:
    refusing = httpx.MockTransport(lambda _: httpx.Response(status))
    with pytest.raises(CannotTry, match="let the canary in"):
        await ApiCanary(store, "http://console.test", transport=refusing).attack(*rows)


async def test_a_console_that_is_away_proves_nothing(store: Store, rows: tuple[Rows, Rows]) -> None:
    with pytest.raises(CannotTry, match="does not answer"):
        await ApiCanary(store, "http://127.0.0.1:9").attack(*rows)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_tried_with_a_body_that_it_takes(route: Route) -> None:
    own, target = some_rows(1), some_rows(2)
    tried = list(asks(route, own, target))
    assert "{" not in "".join(ask.path for ask in tried)
    assert tried[0].refused or "{tenant_id:uuid}" not in route.path
    assert str(target.tenant_id) in tried[0].path or "{tenant_id:uuid}" not in route.path
    if route.model is not None:
        route.model.model_validate_json(json.dumps(example(route.model, target)))
