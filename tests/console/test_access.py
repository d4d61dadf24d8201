"""Who may do what: every route × every role × own, other and unknown tenant, made from the routes."""

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from console.app import create_app
from console.enrolment import PLATFORM_ROLES, TENANT_ROLES
from console.people import Guard, Person, signed_in
from console.permissions import Permission, Role, permissions_of
from console.services import Services
from policy.identifiers import TenantId
from store import administrators, tenant_acts
from store.claim import Purpose
from store.tenants import PLATFORM
from tests.console.conftest import TESTER, a_client, enrol

# A token cannot make tokens, whatever the role: test_api.py.
BY_COOKIE = "/api/v1/me/tokens"
OPEN = {
    "/sign-in",
    "/sign-out",
    "/setup",
    "/healthz/live",
    "/healthz/ready",
    "/metrics",
    "/wpad.dat",
    "/proxy.pac",
    "/live",
}
OPEN_BELOW = ("/static", "/api/v1/openapi")


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    guards: tuple[Guard, ...]

    @property
    def permission(self) -> Permission:
        return next(guard.permission for guard in self.guards if hasattr(guard, "permission"))

    @property
    def of_tenant(self) -> bool:
        return "{tenant_id:uuid}" in self.path

    def at(self, tenant_id: object) -> str:
        filled = self.path.replace("{tenant_id:uuid}", str(tenant_id)).replace("{host:str}", "llm.example")
        return re.sub(r"\{\w+:uuid\}", str(uuid4()), filled)


def is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_BELOW)


def api(app: Litestar) -> list[Route]:
    found = [
        Route(method, route.path, tuple(handler.resolve_guards()))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1/") and not is_open(route.path)
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
        if (method, route.path) != ("POST", BY_COOKIE)
    ]
    assert len(found) > 20
    return found


async def bearer(services: Services, app: Litestar, role: Role, tenant_id: TenantId) -> httpx.AsyncClient:
    """A program of somebody new in this role."""
    name = (await enrol(services, role=role, tenant_id=tenant_id)).name
    async with services.store.platform(Purpose.SIGN_IN) as session:
        found = await administrators.find(session, name=name)
    assert found is not None
    person = Person(found.id, found.tenant_id, found.name, role)
    token = await services.tokens.issue(person, lifetime=timedelta(days=1), address=None)
    client = a_client(app)
    client.headers["authorization"] = f"Bearer {token.text}"
    return client


async def a_tenant(services: Services) -> TenantId:
    created = await tenant_acts.create_tenant(
        services.store, services.vault, actor=TESTER, name=f"tenant {uuid4()}"
    )
    return created.tenant_id


async def send(client: httpx.AsyncClient, route: Route, tenant_id: object) -> httpx.Response:
    """The call with an empty body: guards come before bodies, so who is let in learns that it is wrong."""
    body = {} if route.method in ("POST", "PUT") else None
    return await client.request(route.method, route.at(tenant_id), json=body)


def test_every_route_has_a_guard_or_is_named_as_open(services: Services) -> None:
    for route in create_app(services).routes:
        if isinstance(route, HTTPRoute) and not is_open(route.path):
            for handler in route.route_handlers:
                if handler.http_methods != {"OPTIONS"}:
                    guards = handler.resolve_guards()
                    assert signed_in in guards or any(hasattr(guard, "permission") for guard in guards), (
                        route.path
                    )


async def test_without_a_session_every_route_answers_the_same(app: Litestar) -> None:
    async with a_client(app) as client:
        for route in api(app):
            if route.method == "GET":
                assert (await send(client, route, uuid4())).status_code == 401, route


@pytest.mark.parametrize("role", sorted(TENANT_ROLES))
async def test_somebody_of_a_tenant_reaches_that_tenant_alone(
    app: Litestar, services: Services, role: Role
) -> None:
    own, other = await a_tenant(services), await a_tenant(services)
    client = await bearer(services, app, role, own)
    granted = permissions_of(role, platform=False)
    for route in api(app):
        if route.of_tenant:
            theirs, nobodys = await send(client, route, other), await send(client, route, uuid4())
            assert (theirs.status_code, theirs.json()) == (404, nobodys.json()), route
            assert nobodys.status_code == 404, route
        answer = await send(client, route, own)
        if route.permission in granted:
            assert answer.status_code not in (401, 403, 500), (route, answer.text)
        else:
            assert answer.status_code == 403, (route, answer.text)


@pytest.mark.parametrize("role", sorted(PLATFORM_ROLES))
async def test_somebody_of_the_platform_may_what_the_role_says_everywhere(
    app: Litestar, services: Services, role: Role
) -> None:
    tenant_id = await a_tenant(services)
    client = await bearer(services, app, role, PLATFORM)
    granted = permissions_of(role, platform=True)
    for route in api(app):
        answer = await send(client, route, tenant_id)
        if route.permission in granted:
            assert answer.status_code not in (401, 403, 500), (route, answer.text)
        else:
            assert answer.status_code == 403, (route, answer.text)


async def test_the_pages_of_another_tenant_are_not_found(app: Litestar, services: Services) -> None:
    own, other = await a_tenant(services), await a_tenant(services)
    client = await bearer(services, app, Role.TENANT_ADMINISTRATOR, own)
    for path in ("/", "/panels", "/live"):
        for stranger in (other, uuid4(), "not an id", PLATFORM):
            assert (await client.get(path, params={"tenant": str(stranger)})).status_code == 404
    assert (await client.get("/", params={"tenant": str(own)})).status_code == 200
    decision = {"host": "llm.example", "state": "blocked"}
    assert (await client.post(f"/endpoints/state?tenant={other}", data=decision)).status_code == 404


async def test_the_platforms_own_rows_are_no_tenant(app: Litestar, services: Services) -> None:
    client = await bearer(services, app, Role.PLATFORM_ADMINISTRATOR, PLATFORM)
    assert (await client.get(f"/api/v1/tenants/{PLATFORM}/users")).status_code == 404


def test_roles_and_permissions(capsys: pytest.CaptureFixture[str]) -> None:
    """Print the table, and hold what must not change by accident."""
    for role in Role:
        granted = permissions_of(role, platform=True)
        for permission in Permission:
            print(f"{role:24} {permission:34} {'yes' if permission in granted else ''}")
    assert "security_analyst" in capsys.readouterr().out
    names = [permission.value for permission in Permission]
    assert names == sorted(names)
    for role in Role:
        assert not any(permission.platform_wide for permission in permissions_of(role, platform=False))
    tenants_own = permissions_of(Role.TENANT_ADMINISTRATOR, platform=False)
    assert Permission.TENANT_PLACEHOLDER_ISSUE in tenants_own
    assert Permission.TENANT_PLACEHOLDER_ISSUE not in permissions_of(Role.SECURITY_ANALYST, platform=True)
    changes = {p for p in permissions_of(Role.AUDITOR, platform=True) if not p.endswith(":view")}
    assert changes == {Permission.SELF_TOKEN_CREATE, Permission.SELF_TOKEN_REVOKE}
