"""The REST API as a program uses it."""

import csv
import io
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from console.api_tokens import PREFIX
from console.permissions import Role
from console.services import Services
from policy.identifiers import TenantId
from store import credential_acts, member_acts
from store.door import Store
from store.roles import RoleSecrets
from store.tenants import PLATFORM
from tests.console.conftest import TESTER, Clock, a_client, signed_in
from tests.console.seeds import a_busy_day, ship
from tests.console.test_access import a_tenant, bearer
from vault.secret import Secret

KEY = "sk-live-canary-8f3f1c22e1"


@pytest.fixture
async def program(app: Litestar, services: Services) -> httpx.AsyncClient:
    return await bearer(services, app, Role.PLATFORM_ADMINISTRATOR, PLATFORM)


async def test_a_tenant_is_set_up_from_nothing(program: httpx.AsyncClient, services: Services) -> None:
    name = f"Acme {uuid4()}"
    tenant = (await program.post("/api/v1/tenants", json={"name": name})).json()
    at = f"/api/v1/tenants/{tenant['tenant_id']}"
    user = (await program.post(f"{at}/users", json={"name": "ada", "team": "research"})).json()
    credential = await credential_acts.add_credential(
        services.store,
        services.vault,
        actor=TESTER,
        tenant_id=TenantId(UUID(tenant["tenant_id"])),
        new=credential_acts.NewCredential("openai", "main", ["api.openai.com"], Secret(KEY)),
    )
    binding = {"user_id": user["id"], "credential_id": str(credential.id), "models": ["gpt-5.2"]}
    issued = await program.post(f"{at}/placeholders", json=binding)
    assert issued.status_code == 201, issued.text
    assert issued.json()["placeholder"].startswith("sk-")
    budget = {"kind": "budget_micro_dollars", "amount": 2_500_000, "window": "month"}
    assert (await program.post(f"{at}/limits", json={"limits": [budget]})).json()[0]["amount"] == 2_500_000
    network = f"10.{uuid4().int % 250}.{uuid4().int % 250}.0/24"
    assert (await program.post(f"{at}/networks", json={"network": network})).status_code == 201
    state = await program.put(f"{at}/endpoints/llm.example", json={"state": "blocked"})
    assert state.json()["state"] == "blocked"
    listed = [
        (await program.get(f"{at}/{noun}")).json() for noun in ("users", "placeholders", "limits", "networks")
    ]
    assert [len(items) for items in listed] == [1, 1, 1, 1]
    whole = {"kind": "tokens", "amount": 5, "window": "rolling", "hours": 24, "alert_at": [90]}
    narrowed = {"limits": [whole], "user_id": user["id"], "model": "gpt-4*"}
    (of_user,) = (await program.post(f"{at}/limits", json=narrowed)).json()
    assert of_user.items() >= (whole | {"scope": "user", "model": "gpt-4*"}).items()
    assert (await program.delete(f"{at}/limits/{of_user['id']}")).status_code == 204
    assert len((await program.get(f"{at}/limits")).json()) == 1
    revoked = await program.delete(f"{at}/placeholders/{issued.json()['id']}")
    assert revoked.status_code == 204


async def test_no_answer_holds_a_secret(program: httpx.AsyncClient, services: Services) -> None:
    tenant_id = await a_tenant(services)
    user = await member_acts.create_user(
        services.store, actor=TESTER, tenant_id=tenant_id, new=member_acts.NewUser("ada")
    )
    credential = await credential_acts.add_credential(
        services.store,
        services.vault,
        actor=TESTER,
        tenant_id=tenant_id,
        new=credential_acts.NewCredential("openai", "main", ["api.openai.com"], Secret(KEY)),
    )
    at = f"/api/v1/tenants/{tenant_id}"
    binding = {"user_id": str(user.id), "credential_id": str(credential.id)}
    placeholder = (await program.post(f"{at}/placeholders", json=binding)).json()["placeholder"]
    for path in (
        f"{at}/credentials",
        f"{at}/placeholders",
        f"{at}/events",
        "/api/v1/me",
        "/api/v1/me/tokens",
    ):
        text = (await program.get(path)).text
        assert KEY not in text
        assert placeholder not in text
        assert program.headers["authorization"].split()[1] not in text
        assert "digest" not in text
        assert "envelope" not in text


