"""The pages in a real browser: for a person, a keyboard, a screen reader and an attacker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pyotp
import pytest
from axe_playwright_python.async_playwright import Axe
from litestar import Litestar
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from conduit.addresses import parse_address
from conduit.console_process import listening
from console.enrolment import invite
from console.permissions import Role
from console.services import Services
from policy.identifiers import TenantId
from store import endpoints, member_acts
from store.door import Store
from store.tenants import PLATFORM
from tests.console.conftest import PASSWORD, TESTER, Clock, Enrolled, enrol
from tests.console.seeds import a_busy_day, call_event, ship
from tests.console.test_access import a_tenant
from tests.standins.product import free_port

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER: apt-get install chromium")

HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'


@dataclass
class Visit:
    """A page and what went wrong in it."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        await self.page.goto(self.origin + path)

    async def sign_in(self, person: Enrolled) -> None:
        await self.go("/sign-in")
        await self.page.get_by_label("Name").fill(person.name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_label("Code from your authenticator app").fill(person.code())
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    async def assert_accessible(self) -> None:
        found = await Axe().run(self.page)
        serious = [
            (rule["id"], [node["html"] for node in rule["nodes"]])
            for rule in found.response["violations"]
            if rule["impact"] in ("serious", "critical")
        ]
        assert serious == []


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest.fixture
async def origin(app: Litestar, services: Services) -> AsyncIterator[str]:
    address = parse_address(f"127.0.0.1:{free_port()}")
    async with listening(app, address):
        yield f"http://{address}"
        services.live.end()


async def a_visit(browser: Browser, origin: str, **options: object) -> Visit:
    """A new browser profile; whatever its console reports as an error is collected."""
    context = await browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **options})  # type: ignore[arg-type]
    visit = Visit(await context.new_page(), origin)
    visit.page.on("console", lambda line: line.type == "error" and visit.complaints.append(line.text))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    return visit


@pytest.fixture
async def visit(browser: Browser, origin: str) -> AsyncIterator[Visit]:
    """Ends by looking whether the browser's console complained, which it does of every policy violation."""
    opened = await a_visit(browser, origin)
    yield opened
    assert opened.complaints == []


async def a_tenants_administrator(services: Services) -> tuple[TenantId, Enrolled]:
    tenant_id = await a_tenant(services)
    return tenant_id, await enrol(services, role=Role.TENANT_ADMINISTRATOR, tenant_id=tenant_id)


async def test_from_the_link_to_the_page(visit: Visit, services: Services, clock: Clock) -> None:
    name = f"first {clock()}"
    token = await invite(
        services.store,
        tenant_id=PLATFORM,
        name=name,
        role=Role.PLATFORM_ADMINISTRATOR,
        actor=TESTER,
        now=clock(),
    )
    await visit.go(f"/setup?token={token}")
    await visit.assert_accessible()
    secret = await visit.page.locator(".secret").inner_text()
    await visit.page.get_by_label("New password").fill(PASSWORD)
    await visit.page.get_by_label("Code from the app").fill(pyotp.TOTP(secret).at(clock()))
    await visit.page.get_by_role("button", name="Finish").click()
    await expect(visit.page.get_by_text("Your account is ready")).to_be_visible()
    await visit.assert_accessible()
    clock.advance(seconds=30)
    await visit.sign_in(Enrolled(name, secret, clock))
    await expect(visit.page.get_by_role("heading", name="All tenants")).to_be_visible()


