"""The coaching page, and clients that pin a certificate, over the REST API."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import httpx
from litestar import Litestar

from console.permissions import Role
from console.services import Services
from tests.console.test_access import a_tenant, bearer

PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_tenant_says_how_its_page_looks_and_takes_it_back(app: Litestar, services: Services) -> None:
    tenant_id = await a_tenant(services)
    program: httpx.AsyncClient = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/coaching"
    assert (await program.get(at)).json()["hours"] == 8
    page = {"name": "Acme", "colour": "#004488", "logo": b64encode(PNG).decode(), "hours": 4}
    made = await program.put(at, json=page)
    assert (made.status_code, made.json()["logo_bytes"]) == (200, len(PNG)), made.text
    shown = (await program.get(at)).json()
    assert (shown["name"], shown["colour"], shown["hours"]) == ("Acme", "#004488", 4)
    for wrong in ({"colour": "red"}, {"hours": 0}, {"logo": b64encode(b"<svg>").decode()}, {"script": "x"}):
        assert (await program.put(at, json=wrong)).status_code == 422, wrong
    assert (await program.delete(at)).status_code == 204
    assert (await program.delete(at)).status_code == 404
    assert (await program.get(at)).json()["name"] == ""


async def test_a_tenant_lets_pinned_clients_pass_for_a_time_and_blocks_them(
    app: Litestar, services: Services
) -> None:
    tenant_id = await a_tenant(services)
    program: httpx.AsyncClient = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/pinned"
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = await program.put(f"{at}/Pinned.Example", json={"reason": "approved", "expires_at": soon})
    assert (made.status_code, made.json()["host"]) == (200, "pinned.example"), made.text
    past = {"reason": "x", "expires_at": "2020-01-01T00:00:00Z"}
    for wrong in (past, {"reason": "x"}, {"reason": " ", "expires_at": soon}):
        assert (await program.put(f"{at}/pinned.example", json=wrong)).status_code == 422, wrong
    assert [each["host"] for each in (await program.get(at)).json()] == ["pinned.example"]
    assert (await program.delete(f"{at}/pinned.example")).status_code == 204
    assert (await program.delete(f"{at}/pinned.example")).status_code == 404
    auditor = await bearer(services, app, Role.AUDITOR, tenant_id)
    assert (
        await auditor.put(f"{at}/pinned.example", json={"reason": "x", "expires_at": soon})
    ).status_code == 403