def a_limit(**changed: object) -> dict[str, object]:
    return {"kind": "tokens", "amount": 5, "window": "day"} | changed


@pytest.mark.parametrize(
    "body",
    [
        {"limits": [a_limit(window=None)]},
        {"limits": [a_limit(window="rolling")]},
        {"limits": [a_limit(alert_at=[100, 50])]},
        {"limits": [a_limit(burst=5)]},
        {"limits": [a_limit()], "model": "a*b"},
        {"limits": [a_limit()], "model": "gpt\u00004"},
        {"limits": [a_limit()], "team_id": str(uuid4())},
        {"limits": [a_limit()], "team_id": str(uuid4()), "user_id": str(uuid4())},
    ],
)
async def test_a_limit_that_cannot_be_is_refused_and_none_is_set(
    program: httpx.AsyncClient, services: Services, body: dict[str, object]
) -> None:
    at = f"/api/v1/tenants/{await a_tenant(services)}/limits"
    answer = await program.post(at, json=body)
    assert answer.status_code in (404, 409, 422), answer.text
    assert (await program.get(at)).json() == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/v1/tenants", {"name": "x", "tenant_id": str(uuid4())}, "tenant_id"),
        ("users", {"name": "ada", "role": "platform_administrator"}, "role"),
        ("users", {"name": " padded "}, "name"),
        ("limits", {"limits": [{"kind": "concurrent", "amount": True}]}, "amount"),
        ("limits", {"limits": [{"kind": "concurrent", "amount": "5"}]}, "amount"),
        ("limits", {"limits": [{"kind": "concurrent", "amount": 2**53}]}, "amount"),
        ("limits", {"limits": [a_limit(alert_at=[True])]}, "alert_at"),
        ("limits", {"limits": [a_limit(alert_at=[50.5])]}, "alert_at"),
        ("limits", {"limits": [a_limit(window="rolling", hours=8785)]}, "hours"),
        ("limits", {"limits": [a_limit(window="year")]}, "window"),
        ("limits", {"limits": [a_limit(burst=0)]}, "burst"),
        ("limits", {"limits": [a_limit(cap=5)]}, "cap"),
        ("networks", {"network": "10.0.0.1/8"}, "network"),
        ("invitations", {"name": "ada", "role": "nobody"}, "role"),
    ],
)
async def test_what_is_not_asked_for_is_refused(
    program: httpx.AsyncClient, services: Services, path: str, body: dict[str, object], field: str
) -> None:
    at = path if path.startswith("/") else f"/api/v1/tenants/{await a_tenant(services)}/{path}"
    answer = await program.post(at, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert field in answer.json()["detail"]


async def test_a_refused_value_is_not_echoed(program: httpx.AsyncClient) -> None:
    answer = await program.post("/api/v1/tenants", json={"name": "x", "api_key": KEY})
    assert answer.status_code == 422
    assert KEY not in answer.text


async def test_a_tenants_name_is_taken_once(program: httpx.AsyncClient) -> None:
    name = f"Acme {uuid4()}"
    assert (await program.post("/api/v1/tenants", json={"name": name})).status_code == 201
    assert (await program.post("/api/v1/tenants", json={"name": name})).status_code == 409


async def test_nobody_of_a_tenant_becomes_somebody_of_the_platform(app: Litestar, services: Services) -> None:
    tenant_id = await a_tenant(services)
    program = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/invitations"
    up = await program.post(at, json={"name": f"eve {uuid4()}", "role": "platform_administrator"})
    assert up.status_code == 422
    beside = await program.post(at, json={"name": f"bob {uuid4()}", "role": "auditor"})
    assert beside.json()["path"].startswith("/setup?token=")


async def test_usage_and_events_are_exact(
    app: Litestar, services: Services, clock: Clock, role_secrets: RoleSecrets
) -> None:
    tenant_id = await a_tenant(services)
    events = a_busy_day(tenant_id, "Acme", clock.now)
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    await ship(gateway, events)
    await gateway.close()
    program = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    (total,) = (
        await program.get(f"/api/v1/tenants/{tenant_id}/usage", params={"group_by": "tenant_id"})
    ).json()
    assert total["cost_micro_dollars"] == sum(event.get("cost_micro_dollars", 0) for event in events)
    assert total["unpriced"] == sum(
        "cost_micro_dollars" not in event for event in events if event["decision"] == "allow"
    )
    calls = (await program.get(f"/api/v1/tenants/{tenant_id}/events?kind=call&limit=1000")).json()
    assert {item["event"]["id"] for item in calls} == {event["id"] for event in events}
    seen = (await program.get(f"/api/v1/tenants/{tenant_id}/endpoints")).json()
    assert {item["host"]: item["state"] for item in seen}["llm.sidecar.example"] == "monitored"


async def test_an_invoice_sums_up_for_programs_and_for_spreadsheets(
    app: Litestar, services: Services, clock: Clock, role_secrets: RoleSecrets
) -> None:
    tenant_id = await a_tenant(services)
    events = a_busy_day(tenant_id, "Acme", clock.now)
    events[0] |= {"model": "=HYPERLINK(1)"}
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    await ship(gateway, events)
    await gateway.close()
    program = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    months = sorted({event["at"][:7] for event in events})
    at = f"/api/v1/tenants/{tenant_id}/invoices"
    found = [(await program.get(f"{at}/{month}")).json() for month in months]
    spent = sum(event.get("cost_micro_dollars", 0) for event in events)
    assert sum(each["cost_micro_dollars"] for each in found) == spent > 0
    assert {each["currency"] for each in found} == {"USD"}
    asked = (f"{at}/{months[-1]}.csv", {}), (f"{at}/{months[-1]}", {"accept": "text/csv"})
    written = [await program.get(path, headers=headers) for path, headers in asked]
    assert written[0].text == written[1].text
    assert written[0].headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(written[0].text, newline="")))
    assert sum(int(line["cost_micro_dollars"]) for line in lines) == found[-1]["cost_micro_dollars"]
    assert {(line["currency"], line["price_data_date"]) for line in lines} == {
        ("USD", found[-1]["price_data"]["date"])
    }
    assert not [line for line in lines if (line["model"] or "").startswith("=")]


