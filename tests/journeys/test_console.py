"""The analyst's way: the printed link, an account, and an SDK's call seen, blocked and sanctioned, live."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.standins.office import Office, Place

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "correct horse battery staple"
HOST = "api.anthropic.com"
# A machine that runs everything at once is slow to ship, notify and draw.
PATIENCE_MS = 30_000

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER: apt-get install chromium")


@dataclass
class Analyst:
    """Somebody signed in, and what their browser complained about."""

    page: Page
    link: str
    complaints: list[str]


@pytest.fixture(scope="module")
def analyst(office: Office) -> Iterator[Analyst]:
    """The first administrator, from the link that the start printed."""
    found = re.search(r"http://\S+/setup\?token=\S+", office.product.log.read_text())
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        analyst = Analyst(page, found[0], [])
        page.on("console", lambda line: line.type == "error" and analyst.complaints.append(line.text))
        page.on("pageerror", lambda error: analyst.complaints.append(str(error)))
        sign_in(page, set_up(page, found[0]))
        yield analyst
        browser.close()


def set_up(page: Page, link: str) -> pyotp.TOTP:
    page.goto(link)
    codes = pyotp.TOTP(page.locator(".secret").inner_text())
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Code from the app").fill(codes.now())
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("Your account is ready")).to_be_visible()
    return codes


def sign_in(page: Page, codes: pyotp.TOTP) -> None:
    """With the next code: the one that enrolled is used up, and a clock may be one step ahead."""
    page.get_by_label("Name").fill("administrator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code from").fill(codes.at(datetime.now(UTC) + timedelta(seconds=codes.interval)))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="All tenants")).to_be_visible()


def look_at(page: Page, tenant: str) -> None:
    page.get_by_role("combobox", name="Tenant").select_option(label=tenant)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1, name=tenant)).to_be_visible()


def call(place: Place) -> dict[str, object]:
    done: dict[str, object] = place.machine.call(
        "anthropic", recording="anthropic-messages", stream=False, asynchronous=False
    )
    return done


def until_in_force(office: Office) -> None:
    """In a thread of its own: this one's event loop is Playwright's, and commands start one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(office.in_force).result()


def test_the_link_works_once(analyst: Analyst) -> None:
    page = analyst.page.context.browser.new_page()  # type: ignore[union-attr]
    page.goto(analyst.link)
    expect(page.get_by_role("heading", name="This link has been used or has expired")).to_be_visible()
    page.close()


def test_a_call_appears_without_reloading(analyst: Analyst, gateway_place: Place) -> None:
    look_at(analyst.page, gateway_place.office.tenant)
    calls = analyst.page.locator("[data-figure=calls]")
    before = calls.inner_text()
    assert "error" not in call(gateway_place)
    expect(calls).not_to_have_text(before)
    expect(analyst.page.locator(f"tr[data-host='{HOST}'] .state")).to_have_text("sanctioned")


def test_blocking_an_endpoint_stops_the_sdk_and_sanctioning_lets_it_go_on(
    analyst: Analyst, gateway_place: Place
) -> None:
    look_at(analyst.page, gateway_place.office.tenant)
    assert "error" not in call(gateway_place)
    decide(analyst.page, "Block", "blocked")
    until_in_force(gateway_place.office)
    assert call(gateway_place)["status"] == 403
    expect(analyst.page.get_by_label("Refusals by reason").get_by_text("shadow endpoint")).to_be_visible()
    decide(analyst.page, "Sanction", "sanctioned")
    until_in_force(gateway_place.office)
    assert "error" not in call(gateway_place)


def test_the_browser_had_nothing_to_complain_about(analyst: Analyst) -> None:
    assert analyst.complaints == []


def decide(page: Page, act: str, state: str) -> None:
    page.get_by_role("button", name=f"{act} {HOST}").click()
    expect(page.locator(f"tr[data-host='{HOST}'] .state")).to_have_text(state)
