"""The pages of alerts, the catalogue and exceptions: who may see them, and what a wrong form gets."""

import dataclasses
import html
import re
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from console.app import create_app
from console.permissions import Role
from console.services import Services
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from store import alerts, chain, endpoints, member_acts
from store.claim import Purpose
from store.door import Store
from store.tenants import PLATFORM
from tests.console.conftest import TESTER, Clock
from tests.console.seeds import call_event, ship
from tests.console.test_access import a_tenant, bearer

HOST = "llm.example"


@pytest.fixture
async def seen(services: Services, gateway: Store, clock: Clock) -> TenantId:
    """A tenant with a user and an endpoint that it called."""
    tenant_id = await a_tenant(services)
    new = member_acts.NewUser("ada", team="research")
    await member_acts.create_user(services.store, actor=TESTER, tenant_id=tenant_id, new=new)
    await ship(gateway, [call_event(tenant_id, clock.now, host=HOST, provider=None)])
    return tenant_id


async def post(client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await client.post(path, data=form)


@pytest.mark.parametrize("path", ["/alerts", "/catalogue"])
async def test_what_spans_tenants_is_not_for_people_of_one(
    app: Litestar, services: Services, path: str
) -> None:
    own = await bearer(services, app, Role.TENANT_ADMINISTRATOR, await a_tenant(services))
    assert (await own.get(path)).status_code == 403
    assert path not in (await own.get("/")).text
    auditor = await bearer(services, app, Role.AUDITOR, PLATFORM)
    assert (await auditor.get(path)).status_code == 200
    assert f'href="{path}"' in (await auditor.get("/")).text


async def test_an_auditor_tries_no_alert_out(app: Litestar, services: Services) -> None:
    auditor = await bearer(services, app, Role.AUDITOR, PLATFORM)
    assert "Send a test" not in (await auditor.get("/alerts")).text
    assert (await post(auditor, "/alerts/soc/test")).status_code == 403
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    assert (await post(analyst, "/alerts/unknown/test")).status_code == 404
    assert "has not taken" in (await post(analyst, "/alerts/soc/test")).text


async def test_without_a_destination_the_page_says_where_to_name_one(services: Services) -> None:
    app = create_app(dataclasses.replace(services, destinations=()))
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    assert "Nobody is told" in (await analyst.get("/alerts")).text


async def test_a_message_that_waits_is_on_the_page_and_in_the_api(
    app: Litestar, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, name = await a_tenant(services), f"soc-{uuid4()}"
    subscription = alerts.Subscription(name, Severity.WARNING)
    async with services.store.platform(Purpose.ADMINISTRATION) as session:
        await alerts.take_in(session, subscription=subscription)
    async with gateway.platform(Purpose.SHIPPING) as session:
        event = incident("x<b>", clock.now, severity=Severity.ALARM, whose=tenant_id, detail={})
        await chain.append(session, [event])
    async with services.store.platform(Purpose.ADMINISTRATION) as session:
        await alerts.take_in(session, subscription=subscription)
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    page = await analyst.get("/alerts")
    assert name in page.text
    assert "x&lt;b&gt;" in page.text
    (waits,) = (await analyst.get("/api/v1/alerts/deliveries", params={"destination": name})).json()
    assert (waits["event"]["action"], waits["told_at"], waits["tenant_id"]) == ("x<b>", None, str(tenant_id))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "nobody"}, "no user of this name"),
        ({"kind": "team", "name": "ada"}, "no team of this name"),
        ({"days": "0"}, "days"),
        ({"days": "400"}, "days"),
        ({"reason": ""}, "reason"),
        ({"more": "x"}, "more"),
    ],
)
async def test_an_exception_that_cannot_be_is_refused_and_none_is_made(
    app: Litestar, services: Services, seen: TenantId, wrong: dict[str, str], said: str
) -> None:
    person = await bearer(services, app, Role.TENANT_ADMINISTRATOR, seen)
    form = {"kind": "user", "name": "ada", "reason": "a study", "days": "7"}
    answer = await post(person, f"/inventory/{HOST}/exceptions", **form | wrong)
    assert answer.status_code == 422
    assert said in answer.text
    async with services.store.tenant(seen) as session:
        assert await endpoints.exceptions(session) == []


async def test_exceptions_are_granted_and_ended_by_who_may_and_in_the_own_tenant(
    app: Litestar, services: Services, seen: TenantId
) -> None:
    form = {"kind": "team", "name": "research", "reason": "a study", "days": "7"}
    auditor = await bearer(services, app, Role.AUDITOR, seen)
    assert (await post(auditor, f"/inventory/{HOST}/exceptions", **form)).status_code == 403
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, PLATFORM)
    granted = await post(analyst, f"/inventory/{HOST}/exceptions?tenant={seen}", **form)
    assert granted.status_code == 303, granted.text
    page = await auditor.get(f"/inventory/{HOST}")
    assert "team research" in page.text
    assert "End the exception" not in page.text
    async with services.store.tenant(seen) as session:
        (held,) = await endpoints.exceptions(session)
    end = f"/inventory/{HOST}/exceptions/{held.id}/end"
    stranger = await bearer(services, app, Role.TENANT_ADMINISTRATOR, await a_tenant(services))
    assert (await post(stranger, end)).status_code == 404
    assert (await post(stranger, f"{end}?tenant={seen}")).status_code == 404
    assert (await post(auditor, end)).status_code == 403
    assert (await post(analyst, f"{end}?tenant={seen}")).status_code == 303
    assert "Nobody is excepted" in (await auditor.get(f"/inventory/{HOST}")).text


async def test_a_list_that_shows_a_part_says_of_how_many_and_leads_on(
    app: Litestar, services: Services, gateway: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = await a_tenant(services)
    hosts = ("a1.example", "a2.example", "a3.example", "a4.test")
    await ship(gateway, [call_event(tenant_id, clock.now, host=host, provider=None) for host in hosts])
    monkeypatch.setattr("console.inventory_page.SHOWN_MAX", 2)
    analyst = await bearer(services, app, Role.SECURITY_ANALYST, tenant_id)
    first = (await analyst.get("/inventory?search=.EXAMPLE")).text
    assert "of the 1. to 2. seen last, of" in first
    (onward,) = re.findall(r'href="(/inventory\?[^"]+)">Seen earlier', first)
    second = (await analyst.get(html.unescape(onward))).text
    assert "Seen later" in second
    shown = [set(re.findall(r'data-host="([^"]+)"', text)) for text in (first, second)]
    assert [len(hosts) for hosts in shown] == [2, 1]
    assert not shown[0] & shown[1]
    assert "No endpoint is called so" in (await analyst.get("/inventory?search=<nobody>")).text
