"""Who is asked for proxy credentials: a browser that nothing names. Programs bring their own placeholder."""

import asyncio
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam
from playwright.async_api import Error, ProxySettings, async_playwright

from policy.exchange import EndpointState
from policy.snapshot import EndpointRule
from tests.addons.running import Running, with_rules
from tests.standins.answers import Answer

CHROMIUM = Path("/usr/bin/chromium")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/144.0 Safari/537.36"
HOST = "chatgpt.com"
PAGE = Answer(200, (("content-type", "text/html"),), (b"<title>theirs</title>",))


async def opened(gateway: Running, proxy: ProxySettings) -> str:
    """The title of the page that Chromium gets through this proxy."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            context = await browser.new_context(proxy=proxy, ignore_https_errors=True)
            page = await context.new_page()
            await page.goto(f"https://{HOST}/")
            return await page.title()
        finally:
            await browser.close()


@pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER: apt-get install chromium")
async def test_a_browser_signs_in_to_the_proxy(gateway: Running):
    policy = gateway.snapshots.current
    (tenant,), (user,) = policy.tenants, policy.users.values()
    gateway.snapshots.current = with_rules(policy, EndpointRule(tenant, HOST, EndpointState.MONITORED))
    gateway.provider.play(HOST, PAGE, PAGE)
    server = gateway.proxy
    signed_in = ProxySettings(server=server, username=user.name, password=gateway.placeholder)
    assert await opened(gateway, signed_in) == "theirs"
    allowed = [each for each in gateway.events() if each.get("decision") == "allow" and each.get("user")]
    assert {tuple(each["identity_sources"]) for each in allowed} == {("proxy_credentials",)}
    with pytest.raises(Error, match="ERR_"):
        await opened(gateway, ProxySettings(server=server))
    asked = [each for each in gateway.events() if each.get("rule") == "proxy-credentials-asked"]
    assert {(each["status"], each["reason"], each["host"]) for each in asked} == {(407, "unidentified", HOST)}


async def test_a_browser_is_asked_for_a_plain_request_too(gateway: Running):
    async with gateway.client(proxied=True) as client:
        answer = await client.get("http://api.openai.com/", headers={"user-agent": BROWSER})
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (407, "unidentified")
    assert answer.headers["proxy-authenticate"].startswith("Basic ")


async def test_an_sdk_with_a_placeholder_is_not_asked(gateway: Running):
    asking = httpx.AsyncClient(proxy=gateway.proxy, verify=gateway.trusted())
    async with openai.AsyncOpenAI(api_key=gateway.placeholder, http_client=asking) as client:
        said = ChatCompletionUserMessageParam(role="user", content="hi")
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=[said])
    assert answer.choices
    assert "tunnel" not in {each["kind"] for each in gateway.events()}


@pytest.mark.parametrize(
    ("host", "agent", "status"),
    [
        ("api.openai.com", BROWSER, 407),
        ("api.openai.com", f"{BROWSER} Electron/39.0", 200),
        ("api.openai.com", "OpenAI/Python 2.8.0", 200),
        ("bank.example", BROWSER, 200),
    ],
)
async def test_only_browsers_are_asked_and_only_before_ai(gateway: Running, host, agent, status):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\nuser-agent: {agent}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(f"HTTP/1.1 {status}".encode())
    writer.close()
