"""The record on a page and over the API: found by what an incident names; a leaked placeholder's traces."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from uuid_utils.compat import uuid7

from console.permissions import Role
from console.services import Services
from policy.identifiers import CredentialId, TenantId
from store import credentials, members, placeholders
from store.door import Store
from store.roles import RoleSecrets
from store.tenants import PLATFORM
from tests.console.conftest import signed_in
from tests.console.seeds import call_event, refusal, ship
from tests.console.test_access import a_tenant

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHROME = "t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.fixture
async def seeded(services: Services, role_secrets: RoleSecrets) -> dict[str, Any]:
    """A tenant whose ada called twice, from two addresses, and was refused once; and somebody else's call."""
    tenant = await a_tenant(services)
    async with services.store.tenant(tenant) as session:
        ada = await members.create(session, name="ada")
        made = await credentials.create(session, provider="openai", name="main", hosts=["api.openai.com"])
        binding = placeholders.Binding(ada.id, CredentialId(made.id))
        leaked = await placeholders.create(session, digest=uuid4().bytes * 2, binding=binding)
        idle = await placeholders.create(session, digest=uuid4().bytes * 2, binding=binding)
    hers = {"user_id": str(ada.id), "placeholder_id": str(leaked.id), "credential_id": str(made.id)}
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    await ship(
        gateway,
        [
            call_event(tenant, AT, **hers, source_address="10.0.0.7", findings=["email"]),
            call_event(tenant, AT, **hers, source_address="10.0.0.8", model="gpt-5.2-mini", ja4=CHROME),
            refusal(tenant, AT, "shadow_endpoint", **hers, host="llm.example"),
            call_event(tenant, AT, user="bob", user_id=str(uuid7()), model="o9"),
        ],
    )
    await gateway.close()
    return {"tenant": tenant, "leaked": leaked.id, "idle": idle.id, "credential": made.id, "ada": ada.id}


@pytest.fixture
async def analyst(app: Litestar, services: Services) -> httpx.AsyncClient:
    return await signed_in(app, services, role=Role.SECURITY_ANALYST, tenant_id=TenantId(PLATFORM))


QUESTIONS: dict[str, tuple[dict[str, str], int]] = {
    "person": ({"user": "ada"}, 3),
    "placeholder": ({"placeholder": "{leaked}"}, 3),
    "credential": ({"credential": "main"}, 3),
    "model": ({"model": "o9"}, 1),
    "endpoint": ({"host": "LLM.example"}, 1),
    "address": ({"address": "10.0.0.7"}, 1),
    "TLS client": ({"ja4": CHROME}, 1),
    "time": ({"since": "2026-11-20T08:00", "until": "2026-11-20T10:00", "kind": "call"}, 4),
    "another time": ({"until": "2026-11-19T10:00"}, 0),
    "decision": ({"decision": "deny"}, 1),
    "data class": ({"finding": "email"}, 1),
    "nobody": ({"user": "eve"}, 0),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_events_are_found_by_what_an_incident_names(
    analyst: httpx.AsyncClient, seeded: dict[str, Any], name: str
) -> None:
    words, count = QUESTIONS[name]
    asked = {key: value.format(**seeded) for key, value in words.items()}
    found = (await analyst.get(f"/api/v1/tenants/{seeded['tenant']}/events", params=asked)).json()
    assert len(found) == count
    page = await analyst.get("/record", params={**asked, "tenant": str(seeded["tenant"]), "model ": ""})
    assert page.status_code == 422  # a word that is not known is refused, not ignored
    page = await analyst.get("/record", params={**asked, "tenant": str(seeded["tenant"])})
    assert page.text.count("<details>") == count
    assert ("Nothing matches" in page.text) == (count == 0)


async def test_everything_that_a_leaked_placeholder_touched_is_one_page(
    analyst: httpx.AsyncClient, seeded: dict[str, Any]
) -> None:
    at = f"/record/placeholders/{seeded['leaked']}"
    page = await analyst.get(at, params={"tenant": str(seeded["tenant"])})
    for expected in ("10.0.0.7", "10.0.0.8", "llm.example", "gpt-5.2-mini", "shadow_endpoint", "ada"):
        assert expected in page.text
    api = f"/api/v1/tenants/{seeded['tenant']}/placeholders/{seeded['leaked']}/trace"
    found = (await analyst.get(api)).json()
    assert (found["events"], found["refused"], len(found["addresses"])) == (3, 1, 2)
    assert [each["value"] for each in found["ja4"]] == [CHROME]


async def test_a_placeholder_that_was_never_used_has_an_empty_page(
    analyst: httpx.AsyncClient, seeded: dict[str, Any]
) -> None:
    at = f"/record/placeholders/{seeded['idle']}"
    page = await analyst.get(at, params={"tenant": str(seeded["tenant"])})
    assert "has touched nothing" in page.text
    assert (await analyst.get(at)).status_code == 404  # of no tenant in view
    nobodys = await analyst.get(f"/record/placeholders/{uuid4()}", params={"tenant": str(seeded["tenant"])})
    assert nobodys.status_code == 404


async def test_what_passed_undecrypted_is_shown_by_name_and_volume(
    analyst: httpx.AsyncClient, services: Services, role_secrets: RoleSecrets
) -> None:
    tenant, now = await a_tenant(services), services.clock()
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    passed = {"kind": "tunnel", "host": "www.example.org", "verdict": None, "bytes_up": 7, "bytes_down": 1}
    await ship(gateway, [call_event(tenant, now, **passed), call_event(tenant, now, **passed)])
    await gateway.close()
    hour = {"since": (now - HOUR).isoformat(), "until": (now + HOUR).isoformat()}
    answer = await analyst.get(f"/api/v1/tenants/{tenant}/tunnels", params=hour)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()
    assert (found["host"], found["connections"], found["bytes_up"]) == ("www.example.org", 2, 14)
    page = await analyst.get("/tunnels", params={"tenant": str(tenant)})
    assert 'data-host="www.example.org"' in page.text
    everyone = await analyst.get("/api/v1/tunnels", params={"until": "2000-01-01T00:00:00Z"})
    assert (everyone.status_code, everyone.json()) == (200, [])


async def test_a_person_is_looked_for_in_one_tenant(analyst: httpx.AsyncClient) -> None:
    assert (await analyst.get("/record", params={"user": "ada"})).status_code == 422
    assert (await analyst.get("/record")).status_code == 200