async def test_an_empty_page_says_what_to_do(visit: Visit, services: Services) -> None:
    _, person = await a_tenants_administrator(services)
    await visit.sign_in(person)
    await expect(visit.page.get_by_text("Point an SDK at the gateway")).to_be_visible()
    await visit.assert_accessible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_busy_page_is_accessible(
    browser: Browser, origin: str, services: Services, gateway: Store, clock: Clock, scheme: str
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await ship(gateway, a_busy_day(tenant_id, "Acme", clock.now))
    visit = await a_visit(browser, origin, color_scheme=scheme)
    await visit.sign_in(person)
    await expect(visit.page.locator("[data-figure=calls]")).to_have_text("180")
    await visit.assert_accessible()
    assert visit.complaints == []


async def test_what_happens_appears_by_itself(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await visit.sign_in(person)
    await expect(visit.page.locator("[data-figure=calls]")).to_have_text("0")
    await ship(gateway, [call_event(tenant_id, clock.now)])
    await expect(visit.page.locator("[data-figure=calls]")).to_have_text("1")
    await expect(visit.page.locator("[data-figure=spend]")).to_have_text("$0.004215")


async def test_an_endpoint_is_blocked_by_keyboard_alone(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await ship(gateway, [call_event(tenant_id, clock.now, host="llm.example", provider=None)])
    await visit.sign_in(person)
    block = visit.page.get_by_role("button", name="Block llm.example")
    for _ in range(20):
        await visit.page.keyboard.press("Tab")
        if await block.evaluate("button => button === document.activeElement"):
            break
    await visit.page.keyboard.press("Enter")
    row = visit.page.locator("tr[data-host='llm.example']")
    await expect(row.locator(".state")).to_have_text("blocked")
    await expect(visit.page.get_by_role("status").filter(has_text="is now")).to_contain_text("blocked")
    async with services.store.tenant(tenant_id) as session:
        assert [(rule.host, rule.state) for rule in await endpoints.rules(session)] == [
            ("llm.example", "blocked")
        ]


async def test_an_endpoint_is_reviewed_by_keyboard_alone(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await visit.sign_in(person)
    await visit.go("/inventory")
    await expect(visit.page.get_by_text("No AI endpoint has been seen yet")).to_be_visible()
    await visit.assert_accessible()

    seen = {"host": "llm.example", "provider": None, "evidence": [HOSTILE], "findings": ["data:email"]}
    await ship(gateway, [call_event(tenant_id, clock.now, **seen)])
    await visit.go("/inventory?stage=new")
    await visit.assert_accessible()
    await tab_to(visit.page, visit.page.get_by_role("link", name="llm.example"))
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text("llm.example")
    await expect(visit.page.get_by_text("sensitive data in 1 requests")).to_be_visible()
    await visit.assert_accessible()

    await tab_to(visit.page, visit.page.get_by_label("Owner"))
    await visit.page.keyboard.type("it-security")
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.type("no contract")
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.type("Blocked")
    await tab_to(visit.page, visit.page.get_by_role("button", name="Save"))
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("status")).to_contain_text("llm.example is decided, blocked")
    await expect(visit.page.get_by_text("Decided by")).to_contain_text(f"{person.name} on")
    await visit.assert_accessible()


async def test_each_fact_of_a_catalogued_endpoint_stands_beside_its_source(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await visit.sign_in(person)
    await ship(gateway, [call_event(tenant_id, clock.now)])
    await visit.go("/inventory/api.openai.com")
    entry = services.defaults.catalogues.shipped.find("api.openai.com")
    assert entry is not None
    facts = visit.page.get_by_role("region", name="What the catalogue says")
    for name, origin in (("Operated from", entry.origin("country")), ("Trains on", entry.origin("trains"))):
        assert origin is not None
        row = facts.get_by_role("row", name=name)
        await expect(row).to_contain_text(origin.source)
        await expect(row).to_contain_text(origin.date)
    await visit.assert_accessible()


async def test_an_exception_is_granted_and_ended_by_keyboard_alone(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await member_acts.create_user(
        services.store, actor=TESTER, tenant_id=tenant_id, new=member_acts.NewUser("ada")
    )
    await ship(gateway, [call_event(tenant_id, clock.now, host="llm.example", provider=None)])
    await visit.sign_in(person)
    await visit.go("/inventory/llm.example")
    await expect(visit.page.get_by_text("Nobody is excepted")).to_be_visible()
    await tab_to(visit.page, visit.page.get_by_label("For", exact=True))
    for text in ("ada", HOSTILE):
        await visit.page.keyboard.press("Tab")
        await visit.page.keyboard.type(text)
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("status")).to_contain_text("The exception is granted")
    held = visit.page.get_by_role("region", name="Exceptions, a table")
    await expect(held.get_by_role("row", name="ada")).to_contain_text(HOSTILE)
    await visit.assert_accessible()
    await tab_to(visit.page, visit.page.get_by_role("button", name="End the exception of ada"))
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("status")).to_contain_text("The exception has ended")
    async with services.store.tenant(tenant_id) as session:
        assert await endpoints.exceptions(session) == []


async def test_an_analyst_searches_the_catalogue_and_tries_an_alert_out(
    visit: Visit, services: Services
) -> None:
    analyst = await enrol(services, role=Role.SECURITY_ANALYST)
    await visit.sign_in(analyst)
    await tab_to(visit.page, visit.page.get_by_role("link", name="Catalogue"))
    await visit.page.keyboard.press("Enter")
    await tab_to(visit.page, visit.page.get_by_label("Host, provider, product or kind"))
    await visit.page.keyboard.type("openai api")
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("cell", name="api.openai.com", exact=True)).to_be_visible()
    await visit.assert_accessible()
    await visit.go("/catalogue?search=nothing-of-the-kind")
    await expect(visit.page.get_by_text("The catalogue has no such host")).to_be_visible()
    await visit.assert_accessible()

    await visit.go("/alerts")
    await visit.assert_accessible()
    await tab_to(visit.page, visit.page.get_by_role("button", name="Send a test to soc"))
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("status")).to_contain_text(
        "soc has not taken the test alert: HTTP 500"
    )
    await visit.assert_accessible()


async def tab_to(page: Page, wanted: Locator, most: int = 40) -> None:
    """Move the focus by the keyboard, as somebody without a mouse does."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the keyboard does not get there")


async def test_markup_from_the_wire_is_text(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await ship(gateway, [call_event(tenant_id, clock.now, model=HOSTILE, user=HOSTILE, evidence=[HOSTILE])])
    await visit.sign_in(person)
    assert await visit.page.get_by_text(HOSTILE).count() >= 3
    assert await visit.page.title() == "Overview · APIConduit"


async def test_numbers_are_in_the_readers_language(
    browser: Browser, origin: str, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await ship(gateway, [call_event(tenant_id, clock.now, cost_micro_dollars=1_234_567_891)])
    visit = await a_visit(browser, origin, locale="de-DE")
    await visit.sign_in(person)
    await expect(visit.page.locator("[data-figure=spend]")).to_have_text("1.234,567891\N{NO-BREAK SPACE}$")


async def test_a_revoked_session_sends_the_open_page_to_sign_in(
    visit: Visit, services: Services, gateway: Store, clock: Clock
) -> None:
    tenant_id, person = await a_tenants_administrator(services)
    await visit.sign_in(person)
    clock.advance(hours=13)
    await ship(gateway, [call_event(tenant_id, clock.now)])
    await expect(visit.page.get_by_role("heading", name="Sign in to the console")).to_be_visible(
        timeout=15_000
    )
    visit.complaints.clear()  # the 401 that sent it there
