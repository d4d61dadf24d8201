"""What goes wrong, as people and programs are told it: nothing of the cause that is not theirs."""

import dataclasses
from typing import Any

import httpx
import pytest

from console.app import create_app
from console.enrolment import Enroller
from console.passwords import Passwords
from console.permissions import Role
from console.second_factors import SecondFactors
from console.services import Services
from console.sign_in import SignIn
from store.errors import StoreUnavailable
from store.tenants import PLATFORM
from tests.console.conftest import CHEAP, Clock, a_client, enrol, sign_in
from tests.console.test_access import a_tenant, bearer
from vault.vault import Vault

SECRET = "postgresql://owner:hunter2@db"


class Failing:
    """A part that fails in every way that it is used."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable("PostgreSQL is away"), 503), (RuntimeError(SECRET), 500)]
)
async def test_a_failure_is_told_without_its_cause(services: Services, error: Exception, status: int) -> None:
    program = await bearer(services, create_app(services), Role.PLATFORM_ADMINISTRATOR, PLATFORM)
    vault: Any = Failing(error)
    broken = a_client(create_app(dataclasses.replace(services, vault=vault)))
    broken.headers.update(program.headers)
    answer = await broken.post("/api/v1/tenants", json={"name": "x"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert SECRET not in answer.text


@pytest.mark.parametrize("known", [True, False])
async def test_while_the_vault_is_sealed_nobody_learns_who_exists(
    services: Services, clock: Clock, known: bool
) -> None:
    person = await enrol(services)
    sealed = SecondFactors(Vault(None))
    passwords = Passwords(CHEAP)
    closed = dataclasses.replace(
        services,
        sign_in=SignIn(services.store, passwords, sealed, clock),
        enroller=Enroller(services.store, passwords, sealed, clock, key=bytes(32)),
    )
    client = a_client(create_app(closed))
    answer = await sign_in(client, person, **({} if known else {"name": "nobody"}))
    assert answer.status_code == 503
    assert "vault is sealed" in answer.text


async def test_a_browser_gets_a_page_and_htmx_a_way_to_sign_in(client: httpx.AsyncClient) -> None:
    page = await client.get("/nowhere")
    assert page.status_code == 404
    assert "<h1>" in page.text
    moved = await client.get("/panels", headers={"hx-request": "true"})
    assert (moved.status_code, moved.headers["hx-redirect"]) == (401, "/sign-in")


async def test_who_of_the_platform_looked_is_written_down_where_the_tenant_sees_it(
    services: Services,
) -> None:
    app = create_app(services)
    tenant_id = await a_tenant(services)
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    owner = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    name = (await analyst.get("/api/v1/me")).json()["name"]
    assert (await analyst.get("/", params={"tenant": str(tenant_id)})).status_code == 200
    assert (await analyst.get(f"/api/v1/tenants/{tenant_id}/usage")).status_code == 200
    acts = (await owner.get(f"/api/v1/tenants/{tenant_id}/events?kind=act")).json()
    looks = [item["event"] for item in acts if item["event"]["action"] == "record.view"]
    assert [(look["actor"], look["via"]) for look in looks] == [(name, "api"), (name, "console")]
