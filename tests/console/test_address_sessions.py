"""Address-to-user sessions over the REST API, as a DHCP server's hook and an investigator use it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from console.permissions import Role
from console.services import Services
from tests.console.test_access import a_tenant, bearer


async def an_office(services: Services, app: Litestar) -> tuple[httpx.AsyncClient, str, str]:
    """A program of a tenant, where its sessions are, and an address in the tenant's network."""
    tenant_id = await a_tenant(services)
    program = await bearer(services, app, Role.TENANT_ADMINISTRATOR, tenant_id)
    prefix = f"10.{uuid4().int % 250}.{uuid4().int % 250}"
    at = f"/api/v1/tenants/{tenant_id}"
    assert (await program.post(f"{at}/networks", json={"network": f"{prefix}.0/24"})).status_code == 201
    return program, f"{at}/sessions", f"{prefix}.7"


def moment(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def test_who_held_an_address_can_be_asked_for(app: Litestar, services: Services) -> None:
    program, at, address = await an_office(services, app)
    sessions = [
        {"address": address, "user": "ada", "started_at": moment(-5), "expires_at": moment(-2)},
        {"address": address, "user": "bob", "expires_at": moment(8)},
    ]
    told = await program.post(at, json={"source": "dhcp", "sessions": sessions})
    assert told.status_code == 201, told.text
    assert [item["user"] for item in told.json()] == ["ada", "bob"]
    for hours, users in ((-3, ["ada"]), (-1, []), (1, ["bob"])):
        found = await program.get(at, params={"address": address, "at": moment(hours)})
        assert [item["user"] for item in found.json()] == users
    assert [item["user"] for item in (await program.get(at)).json()] == ["bob"]
    assert (await program.get(at, params={"address": "nowhere"})).status_code == 422


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 201),
        ({"address": "192.0.2.1"}, 422),
        ({"address": "nowhere"}, 422),
        ({"expires_at": moment(-1)}, 422),
        ({"expires_at": moment(24 * 31)}, 422),
        ({"expires_at": "2026-11-24T12:00:00"}, 422),
        ({"user": ""}, 422),
        ({"tenant_id": str(uuid4())}, 422),
    ],
    ids=["fit", "outside", "no address", "past", "too long", "no zone", "nobody", "another tenant"],
)
async def test_a_session_that_cannot_be_is_refused(
    app: Litestar, services: Services, changed: dict[str, str], status: int
) -> None:
    program, at, address = await an_office(services, app)
    session = {"address": address, "user": "ada", "expires_at": moment(8)} | changed
    told = await program.post(at, json={"source": "vpn", "sessions": [session]})
    assert told.status_code == status, told.text
