"""The coaching page in a real browser: seen, read out, and passed by the keyboard alone."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ProxySettings, async_playwright, expect

from policy.branding import Branding
from policy.exchange import EndpointState
from policy.snapshot import EndpointRule
from tests.addons.running import Running, with_rules
from tests.standins.answers import Answer

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER: apt-get install chromium")

HOST = "chatgpt.com"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
ACME = Branding("Acme", "#004488", PNG, "it@acme.example", "Copilot at https://copilot.example", 4)


async def assert_accessible(page: Page) -> None:
    found = await Axe().run(page)
    assert [rule["id"] for rule in found.response["violations"]] == []


async def test_a_person_reads_the_page_states_a_reason_by_keyboard_and_goes_on(gateway: Running):
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants
    ruled = with_rules(policy, EndpointRule(tenant, HOST, EndpointState.COACHED))
    here = {(4, 32, int(IPv4Address("127.0.0.1"))): tenant}
    gateway.snapshots.current = replace(
        ruled, _brandings={tenant: ACME}, _networks=here, _prefixes=((4, 32),)
    )
    html = (("content-type", "text/html"),)
    gateway.provider.play(HOST, Answer(200, html, (b"<title>theirs</title><h1>The chat</h1>",)))
    proxy = ProxySettings(server=gateway.proxy)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(proxy=proxy, ignore_https_errors=True)
        page = await context.new_page()
        refused = await page.goto(f"https://{HOST}/c/42")
        assert refused is not None
        assert (refused.status, refused.headers["x-conduit-reason"]) == (403, "coached")
        for text in ("Acme", "Copilot at https://copilot.example", "it@acme.example"):
            await expect(page.get_by_text(text).first).to_be_visible()
        assert await page.locator("header img").evaluate("image => image.naturalWidth") == 1
        await assert_accessible(page)

        for link in ("https://copilot.example", "it@acme.example"):
            await page.keyboard.press("Tab")
            await expect(page.get_by_role("link", name=link)).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("Reason")).to_be_focused()
        await page.keyboard.type("Comparing assistants for the spring report")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="The chat")).to_be_visible()
        assert page.url == f"https://{HOST}/c/42"
        (cookie,) = [each for each in await context.cookies() if each["name"] == "conduit-reason"]
        assert (cookie["httpOnly"], cookie["secure"]) == (True, True)
        await browser.close()
    seen = gateway.provider.wait_for(1)[0]
    assert "conduit-reason" not in (seen.header("cookie") or "")