@pytest.mark.parametrize("month", ["2026-13", "1999-12", "2026-11.xml", "november", "2026-1"])
async def test_what_is_no_month_has_no_invoice(
    program: httpx.AsyncClient, services: Services, month: str
) -> None:
    at = f"/api/v1/tenants/{await a_tenant(services)}/invoices"
    assert (await program.get(f"{at}/{month}")).status_code == 422
    assert (await program.get(f"{at}/2026-11")).json()["lines"] == []


async def test_a_cookie_alone_changes_nothing_through_the_api(app: Litestar, services: Services) -> None:
    client = await signed_in(app, services)
    body = {"name": f"Acme {uuid4()}"}
    assert (await client.post("/api/v1/tenants", json=body)).status_code == 403
    token = client.cookies["conduit-form"]
    with_token = await client.post("/api/v1/tenants", json=body, headers={"x-csrftoken": token})
    assert with_token.status_code == 201


async def test_a_token_cannot_make_tokens_and_a_session_can(
    app: Litestar, services: Services, program: httpx.AsyncClient
) -> None:
    assert (await program.post("/api/v1/me/tokens", json={})).status_code == 403
    client = await signed_in(app, services)
    form = {"x-csrftoken": client.cookies["conduit-form"]}
    issued = await client.post("/api/v1/me/tokens", json={"days": 1}, headers=form)
    assert issued.status_code == 201, issued.text
    token = issued.json()["token"]
    other = a_client(app)
    assert (await other.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})).status_code == 200
    assert (await client.delete(f"/api/v1/me/tokens/{issued.json()['id']}", headers=form)).status_code == 204
    assert (await other.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})).status_code == 401


