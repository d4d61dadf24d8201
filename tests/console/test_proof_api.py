"""Proofs over the REST API hold offline, as those of the command line do."""

import json

from litestar import Litestar

from console.permissions import Role
from console.services import Services
from store.door import Store
from store.proof import check
from tests.console.conftest import RECORD_KEY
from tests.console.test_access import a_tenant, bearer
from tests.store.test_proof import signed
from tests.store.test_verify import append


async def test_an_event_and_a_growing_record_are_proven(
    app: Litestar, services: Services, gateway: Store
) -> None:
    tenant_id = await a_tenant(services)
    notes = []
    for count in (2, 3):
        await append(gateway, tenant_id, count)
        notes.append(await signed(services.store, gateway, tenant_id, key=RECORD_KEY))
    auditor = await bearer(services, app, Role.AUDITOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/proofs"
    one = await auditor.get(f"{at}/inclusion", params={"sequence": 2})
    proven = check(one.content, (RECORD_KEY.verifier,))
    assert (proven.kind, proven.sequence, proven.tenant_id) == ("inclusion", 2, tenant_id)
    grown = await auditor.post(f"{at}/consistency", json={"first": notes[0]})
    assert check(grown.content, (RECORD_KEY.verifier,)).kind == "consistency"
    event_id = json.loads(one.content)["event"]["id"]
    assert (await auditor.get(f"{at}/inclusion", params={"event_id": event_id})).content == one.content


async def test_what_cannot_be_proven_is_said(app: Litestar, services: Services, gateway: Store) -> None:
    tenant_id = await a_tenant(services)
    await append(gateway, tenant_id, 1)
    auditor = await bearer(services, app, Role.AUDITOR, tenant_id)
    at = f"/api/v1/tenants/{tenant_id}/proofs"
    assert (await auditor.get(f"{at}/inclusion")).status_code == 422
    assert (await auditor.get(f"{at}/inclusion", params={"sequence": -1})).status_code == 422
    assert (await auditor.get(f"{at}/inclusion", params={"sequence": 99})).status_code == 404
    assert (await auditor.post(f"{at}/consistency", json={"first": "no note"})).status_code == 422
