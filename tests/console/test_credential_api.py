"""Providers' keys over the REST API: taken with a one-time code on a private way, and never given back."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar

from console.app import create_app
from console.people import Person
from console.permissions import Role
from console.services import Services
from policy.identifiers import TenantId
from store import administrators, events
from store.claim import Purpose
from tests.console.conftest import ORIGIN, Enrolled, a_client, enrol
from tests.console.test_access import a_tenant, bearer

KEY, NEXT = "sk-live-canary-2b7e151628", "sk-live-canary-aed2a6abf7"


@dataclass
class Office:
    """A tenant, and the program and the knowledge of one of its administrators."""

    at: str
    tenant_id: TenantId
    program: httpx.AsyncClient
    person: Enrolled

    def body(self, **more: Any) -> dict[str, Any]:
        code = self.person.code()
        self.person.clock.advance(seconds=30)
        return {"code": code, **more}


@pytest.fixture
async def office(app: Litestar, services: Services) -> Office:
    tenant_id = await a_tenant(services)
    person = await enrol(services, role=Role.TENANT_ADMINISTRATOR, tenant_id=tenant_id)
    async with services.store.platform(Purpose.SIGN_IN) as session:
        found = await administrators.find(session, name=person.name)
    assert found is not None
    whose = Person(found.id, tenant_id, found.name, Role.TENANT_ADMINISTRATOR)
    token = await services.tokens.issue(whose, lifetime=timedelta(days=1), address=None)
    program = a_client(app)
    program.headers["authorization"] = f"Bearer {token.text}"
    return Office(f"/api/v1/tenants/{tenant_id}/credentials", tenant_id, program, person)


async def test_a_key_is_added_changed_rotated_and_revoked_and_never_shown(
    office: Office, services: Services
) -> None:
    new = office.body(provider="openai", name="main", secret=KEY, hosts=["api.openai.com"])
    added = await office.program.post(office.at, json=new)
    assert (added.status_code, added.json()["hosts"]) == (201, ["api.openai.com"]), added.text
    one = f"{office.at}/{added.json()['id']}"
    changed = await office.program.put(one, json={"weight": 0, "provider_key_id": "key_abc"})
    assert (changed.json()["weight"], changed.json()["provider_key_id"]) == (0, "key_abc"), changed.text
    rotated = await office.program.post(f"{one}/rotation", json=office.body(secret=NEXT))
    assert (rotated.status_code, rotated.json()["version"]) == (200, 2), rotated.text
    revoked = await office.program.post(f"{one}/revocation", json=office.body())
    assert revoked.json()["revoked_at"] is not None, revoked.text
    listed = await office.program.get(office.at)
    async with services.store.tenant(office.tenant_id) as session:
        record = [each.body for each in await events.latest(session, limit=50)]
    acts = [json.loads(body)["action"] for body in record if "action" in json.loads(body)]
    assert [act for act in acts if act.startswith("credential.")] == [
        f"credential.{act}" for act in ("revoke", "rotate", "change", "add")
    ]
    for text in (added.text, changed.text, rotated.text, revoked.text, listed.text, *record):
        assert KEY not in text
        assert NEXT not in text


async def test_without_the_askers_own_fresh_code_nothing_is_done(office: Office) -> None:
    new = {"provider": "openai", "name": "main", "secret": KEY}
    assert (await office.program.post(office.at, json=new)).status_code == 422
    assert (await office.program.post(office.at, json=new | {"code": "000000"})).status_code == 401
    used = office.body(**new)
    assert (await office.program.post(office.at, json=used)).status_code == 201
    again = await office.program.post(office.at, json=used | {"name": "second"})
    assert again.status_code == 401
    assert [each["name"] for each in (await office.program.get(office.at)).json()] == ["main"]


async def test_a_key_is_not_taken_from_another_machine_without_tls(
    office: Office, services: Services
) -> None:
    new = office.body(provider="openai", name="main", secret=KEY)
    for secure, status in ((False, 403), (True, 201)):
        app = create_app(dataclasses.replace(services, secure=secure))
        far = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=("192.0.2.7", 4711)),
            base_url=ORIGIN,
            headers=office.program.headers,
        )
        answer = await far.post(office.at, json=new)
        assert answer.status_code == status, answer.text
        assert KEY not in answer.text


@pytest.mark.parametrize(
    "wrong", [{"secret": "two words"}, {"secret": '{"type": "entra_client"}'}, {"hosts": ["not a host"]}]
)
async def test_what_is_no_key_is_refused_and_not_echoed(office: Office, wrong: dict[str, Any]) -> None:
    new = office.body(**({"provider": "openai", "name": "main", "secret": KEY} | wrong))
    answer = await office.program.post(office.at, json=new)
    assert answer.status_code == 422, answer.text
    assert "two words" not in answer.text
    assert (await office.program.get(office.at)).json() == []


async def test_an_auditor_sees_keys_and_adds_none(office: Office, app: Litestar, services: Services) -> None:
    auditor = await bearer(services, app, Role.AUDITOR, office.tenant_id)
    assert (await auditor.get(office.at)).status_code == 200
    new = {"provider": "openai", "name": "main", "secret": KEY, "code": "000000"}
    assert (await auditor.post(office.at, json=new)).status_code == 403
