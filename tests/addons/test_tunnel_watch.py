"""A tunnel ends within the second in which what let it pass unread ends; others stay open."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from policy.exchange import EndpointState
from policy.snapshot import EndpointRule, PolicySnapshot
from tests.addons.running import Running, with_rules

PINNED, ORDINARY = "api.openai.com", "bank.example"
BYPASSED, FINISHED = {"pinned": "bypassed"}, {"outcome": "finished"}


@dataclass
class Tunnel:
    """TLS to the provider itself, through the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str

    async def ask(self) -> bytes:
        """The head of an answer; empty once the tunnel is closed."""
        try:
            self.writer.write(f"GET / HTTP/1.1\r\nhost: {self.host}\r\n\r\n".encode())
            answered = await self.reader.readuntil(b"\r\n\r\n")
            length = int(answered.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await self.reader.readexactly(length)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            return b""
        return answered

    async def closed(self) -> None:
        """Wait for the end, which comes although nothing is said."""
        async with asyncio.timeout(5):
            with suppress(OSError, ssl.SSLError):  # a reset, or no closing alert, is an end too
                assert await self.reader.read() == b""


@asynccontextmanager
async def tunnel(gateway: Running, host: str):
    """A tunnel in which the provider has answered with the certificate of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    signed = b64encode(f":{gateway.placeholder}".encode()).decode()
    head = f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\nproxy-authorization: Basic {signed}\r\n\r\n"
    writer.write(head.encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    try:
        await writer.start_tls(
            ssl.create_default_context(cafile=gateway.provider.authority.ca_file), server_hostname=host
        )
        opened = Tunnel(reader, writer, host)
        assert (await opened.ask()).startswith(b"HTTP/1.1 200")
        yield opened
    finally:
        writer.close()


def bypassing(policy: PolicySnapshot) -> PolicySnapshot:
    """The tenant lets clients of its provider pass that pin a certificate."""
    (tenant,) = policy.tenants
    return replace(policy, _bypasses={(tenant, PINNED): datetime.now(UTC) + timedelta(hours=1)})


def withdrawn(policy: PolicySnapshot) -> PolicySnapshot:
    return replace(policy, _bypasses={})


def blocked(host: str) -> Callable[[PolicySnapshot], PolicySnapshot]:
    def change(policy: PolicySnapshot) -> PolicySnapshot:
        (tenant,) = policy.tenants
        return with_rules(policy, EndpointRule(tenant, host, EndpointState.BLOCKED))

    return change


def stopped(policy: PolicySnapshot) -> PolicySnapshot:
    users = {each: replace(user, enabled=False) for each, user in policy.users.items()}
    return replace(policy, users=users)


@pytest.mark.parametrize(
    ("host", "change", "reason", "rule"),
    [
        (PINNED, withdrawn, "shadow_endpoint", "pinned-bypass-ended"),
        (PINNED, blocked(PINNED), "shadow_endpoint", "pinned-bypass-ended"),
        (PINNED, stopped, "placeholder_revoked", "placeholder-in-force"),
        (ORDINARY, blocked(ORDINARY), "shadow_endpoint", "tunnel-to-ai"),
    ],
    ids=["withdrawn", "blocked", "user stopped", "decided to be AI"],
)
async def test_an_open_tunnel_is_cut_once_it_would_not_be_opened_again(
    gateway: Running, host, change, reason, rule
) -> None:
    gateway.snapshots.current = bypassing(gateway.snapshots.current)
    async with tunnel(gateway, host) as opened:
        gateway.snapshots.current = change(gateway.snapshots.current)
        await opened.closed()
    event = (await gateway.recorded())[0]
    assert (event["kind"], event["host"], event["outcome"]) == ("tunnel", host, "cut")
    assert (event["decision"], event["reason"], event["rule"]) == ("deny", reason, rule)
    assert event["bytes_down"] > 0


async def test_a_bypass_whose_time_is_over_cuts_without_a_new_policy(gateway: Running) -> None:
    policy = gateway.snapshots.current = bypassing(gateway.snapshots.current)
    async with tunnel(gateway, PINNED) as opened:
        (tenant,) = policy.tenants
        policy._bypasses[tenant, PINNED] = datetime.now(UTC)  # as if it had been made an hour ago
        await opened.closed()
    assert (await gateway.recorded())[0]["rule"] == "pinned-bypass-ended"


async def test_a_policy_that_is_too_old_lets_nothing_pass_unread(gateway: Running) -> None:
    gateway.snapshots.current = bypassing(gateway.snapshots.current)
    async with tunnel(gateway, PINNED) as opened:
        gateway.snapshots.age_s = 1e6
        await opened.closed()
    assert (await gateway.recorded())[0]["reason"] == "degraded"


@pytest.mark.parametrize(("host", "facts"), [(PINNED, BYPASSED), (ORDINARY, FINISHED)])
async def test_a_tunnel_stays_open_under_a_policy_that_changes_something_else(
    gateway: Running, host, facts
) -> None:
    gateway.snapshots.current = bypassing(gateway.snapshots.current)
    async with tunnel(gateway, host) as opened:
        gateway.snapshots.current = replace(blocked("other.example")(gateway.snapshots.current), version=2)
        ((_, known),) = gateway.engine.chain._connections.open_tunnels()
        async with asyncio.timeout(5):
            while known.judged_by is not gateway.snapshots.current:
                await asyncio.sleep(0.01)
        assert (await opened.ask()).startswith(b"HTTP/1.1 200")
    event = (await gateway.recorded())[0]
    assert facts.items() <= event.items()
    assert "reason" not in event
