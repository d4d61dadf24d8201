"""Sanctioned hosts see the tenant's own accounts in the vendor's header, whatever the client sent."""

import asyncio
import json
from base64 import urlsafe_b64encode

import httpx
import pytest

from addons.account_marks import SharedMarks
from policy.exchange import EndpointState
from policy.snapshot import AccountList, EndpointRule
from store.account_marks import AccountMarks
from store.valkey import connect
from tests.addons.running import Running, with_accounts, with_rules
from tests.standins.answers import Answer
from vault.sources import KeySource, open_vault

OPENAI = "OpenAI-Allowed-Organization-Ids"
WORKSPACE = "chatgpt-allowed-workspace-id"


def state_accounts(gateway: Running, product: str, *accounts: str) -> None:
    (tenant,) = gateway.snapshots.current.tenants
    gateway.snapshots.current = with_accounts(
        gateway.snapshots.current, AccountList(tenant, product, accounts)
    )


async def browse(
    gateway: Running,
    path: str,
    headers: dict[str, str] | None = None,
    host: str = "chatgpt.com",
    state: EndpointState = EndpointState.MONITORED,
) -> httpx.Response:
    """To a chat page's host, signed in to the proxy, with a list of the caller's own."""
    policy = gateway.snapshots.current
    (user,) = policy.users.values()
    rule = EndpointRule(user.tenant_id, host, state)
    gateway.snapshots.current = with_rules(policy, rule)
    proxy = httpx.Proxy(gateway.proxy, auth=(user.name, gateway.placeholder))
    async with httpx.AsyncClient(proxy=proxy, verify=gateway.trusted(), timeout=20) as client:
        return await client.get(f"https://{host}{path}", headers=headers or {WORKSPACE: "ws-private"})


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


@pytest.mark.parametrize(
    "path",
    [
        "/backend-anon/conversation",
        "/Backend-Anon",
        "/backend-anon/x?y=1",
        "/backend%2Danon",
        "/%62ackend-anon/x",
        "/backend-anon%20/x",
    ],
)
async def test_a_path_without_account_is_refused(gateway: Running, path: str):
    state_accounts(gateway, "chatgpt", "ws-acme")
    answer = await browse(gateway, path)
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (403, "shadow_endpoint")
    assert gateway.provider.seen == []


async def test_a_path_that_only_begins_alike_passes(gateway: Running):
    state_accounts(gateway, "chatgpt", "ws-acme")
    assert (await browse(gateway, "/backend-anonymity")).status_code == 200


def workspace_token(account: str) -> str:
    claims = {"https://api.openai.com/auth": {"chatgpt_account_id": account}}
    body = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{body}.c2ln"


@pytest.mark.parametrize("state", [EndpointState.MONITORED, EndpointState.SANCTIONED])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": workspace_token("ws-private")}, 403),
        ({"authorization": workspace_token("ws-acme")}, 200),
        ({"chatgpt-account-id": "ws-private"}, 403),
        ({"chatgpt-account-id": "WS-ACME"}, 200),
        ({"authorization": "Bearer opaque"}, 200),
    ],
)
async def test_a_session_that_names_a_private_account_is_refused(
    gateway: Running, headers: dict[str, str], status: int, state: EndpointState
):
    state_accounts(gateway, "chatgpt", "ws-acme")
    answer = await browse(gateway, "/backend-api/conversation", headers, state=state)
    assert answer.status_code == status
    if status == 403:
        assert answer.headers["x-conduit-reason"] == "shadow_endpoint"
        assert gateway.events()[-1]["rule"] == "account-private:chatgpt"
        assert gateway.events()[-1]["findings"] == ["private_account:chatgpt"]
        assert gateway.provider.seen == []


async def test_an_answer_that_names_a_private_account_ends_the_session(gateway: Running):
    state_accounts(gateway, "claude", "org-acme")
    organisation = ("anthropic-organization-id", "org-private")
    gateway.provider.play("claude.ai", Answer(200, (organisation,), (b"{}",)))
    signed_in = {"cookie": "sessionKey=one"}
    assert (await browse(gateway, "/api/me", signed_in, "claude.ai")).status_code == 200
    assert "private_account:claude" in gateway.events()[-1]["findings"]
    assert (await browse(gateway, "/api/me", signed_in, "claude.ai")).status_code == 403
    assert (await browse(gateway, "/api/me", {"cookie": "sessionKey=two"}, "claude.ai")).status_code == 200
    state_accounts(gateway, "claude", "org-acme", "org-private")
    assert (await browse(gateway, "/api/me", signed_in, "claude.ai")).status_code == 200


async def test_a_path_that_names_a_private_organisation_is_refused(gateway: Running):
    ours, theirs = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
    state_accounts(gateway, "claude", ours)
    for organisation, status in ((ours, 200), (theirs, 403)):
        path = f"/api/organ%69zations/{organisation}/chat_conversations"
        assert (await browse(gateway, path, {}, "claude.ai")).status_code == status


async def test_a_private_account_is_an_incident_once_a_day(gateway: Running):
    """Of one user and product; the detail does not name the account."""
    state_accounts(gateway, "chatgpt", "ws-acme")
    for _ in range(2):
        await browse(gateway, "/backend-api/me", {"chatgpt-account-id": "ws-secret"})
    told = [each for each in gateway.events() if each["kind"] == "incident"]
    (user,) = gateway.snapshots.current.users.values()
    assert [(each["action"], each["user"], each["detail"]) for each in told] == [
        ("account.private", user.name, {"product": "chatgpt", "host": "chatgpt.com", "user": user.name})
    ]
    assert "ws-secret" not in str(told)


async def test_the_organisations_own_account_is_none(gateway: Running):
    state_accounts(gateway, "chatgpt", "ws-acme")
    await browse(gateway, "/backend-api/me", {"chatgpt-account-id": "ws-acme"})
    assert "incident" not in {each["kind"] for each in gateway.events()}


async def test_a_mark_reaches_the_other_workers(gateway: Running, valkey_url: str):
    """Two of them with one vault and Valkey: what one answer told one, the other refuses."""
    state_accounts(gateway, "claude", "org-acme")
    organisation = ("anthropic-organization-id", "org-private")
    gateway.provider.play("claude.ai", Answer(200, (organisation,), (b"{}",)))
    assert (await browse(gateway, "/api/me", {"cookie": "s=shared"}, "claude.ai")).status_code == 200
    vault = open_vault(source=KeySource.FILE, path=gateway.folder / "kek")
    client = connect(valkey_url)
    other = SharedMarks(vault, AccountMarks(client))
    hearing = asyncio.create_task(other.run())
    (tenant,) = gateway.snapshots.current.tenants
    credential = other.digest(f"credential\n{tenant}\nclaude\ns=shared")
    async with asyncio.timeout(5):
        while other.account_of(credential) is None:
            await asyncio.sleep(0.01)
    hearing.cancel()
    await client.aclose()
    assert other.account_of(credential) == other.digest("account\norg-private")
    assert other.account_of(other.digest("credential\nanother")) is None
