"""Shadow AI over the REST API: decisions, exceptions, accounts, the catalogue, alerts."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from console.alert_destinations import Destination
from console.app import create_app
from console.permissions import Role
from console.services import Services
from policy.incident import Severity
from store import events, member_acts
from store.catalogue_release import signed
from store.catalogues import Catalogues
from store.checkpoint import SigningKey
from store.tenants import PLATFORM
from tests.console.conftest import TESTER, a_client, refusing
from tests.console.test_access import a_tenant, bearer
from tests.store.test_catalogues import FILE, versions

SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
PUBLISHER = SigningKey.generate()


@pytest.fixture
async def program(app: Litestar, services: Services) -> httpx.AsyncClient:
    return await bearer(services, app, Role.PLATFORM_ADMINISTRATOR, PLATFORM)


async def test_a_decision_is_listed_and_taken_back(program: httpx.AsyncClient, services: Services) -> None:
    host = f"llm-{uuid4()}.example"
    tenant = f"/api/v1/tenants/{await a_tenant(services)}"
    for at in ("/api/v1", tenant):
        assert (await program.put(f"{at}/endpoints/{host}", json={"state": "coached"})).status_code == 200
        listed = {each["host"]: each["state"] for each in (await program.get(f"{at}/endpoint-rules")).json()}
        assert listed[host] == "coached"
        assert (await program.delete(f"{at}/endpoints/{host}")).status_code == 204
        assert (await program.delete(f"{at}/endpoints/{host}")).status_code == 404
        assert host not in (await program.get(f"{at}/endpoint-rules")).text


async def test_an_exception_is_granted_to_one_and_ended(app: Litestar, services: Services) -> None:
    tenant_id = await a_tenant(services)
    user = await member_acts.create_user(
        services.store, actor=TESTER, tenant_id=tenant_id, new=member_acts.NewUser("ada", team="research")
    )
    program = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/exceptions"
    why = {"host": "Chat.Example", "reason": "a study", "expires_at": SOON}
    for whom in ({"user_id": str(user.id)}, {"team_id": str(user.team_id)}):
        made = await program.post(at, json=why | whom)
        assert (made.status_code, made.json()["host"]) == (201, "chat.example"), made.text
    past = {"expires_at": "2020-01-01T00:00:00Z"}
    for wrong in ({}, {"user_id": str(uuid4())}, {"user_id": str(user.id), "team_id": str(user.team_id)}):
        assert (await program.post(at, json=why | wrong)).status_code == 422, wrong
    assert (await program.post(at, json=why | {"user_id": str(user.id)} | past)).status_code == 422
    listed = (await program.get(at)).json()
    assert [(each["user_id"], each["team_id"]) for each in listed] == [
        (str(user.id), None),
        (None, str(user.team_id)),
    ]
    assert (await program.delete(f"{at}/{listed[0]['id']}")).status_code == 204
    assert (await program.delete(f"{at}/{listed[0]['id']}")).status_code == 404


async def test_accounts_are_stated_for_a_product_that_can_be_restricted(
    app: Litestar, services: Services
) -> None:
    tenant_id = await a_tenant(services)
    program = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/accounts"
    products = (await program.get(f"/api/v1/tenants/{tenant_id}/account-products")).json()
    assert "chatgpt" in {each["product"] for each in products}
    made = await program.put(f"{at}/chatgpt", json={"accounts": ["ws-1", "ws-2"]})
    assert (made.status_code, made.json()["accounts"]) == (200, ["ws-1", "ws-2"]), made.text
    assert (await program.put(f"{at}/nothing", json={"accounts": ["ws-1"]})).status_code == 422
    assert (await program.put(f"{at}/chatgpt", json={"accounts": ["a b"]})).status_code == 422
    assert [each["product"] for each in (await program.get(at)).json()] == ["chatgpt"]
    assert (await program.delete(f"{at}/chatgpt")).status_code == 204
    assert (await program.get(at)).json() == []


async def test_a_network_is_removed_and_a_tenant_stopped(
    program: httpx.AsyncClient, services: Services, app: Litestar
) -> None:
    tenant_id = await a_tenant(services)
    at = f"/api/v1/tenants/{tenant_id}"
    network = f"10.{uuid4().int % 250}.{uuid4().int % 250}.0/28"
    made = (await program.post(f"{at}/networks", json={"network": network})).json()
    assert (await program.delete(f"{at}/networks/{made['id']}")).status_code == 204
    assert (await program.delete(f"{at}/networks/{made['id']}")).status_code == 404
    assert (await program.put(f"{at}/enabled", json={"enabled": False})).json()["enabled"] is False
    own = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    assert (await own.put(f"{at}/enabled", json={"enabled": True})).status_code == 403
    assert (await program.put(f"{at}/enabled", json={"enabled": True})).json()["enabled"] is True


async def test_the_catalogue_is_searched_checked_and_replaced_by_a_signed_one(services: Services) -> None:
    shipped = services.defaults.catalogues.shipped
    known = dataclasses.replace(services.defaults, catalogues=Catalogues(shipped, (PUBLISHER.verifier,)))
    app = create_app(dataclasses.replace(services, defaults=known))
    program = await bearer(services, app, Role.PLATFORM_ADMINISTRATOR, PLATFORM)
    found = (await program.get("/api/v1/catalogue/entries", params={"search": "openai api"})).json()
    assert "api.openai.com" in {each["host"] for each in found}
    paged = {"search": "openai", "limit": 1, "offset": 1}
    assert len((await program.get("/api/v1/catalogue/entries", params=paged)).json()) == 1
    assert (await program.get("/api/v1/catalogue/entries/nobody.invalid")).status_code == 404
    one = (await program.get("/api/v1/catalogue/entries/API.openai.com")).json()
    assert (one["host"], one["provider"]) == ("api.openai.com", "openai")

    before = (await program.get("/api/v1/catalogue")).json()
    *lines, gone = FILE.splitlines(keepends=True)
    entries = "".join(lines)
    version = next(versions)
    note = signed(PUBLISHER, entries, version=version, at="2026-11-24T10:00:00.000000Z")
    offered = {"entries": entries, "note": note}
    checked = (await program.post("/api/v1/catalogue/check", json=offered)).json()
    assert (checked["refusal"], checked["version"], checked["added"]) == (None, version, [])
    assert gone.split(",")[0] in checked["removed"]
    forged = offered | {"entries": FILE}
    assert (await program.post("/api/v1/catalogue/check", json=forged)).json()["refusal"] is not None
    assert (await program.post("/api/v1/catalogue", json=forged)).status_code == 422
    assert (await program.get("/api/v1/catalogue")).json() == before
    assert (await program.post("/api/v1/catalogue", json=offered)).status_code == 201
    after = (await program.get("/api/v1/catalogue")).json()
    assert (after["version"], after["origin"], after["loaded"][0]["version"]) == (version, "loaded", version)
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    assert (await analyst.post("/api/v1/catalogue", json=offered)).status_code == 403


async def test_a_destination_is_tried_out_and_the_record_says_so(services: Services) -> None:
    async def taken() -> str:
        return "HTTP 204"

    name = f"soc-{uuid4()}"
    destinations = [
        Destination(name, "webhook", Severity.WARNING, None, 30, taken),
        Destination("dead", "mail", Severity.ALARM, "acme", 5, refusing),
    ]
    app = create_app(dataclasses.replace(services, destinations=destinations))
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    listed = (await analyst.get("/api/v1/alerts")).json()
    assert [(each["name"], each["kind"], each["waiting"]) for each in listed] == [
        (name, "webhook", 0),
        ("dead", "mail", 0),
    ]
    tried = await analyst.post(f"/api/v1/alerts/{name}/test", json={})
    assert tried.json() == {"destination": name, "taken": True, "answer": "HTTP 204"}, tried.text
    failed = (await analyst.post("/api/v1/alerts/dead/test", json={})).json()
    assert failed == {"destination": "dead", "taken": False, "answer": "HTTP 500"}
    assert (await analyst.post("/api/v1/alerts/unknown/test", json={})).status_code == 404
    assert (await analyst.get("/api/v1/alerts/deliveries", params={"limit": 0})).status_code == 422
    assert (await analyst.get("/api/v1/alerts/deliveries", params={"destination": name})).json() == []
    async with services.store.tenant(PLATFORM) as session:
        told = [json.loads(each.body) for each in await events.latest(session, limit=1000)]
    assert {"taken": True, "answer": "HTTP 204"} in [
        each.get("detail") for each in told if each.get("action") == "alert.test" and each["target"] == name
    ]
    auditor = await bearer(services, app, Role.AUDITOR, PLATFORM)
    assert (await auditor.post(f"/api/v1/alerts/{name}/test", json={})).status_code == 403
    nobody = a_client(app)
    assert (await nobody.get("/api/v1/alerts")).status_code == 401
