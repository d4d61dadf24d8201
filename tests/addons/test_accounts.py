"""Sanctioned hosts see the tenant's own accounts in the vendor's header, whatever the client sent."""

import httpx
import pytest

from policy.exchange import EndpointState
from policy.snapshot import AccountList, EndpointRule
from tests.addons.running import Running, with_accounts, with_rules

OPENAI = "OpenAI-Allowed-Organization-Ids"
WORKSPACE = "chatgpt-allowed-workspace-id"


def state_accounts(gateway: Running, product: str, *accounts: str) -> None:
    (tenant,) = gateway.snapshots.current.tenants
    gateway.snapshots.current = with_accounts(
        gateway.snapshots.current, AccountList(tenant, product, accounts)
    )


async def browse(gateway: Running, path: str) -> httpx.Response:
    """To a chat page's host, signed in to the proxy, with a list of the caller's own."""
    policy = gateway.snapshots.current
    (user,) = policy.users.values()
    rule = EndpointRule(user.tenant_id, "chatgpt.com", EndpointState.MONITORED)
    gateway.snapshots.current = with_rules(policy, rule)
    proxy = httpx.Proxy(f"http://127.0.0.1:{gateway.ports['proxy']}", auth=(user.name, gateway.placeholder))
    async with httpx.AsyncClient(proxy=proxy, verify=gateway.trusted(), timeout=20) as client:
        return await client.get(f"https://chatgpt.com{path}", headers={WORKSPACE: "ws-private"})


def sent(gateway: Running, name: str) -> list[str]:
    (seen,) = gateway.provider.wait_for(1)
    return [value for key, value in seen.headers if key == name.lower()]


async def test_the_tenants_list_is_set_and_the_event_says_so(gateway: Running):
    state_accounts(gateway, "openai-api", "org-1", "org-2")
    assert (await gateway.ask()).status_code == 200
    assert sent(gateway, OPENAI) == ["org-1,org-2"]
    (event,) = [event for event in gateway.events() if "outcome" in event]
    assert event["findings"] == ["accounts:openai-api"]


async def test_without_a_list_nothing_is_set(gateway: Running):
    state_accounts(gateway, "claude", "org-1")
    assert (await gateway.ask()).status_code == 200
    assert sent(gateway, OPENAI) == []


async def test_what_the_client_sent_is_replaced(gateway: Running):
    state_accounts(gateway, "chatgpt", "ws-acme")
    assert (await browse(gateway, "/backend-api/me")).status_code == 200
    assert sent(gateway, WORKSPACE) == ["ws-acme"]


@pytest.mark.parametrize("path", ["/backend-anon/conversation", "/Backend-Anon", "/backend-anon/x?y=1"])
async def test_a_path_without_account_is_refused(gateway: Running, path: str):
    state_accounts(gateway, "chatgpt", "ws-acme")
    answer = await browse(gateway, path)
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (403, "shadow_endpoint")
    assert gateway.provider.seen == []


async def test_a_path_that_only_begins_alike_passes(gateway: Running):
    state_accounts(gateway, "chatgpt", "ws-acme")
    assert (await browse(gateway, "/backend-anonymity")).status_code == 200
