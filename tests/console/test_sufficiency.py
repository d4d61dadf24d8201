"""What a tenant takes for enough, over the REST API."""

import httpx
from litestar import Litestar

from console.permissions import Role
from console.services import Services
from tests.console.test_access import a_tenant, bearer


async def test_a_tenant_says_what_is_enough_and_takes_it_back(app: Litestar, services: Services) -> None:
    tenant_id = await a_tenant(services)
    program: httpx.AsyncClient = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/sufficiency"
    made = await program.put(f"{at}/*.OpenAI.com", json={"sources": ["token", "certificate"]})
    assert (made.status_code, made.json()["host"]) == (200, "*.openai.com"), made.text
    (listed,) = (await program.get(at)).json()
    assert listed["sources"] == ["certificate", "token"]
    for wrong in ({"sources": []}, {"sources": ["hearsay"]}, {"sources": ["token"], "tenant": "x"}):
        assert (await program.put(f"{at}/*", json=wrong)).status_code == 422
    assert (await program.delete(f"{at}/*.openai.com")).status_code == 204
    assert (await program.delete(f"{at}/*.openai.com")).status_code == 404
    assert (await program.get(at)).json() == []