async def test_a_token_is_no_cookie_and_a_cookie_no_token(
    app: Litestar, services: Services, program: httpx.AsyncClient
) -> None:
    token = program.headers["authorization"].split()[1]
    assert token.startswith(PREFIX)
    posing = a_client(app)
    posing.cookies.set("conduit", token)
    assert (await posing.get("/")).status_code == 303
    client = await signed_in(app, services)
    cookie = client.cookies["conduit"]
    assert (await posing.get("/api/v1/me", headers={"authorization": f"Bearer {cookie}"})).status_code == 401


async def test_a_token_ends_when_its_days_are_over(
    app: Litestar, services: Services, program: httpx.AsyncClient, clock: Clock
) -> None:
    assert (await program.get("/api/v1/me")).status_code == 200
    clock.advance(hours=25)
    assert (await program.get("/api/v1/me")).status_code == 401


async def test_the_api_describes_itself_without_secrets(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/tenants/{tenant_id}/placeholders" in document["paths"]
    assert "application/problem+json" in str(document["paths"]["/api/v1/tenants"]["post"]["responses"]["422"])


async def test_prices_and_discounts_are_the_platforms_to_set_and_the_tenants_to_see(
    program: httpx.AsyncClient, app: Litestar, services: Services
) -> None:
    tenant_id = await a_tenant(services)
    at = f"/api/v1/tenants/{tenant_id}/prices"
    price = {"provider": "openai", "model": f"m-{uuid4()}", "prices": {"input": 1_000_000, "output": 2}}
    for_all = (await program.post("/api/v1/prices", json=price)).json()
    given = (await program.post(at, json={"discount": 1_250})).json()
    theirs = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    shown = (await theirs.get(at)).json()
    assert {for_all["id"], given["id"]} <= {rule["id"] for rule in shown["rules"]}
    assert shown["price_data"]["name"] == "genai-prices"
    assert (await theirs.post(at, json={"discount": 10_000})).status_code == 403
    assert (await theirs.delete(f"{at}/{given['id']}")).status_code == 403
    assert (await program.delete(f"{at}/{given['id']}")).status_code == 204
    assert (await program.delete(f"/api/v1/prices/{for_all['id']}")).status_code == 204
    assert (await program.delete(f"/api/v1/prices/{for_all['id']}")).status_code == 404


@pytest.mark.parametrize(
    "absurd",
    [
        {"discount": 10_001},
        {"discount": -1},
        {"discount": 12.5},
        {"discount": True},
        {},
        {"provider": "openai", "prices": {"input": -1, "output": 1}},
        {"provider": "openai", "prices": {"input": 2**63, "output": 1}},
        {"prices": {"input": 1, "output": 1}},
        {"provider": "openai", "prices": {"input": 1, "output": 1}, "discount": 1},
        {"discount": 1, "since": "2026-12-01T00:00:00Z", "until": "2026-12-01T01:00:00+01:00"},
    ],
)
async def test_an_absurd_price_rule_is_refused(
    program: httpx.AsyncClient, services: Services, absurd: dict[str, object]
) -> None:
    at = f"/api/v1/tenants/{await a_tenant(services)}/prices"
    assert (await program.post(at, json=absurd)).status_code in (400, 422)


async def test_calls_are_priced_anew_by_the_platform_alone(
    program: httpx.AsyncClient, app: Litestar, services: Services
) -> None:
    tenant_id = await a_tenant(services)
    path, asked = f"/api/v1/tenants/{tenant_id}/usage/reprice", {"since": "2026-11-01T00:00:00Z"}
    outcome = await program.post(path, json=asked)
    assert outcome.json() == {"calls": 0, "changed": 0, "difference": 0, "differences": []}
    theirs = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    assert (await theirs.post(path, json=asked)).status_code == 403


async def test_an_endpoint_is_reviewed_and_reopened(
    program: httpx.AsyncClient, services: Services, role_secrets: RoleSecrets, clock: Clock
) -> None:
    tenant_id = await a_tenant(services)
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    await ship(gateway, a_busy_day(tenant_id, "Acme", clock.now))
    await gateway.close()
    at = f"/api/v1/tenants/{tenant_id}/inventory"
    (seen,) = [each for each in (await program.get(at)).json() if each["host"] == "llm.sidecar.example"]
    assert (seen["stage"], seen["state"], seen["product"]) == ("new", "monitored", None)
    assert seen["risk"] == sum(part["points"] for part in seen["risk_parts"])

    place = f"{at}/llm.sidecar.example"
    assert (await program.put(f"{place}/review", json={"state": "blocked"})).status_code == 422
    decision = {"owner": "ops", "note": "ours", "state": "sanctioned"}
    assert (await program.put(f"{place}/review", json=decision)).json()["owner"] == "ops"
    found = (await program.get(place)).json()
    assert (found["stage"], found["state"], found["decision"]["note"]) == ("decided", "sanctioned", "ours")
    assert (await program.delete(f"{place}/review")).status_code == 204
    assert (await program.get(place)).json()["stage"] == "new"
    assert (await program.get(f"{at}/never.example")).status_code == 404
    for asked, hosts in (
        ("search=SIDECAR&stage=new", {seen["host"]}),
        ("catalogued=true&search=sidecar", set()),
    ):
        assert {each["host"] for each in (await program.get(f"{at}?{asked}")).json()} == hosts
    assert len((await program.get(f"{at}?limit=1&offset=1")).json()) == 1
    assert {(await program.get(f"{at}?{wrong}")).status_code for wrong in ("limit=0", "stage=x")} == {422}
    known = (await program.get(f"{at}/api.openai.com")).json()["catalogue"]
    assert known["country"]["value"] == "US"
    assert all(fact["source"] and fact["date"] for fact in (known["country"], known["trains"]))
    assert {each["tenant"] for each in (await program.get("/api/v1/inventory")).json()} >= {seen["tenant"]}


async def test_a_user_is_stopped_and_moved(program: httpx.AsyncClient, services: Services) -> None:
    at = f"/api/v1/tenants/{await a_tenant(services)}/users"
    user = (await program.post(at, json={"name": "ada"})).json()
    changed = (await program.put(f"{at}/{user['id']}", json={"team": "red", "enabled": False})).json()
    assert (changed["enabled"], changed["team_id"] is None) == (False, False)
    assert (await program.get(at)).json() == [changed]
    back = (await program.put(f"{at}/{user['id']}", json={"team": "", "enabled": True})).json()
    assert back == user
    assert (await program.put(f"{at}/{uuid4()}", json={"enabled": False})).status_code == 404


async def test_a_tenants_settings_are_changed_by_itself(app: Litestar, services: Services) -> None:
    tenant_id = await a_tenant(services)
    client = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}"
    changed = await client.put(f"{at}/settings", json={"data_residency": ["eu"]})
    assert changed.json()["data_residency"] == ["eu"]
    await client.put(f"{at}/settings", json={"time_zone": "Asia/Tokyo"})
    shown = (await client.get(at)).json()
    assert (shown["data_residency"], shown["time_zone"]) == (["eu"], "Asia/Tokyo")
    for change in ({"decrypt_unknown": "on"}, {"never_decrypted": ["*.union.example"]}):
        shown = (await client.put(f"{at}/settings", json=change)).json()
    assert (shown["decrypt_unknown"], shown["never_decrypted"]) == (True, ["*.union.example"])
    for region in ("no such thing", "narnia"):
        refused = await client.put(f"{at}/settings", json={"data_residency": ["eu", region]})
        assert (refused.status_code, (await client.get(at)).json()["data_residency"]) == (422, ["eu"])
