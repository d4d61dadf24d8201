"""Opening kept content: asked for by one, approved by another with a fresh code, then open for who asked."""

import base64
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from uuid_utils.compat import uuid7

from console.permissions import Role
from console.services import Services
from policy.content import Content
from policy.event import timestamp
from policy.identifiers import TenantId
from store import content, tenant_acts
from store.claim import Purpose
from store.door import Store
from store.key_custody import keyed_tenant
from store.roles import RoleSecrets
from tests.console.conftest import TESTER, Clock, Enrolled, a_client, enrol, sign_in
from vault import content as sealed_content

SAID = Content(b"what is it?", b"nothing", 11, 7, "application/json")


@dataclass
class Somebody:
    """An administrator of the tenant in a browser of their own."""

    person: Enrolled
    browser: httpx.AsyncClient

    async def post(self, path: str, document: dict[str, object]) -> httpx.Response:
        headers = {"x-csrftoken": self.browser.cookies["conduit-form"]}
        return await self.browser.post(path, json=document, headers=headers)

    async def put(self, path: str, document: dict[str, object]) -> httpx.Response:
        headers = {"x-csrftoken": self.browser.cookies["conduit-form"]}
        return await self.browser.put(path, json=document, headers=headers)


@pytest.fixture
async def tenant(services: Services) -> TenantId:
    created = await tenant_acts.create_tenant(
        services.store, services.vault, actor=TESTER, name=f"tenant {uuid4()}"
    )
    return created.tenant_id


async def somebody(app: Litestar, services: Services, tenant: TenantId) -> Somebody:
    person = await enrol(services, role=Role.TENANT_ADMINISTRATOR, tenant_id=tenant)
    browser = a_client(app)
    assert (await sign_in(browser, person)).status_code == 303
    assert isinstance(services.clock, Clock)
    services.clock.advance(seconds=30)
    return Somebody(person, browser)


async def kept(services: Services, roles: RoleSecrets, tenant: TenantId) -> UUID:
    """The content of one call, as a worker seals it and the shipper brings it."""
    event_id = uuid7()
    async with services.store.tenant(tenant) as session:
        policy, keyed = await content.find_policy(session), await keyed_tenant(session, tenant)
    assert policy is not None
    key = services.vault.content_key(keyed, policy.content_key)
    sealed = sealed_content.seal(key, SAID.packed(), tenant_id=tenant, event_id=event_id)
    told = {
        "id": str(event_id),
        "at": timestamp(services.clock()),
        "sealed": base64.b64encode(sealed).decode(),
    }
    gateway = await Store.open(roles.gateway_dsn, roles.claim_key)
    async with gateway.platform(Purpose.SHIPPING) as session:
        await content.keep(session, tenant, [told])
    await gateway.close()
    return event_id


async def test_two_administrators_open_what_was_said(
    app: Litestar, services: Services, tenant: TenantId, role_secrets: RoleSecrets
) -> None:
    ada, bob = await somebody(app, services, tenant), await somebody(app, services, tenant)
    at = f"/api/v1/tenants/{tenant}"
    assert (await ada.browser.get(f"{at}/content-policy")).json()["keep"] is False
    assert (await ada.put(f"{at}/content-policy", {"keep": True})).json()["keep"] is True
    event_id = await kept(services, role_secrets, tenant)
    listed = (await ada.browser.get(f"{at}/content")).json()
    assert [each["event_id"] for each in listed] == [str(event_id)]
    asked = await ada.post(f"{at}/content-openings", {"event_id": str(event_id), "reason": "incident 12"})
    opening = f"{at}/content-openings/{asked.json()['id']}"
    assert (await ada.post(f"{opening}/content", {})).status_code == 409
    own = await ada.post(f"{opening}/decision", {"approve": True, "code": ada.person.code()})
    assert own.status_code == 422
    wrong = await bob.post(f"{opening}/decision", {"approve": True, "code": "000000"})
    assert wrong.status_code == 401
    code = bob.person.code()
    approved = await bob.post(f"{opening}/decision", {"approve": True, "code": code})
    assert (approved.status_code, approved.json()["decided_by"]) == (201, bob.person.name)
    again = await bob.post(f"{opening}/decision", {"approve": False, "code": code})
    assert again.status_code == 401  # a code counts once
    assert (await bob.post(f"{opening}/content", {})).status_code == 409
    said = (await ada.post(f"{opening}/content", {})).json()
    assert (said["event_id"], said["question"], said["answer"]) == (str(event_id), "what is it?", "nothing")
    (shown,) = (await bob.browser.get(f"{at}/content-openings")).json()
    assert (shown["state"], shown["requested_by"]) == ("approved", ada.person.name)


async def test_the_page_leads_through_the_same_steps(
    app: Litestar, services: Services, tenant: TenantId, role_secrets: RoleSecrets
) -> None:
    ada, bob = await somebody(app, services, tenant), await somebody(app, services, tenant)
    at = f"/content?tenant={tenant}"
    assert "Nothing of what is said is kept" in (await ada.browser.get(at)).text
    await ada.put(f"/api/v1/tenants/{tenant}/content-policy", {"keep": True})
    event_id = await kept(services, role_secrets, tenant)

    async def submit(who: Somebody, path: str, **fields: str) -> httpx.Response:
        sent = {**fields, "_csrf_token": who.browser.cookies["conduit-form"]}
        return await who.browser.post(f"{path}?tenant={tenant}", data=sent)

    assert (await submit(ada, "/content", event_id=str(event_id), reason="incident 12")).status_code == 303
    (opening,) = (await ada.browser.get(f"/api/v1/tenants/{tenant}/content-openings")).json()
    assert "Your code" not in (await ada.browser.get(at)).text  # nobody decides about their own
    assert "Your code" in (await bob.browser.get(at)).text
    own = await submit(ada, f"/content/{opening['id']}/decision", decision="approve", code=ada.person.code())
    assert own.status_code == 422
    done = await submit(bob, f"/content/{opening['id']}/decision", decision="approve", code=bob.person.code())
    assert done.status_code == 303
    shown = await submit(ada, f"/content/{opening['id']}")
    assert (shown.status_code, "what is it?" in shown.text) == (200, True)
    assert (await submit(bob, f"/content/{opening['id']}")).status_code == 409
