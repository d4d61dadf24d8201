"""A browser's user states a reason once, and goes on; nobody can state it for another."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest

from policy import coaching
from policy.exchange import EndpointState
from policy.snapshot import EndpointRule
from tests.addons.running import Running, with_rules
from tests.builders import a_user

HOST = "chatgpt.com"
NAVIGATION = {"accept": "text/html,application/xhtml+xml"}
REASON = "Comparing chat services – Übersicht für März"


def browser(gateway: Running, user: str = "ada", state: EndpointState = EndpointState.COACHED):
    """A client that keeps cookies, signed in to the proxy; ``HOST`` is in this state for its tenant."""
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants
    gateway.snapshots.current = with_rules(policy, EndpointRule(tenant, HOST, state))
    proxy = httpx.Proxy(gateway.proxy, auth=(user, gateway.placeholder))
    return httpx.AsyncClient(proxy=proxy, verify=gateway.trusted(), timeout=20, base_url=f"https://{HOST}")


def ticket_of(page: httpx.Response) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found.group(1)


async def state_reason(client: httpx.AsyncClient, ticket: str, reason: str = REASON) -> httpx.Response:
    body = urlencode({"reason": reason, "ticket": ticket})
    headers = {**NAVIGATION, "content-type": "application/x-www-form-urlencoded"}
    return await client.post(coaching.PATH, content=body, headers=headers)


async def test_a_browser_states_a_reason_and_goes_on_where_it_was(gateway: Running):
    async with browser(gateway) as client:
        page = await client.get("/c/42?model=a&b=c", headers=NAVIGATION)
        assert (page.status_code, page.headers["x-conduit-reason"]) == (403, "coached")
        assert gateway.provider.seen == []
        sent_back = await state_reason(client, ticket_of(page))
        assert (sent_back.status_code, sent_back.headers["location"]) == (303, "/c/42?model=a&b=c")
        assert "Secure" in sent_back.headers["set-cookie"]
        client.cookies.set("theirs", "kept", domain=HOST)
        assert (await client.get(sent_back.headers["location"], headers=NAVIGATION)).status_code == 200
        assert (await client.post("/backend-api/conversation", json={})).status_code == 200
    first, _ = gateway.provider.wait_for(2)
    assert first.header("cookie") == "theirs=kept"
    told = [event for event in gateway.events() if "outcome" in event]
    assert [event.get("justification") for event in told] == [None, REASON, REASON, REASON]
    assert [event["decision"] for event in told] == ["deny", "deny", "allow", "allow"]


async def test_the_page_names_its_controls_and_runs_no_script(gateway: Running):
    async with browser(gateway) as client:
        page = await client.get("/<script>", headers=NAVIGATION)
    assert '<html lang="en">' in page.text
    assert '<label for="reason">' in page.text
    assert 'aria-describedby="hint"' in page.text
    assert "<script" not in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]


async def test_without_a_sentence_the_page_comes_again_and_says_why(gateway: Running):
    async with browser(gateway) as client:
        page = await client.get("/c/42", headers=NAVIGATION)
        again = await state_reason(client, ticket_of(page), "   ")
        assert again.status_code == 403
        assert 'role="alert"' in again.text
        assert (await state_reason(client, ticket_of(again))).headers["location"] == "/c/42"


async def test_nobody_states_a_reason_for_another(gateway: Running):
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants.values()
    async with browser(gateway) as client:
        ticket = ticket_of(await client.get("/", headers=NAVIGATION))
        for forged in ("", ticket[:-2] + "AA", ticket.replace("W", "X", 1), "é", "a.b"):
            answer = await state_reason(client, forged)
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        grant = (await state_reason(client, ticket)).cookies[coaching.COOKIE]
        assert (await state_reason(client, grant)).status_code == 403
    # The same cookie in the hands of somebody whom the gateway knows as another.
    (user,) = policy.users.values()
    (placeholder,) = policy.placeholders.values()
    other = a_user(tenant, name="eve")
    held = replace(placeholder, user_id=other.id)
    gateway.snapshots.current = replace(
        gateway.snapshots.current,
        users={user.id: user, other.id: other},
        placeholders={held.digest: held},
        _users_by_name={(tenant.id, each.name): each for each in (user, other)},
    )
    async with browser(gateway, "eve") as client:
        client.cookies.set(coaching.COOKIE, grant, domain=HOST)
        assert (await client.get("/", headers=NAVIGATION)).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"accept": "application/json"}])
async def test_a_program_is_told_of_the_header_and_may_use_it(gateway: Running, headers):
    async with browser(gateway) as client:
        refused = await client.get("/c/42", headers=headers)
        assert (refused.status_code, refused.headers["x-conduit-reason"]) == (403, "coached")
        assert "x-conduit-justification" in refused.text
        allowed = await client.get("/c/42", headers={**headers, "x-conduit-justification": "a trial"})
        assert allowed.status_code == 200


async def test_a_grant_opens_nothing_that_is_blocked(gateway: Running):
    async with browser(gateway) as client:
        await state_reason(client, ticket_of(await client.get("/", headers=NAVIGATION)))
        assert (await client.get("/", headers=NAVIGATION)).status_code == 200
        async with browser(gateway, state=EndpointState.BLOCKED):
            answer = await client.get("/", headers=NAVIGATION)
    assert answer.headers["x-conduit-reason"] == "shadow_endpoint"
