"""One destination by every claim; what disagrees is refused, what is not AI passes."""

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.snapshot import EndpointException, EndpointRule
from tests.addons.running import Running, running, with_exceptions, with_rules
from tests.standins.wire import certificate


async def through_tunnel(gateway: Running, *, connect: str, sni: str, head: str) -> bytes:
    """Open a CONNECT tunnel, speak TLS with ``sni`` in it, send ``head``; the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(f"CONNECT {connect} HTTP/1.1\r\nhost: {connect}\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        await writer.start_tls(context, server_hostname=sni)
        writer.write(head.encode())
        return await reader.read()
    except (ssl.SSLError, ConnectionError):
        return b""
    finally:
        writer.close()


def head(gateway: Running, host: str, target: str = "/v1/chat/completions", extra: str = "") -> str:
    return (
        f"POST {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {gateway.placeholder}\r\n"
        f"content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n{extra}\r\n{{}}"
    )


@pytest.mark.parametrize(
    ("connect", "sni", "host", "target"),
    [
        ("api.anthropic.com:443", "api.openai.com", "api.openai.com", "/v1/chat/completions"),
        ("api.openai.com:443", "api.anthropic.com", "api.openai.com", "/v1/chat/completions"),
        ("api.openai.com:443", "api.openai.com", "api.anthropic.com", "/v1/chat/completions"),
        ("api.openai.com:443", "api.openai.com", "api.openai.com", "http://evil.test/v1/chat/completions"),
        ("127.0.0.1:443", "api.openai.com", "api.openai.com", "/v1/chat/completions"),
        ("api.openai.com:443", "api.openai.com", "api.openai.com:8443", "/v1/chat/completions"),
        ("api.openai.com:443", "api.openai.com", "api.openai.com", "/v1/../v1/chat/completions"),
        ("api.openai.com:443", "api.openai.com", "api.openai.com", "/v1/%2e%2e/chat/completions"),
        ("api.openai.com:443", "api.openai.com", "api.openai.com", "//v1/chat/completions"),
    ],
)
async def test_a_destination_with_two_readings_is_refused(gateway: Running, connect, sni, host, target):
    answer = await through_tunnel(gateway, connect=connect, sni=sni, head=head(gateway, host, target))
    assert b"x-conduit-reason: request_malformed" in answer
    assert gateway.provider.seen == []


@pytest.mark.parametrize(
    "host", ["api.openai.com", "API.OpenAI.com", "api.openai.com:443", "api.openai.com."]
)
async def test_every_spelling_of_the_right_destination_is_admitted(gateway: Running, host):
    body = '{"model":"gpt-4o-mini","messages":[],"max_tokens":5}'
    request = head(gateway, host).replace("content-length: 2", f"content-length: {len(body)}")[:-2] + body
    answer = await through_tunnel(gateway, connect="api.openai.com:443", sni="api.openai.com", head=request)
    assert answer.startswith(b"HTTP/1.1 200")
    assert gateway.provider.wait_for(1)[0].header("host") == "api.openai.com"


async def test_tls_that_is_not_ai_is_never_decrypted(gateway: Running):
    proxy = gateway.proxy
    shown = await asyncio.to_thread(certificate, "bank.example", 443, proxy)
    assert shown["sha256"] == gateway.provider.authority.fingerprint("bank.example")


async def test_an_exclusion_never_lets_a_provider_through_undecrypted(short_path, valkey_url, provider):
    exclusions = {"decrypt_unknown": True, "exclusions": ["api.openai.com", "*.openai.com", "bank.example"]}
    async with running(short_path, valkey_url, provider, discovery=exclusions) as gateway:
        async with gateway.client(proxied=True) as client:
            url = "https://api.openai.com/v1/models"
            answer = await client.get(url, headers={"authorization": f"Bearer {gateway.placeholder}"})
        assert answer.status_code == 200
        assert {event["kind"] for event in gateway.events()} == {"call"}


@pytest.mark.parametrize(
    ("stated", "never", "opened"), [(True, (), True), (None, (), False), (True, ("*.example",), False)]
)
async def test_a_tenant_has_unknown_hosts_of_its_own_callers_looked_into(
    gateway: Running, stated, never, opened
):
    """By the certificate that a client sees which says who it is, and one that does not."""
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants.values()
    changed = replace(tenant, decrypt_unknown=stated, never_decrypted=frozenset(never))
    gateway.snapshots.current = replace(policy, tenants={tenant.id: changed})
    plain = gateway.provider.authority.fingerprint("bank.example")
    assert (await shown(gateway, "bank.example", signed_in=True) != plain) is opened
    assert await shown(gateway, "bank.example", signed_in=False) == plain


async def test_what_another_tenant_decided_opens_nothing(gateway: Running):
    """A caller that nothing names may be theirs, and is looked into."""
    theirs = EndpointRule(TenantId(uuid7()), "bank.example", EndpointState.MONITORED)
    gateway.snapshots.current = with_rules(gateway.snapshots.current, theirs)
    plain = gateway.provider.authority.fingerprint("bank.example")
    assert await shown(gateway, "bank.example", signed_in=True) == plain
    assert await shown(gateway, "bank.example", signed_in=False) != plain


@pytest.mark.parametrize("state", [EndpointState.BLOCKED, EndpointState.MONITORED])
async def test_an_excluded_host_is_refused_unread_where_it_is_blocked(gateway: Running, state):
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants.values()
    excluding = replace(tenant, never_decrypted=frozenset({"bank.example"}))
    rule = EndpointRule(tenant.id, "bank.example", state)
    gateway.snapshots.current = with_rules(replace(policy, tenants={tenant.id: excluding}), rule)
    if state is EndpointState.MONITORED:
        theirs = gateway.provider.authority.fingerprint("bank.example")
        assert await shown(gateway, "bank.example", signed_in=True) == theirs
        return
    with pytest.raises(OSError, match=r"EOF|reset"):
        await shown(gateway, "bank.example", signed_in=True)
    (event,) = await gateway.recorded()
    assert (event["kind"], event["host"], event["reason"]) == ("tunnel", "bank.example", "shadow_endpoint")
    assert gateway.provider.seen == []


async def shown(gateway: Running, host: str, *, signed_in: bool) -> str:
    """The fingerprint of the certificate that a client of the proxy sees."""
    signature = f":{gateway.placeholder}@" if signed_in else ""
    proxy = f"http://{signature}127.0.0.1:{gateway.ports['proxy']}"
    return (await asyncio.to_thread(certificate, host, 443, proxy))["sha256"]


async def test_a_tunnel_is_recorded_by_its_name_alone(gateway: Running):
    proxy = gateway.proxy
    await asyncio.to_thread(certificate, "bank.example", 443, proxy)
    (event,) = await gateway.recorded()
    assert (event["kind"], event["host"], event["port"]) == ("tunnel", "bank.example", 443)


async def test_plain_http_that_is_not_ai_passes(gateway: Running):
    async with gateway.client(proxied=True) as client:
        answer = await client.get("http://bank.example/account")
    assert answer.json()["served_by"] == "stand-in"


async def test_a_placeholder_never_leaves_for_a_host_that_is_no_ai(gateway: Running):
    async with gateway.client(proxied=True) as client:
        headers = {"authorization": f"Bearer {gateway.placeholder}"}
        answer = await client.get("http://bank.example/account", headers=headers)
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (403, "placeholder_misused")
    assert gateway.provider.seen == []


async def test_an_endpoint_that_nobody_sanctioned_is_refused(gateway: Running):
    async with gateway.client() as client:
        answer = await client.post(
            gateway.url("anthropic", "/v1/messages"),
            json={"model": "claude-3-5-haiku-latest", "max_tokens": 5, "messages": []},
            headers={"authorization": f"Bearer {gateway.placeholder}"},
        )
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (403, "shadow_endpoint")
    assert answer.json()["type"] == "error"
    assert gateway.provider.seen == []


@pytest.mark.parametrize(
    ("state", "status"),
    [(EndpointState.BLOCKED, 403), (EndpointState.COACHED, 403), (EndpointState.SANCTIONED, 200)],
)
async def test_an_administrators_decision_outranks_the_default(gateway: Running, state, status):
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants
    rule = EndpointRule(tenant, "api.openai.com", state)
    gateway.snapshots.current = with_rules(policy, rule)
    assert (await gateway.ask()).status_code == status


@pytest.mark.parametrize(
    ("whose", "ends", "status"),
    [("user", 1, 200), ("team", 1, 200), ("nobody", 1, 403), ("user", -1, 403)],
)
async def test_an_exception_lifts_a_block_for_its_holder_and_time(gateway: Running, whose, ends, status):
    policy = gateway.snapshots.current
    (user,) = policy.users.values()
    blocked = with_rules(policy, EndpointRule(user.tenant_id, "api.openai.com", EndpointState.BLOCKED))
    excepted = EndpointException(
        id=uuid7(),
        tenant_id=user.tenant_id,
        host="api.openai.com",
        user_id=user.id if whose == "user" else None,
        team=user.team if whose == "team" else "another team",
        expires_at=datetime.now(UTC) + timedelta(days=ends),
    )
    gateway.snapshots.current = with_exceptions(blocked, excepted)
    assert (await gateway.ask()).status_code == status
    if status == 200:
        (event,) = [event for event in gateway.events() if "outcome" in event]
        assert event["findings"] == [f"exception:{excepted.id}"]
        assert event["endpoint_state"] == "monitored"


async def test_an_unknown_provider_in_the_path_is_named(gateway: Running):
    async with gateway.client() as client:
        answer = await client.get(gateway.url("nobody", "/v1/models"))
    assert answer.status_code == 400
    assert "openai" in answer.text


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 502), ("169.254.169.254", 502), ("10.0.0.1", 502), ("[::1]", 400)],
)
async def test_the_proxy_is_no_way_into_the_network(gateway: Running, address, status):
    async with gateway.client(proxied=True) as client:
        answer = await client.get(f"http://{address}:{gateway.ports['gateway']}/")
    assert answer.status_code == status


SHIPPED = "www.regional.bank"  # below a pattern of config/never_decrypted.csv


@pytest.mark.parametrize(
    ("host", "discovery", "opened"),
    [
        (SHIPPED, {}, False),
        (SHIPPED, {"shipped_exclusions": False}, True),
        ("own.example", {"exclusions": ["own.example"]}, False),
        ("own.example", {}, True),
    ],
)
async def test_what_is_excluded_is_not_looked_into(short_path, valkey_url, provider, host, discovery, opened):
    """By the certificate that a client sees while everything unknown is looked into."""
    upstream = {"resolve": provider.resolve(host), "ca_file": provider.authority.ca_file}
    chosen = {"decrypt_unknown": True, **discovery}
    async with running(short_path, valkey_url, provider, discovery=chosen, upstream=upstream) as gateway:
        shown = await asyncio.to_thread(certificate, host, 443, gateway.proxy)
    assert (shown["sha256"] != provider.authority.fingerprint(host)) is opened
