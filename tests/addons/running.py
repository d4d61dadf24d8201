"""The real data plane in the test's own event loop: real sockets, TLS, vault, limiter and spool.

Only the policy snapshot is made by hand, so that a test needs no database; the provider is a stand-in.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from addons.engine import Engine
from conduit import gateway
from conduit.authority import ensure_authority
from conduit.data_folder import DataFolder
from conduit.settings import Settings
from policy.identifiers import TenantId
from policy.limits import Limit, LimitScope
from policy.snapshot import AccountList, EndpointException, EndpointRule, PolicySnapshot
from store.account_marks import AccountMarks
from store.frames import START, Frame, read
from store.limiter import Limiter, Used
from store.limiter_plan import WindowCounter
from store.spool import Spool
from store.valkey import connect
from tests.builders import a_credential, a_placeholder, a_snapshot, a_tenant, a_user
from tests.standins.provider import StandIn
from vault import key_file
from vault.envelope import Binding
from vault.placeholder import issue
from vault.secret import Secret
from vault.sources import KeySource, open_vault
from vault.vault import Vault

_HOSTS = {"google": ("generativelanguage.googleapis.com",), "anthropic": ("api.anthropic.com",)}
REAL_KEY = "sk-proj-REALKEYREALKEYREALKEYREALKEY"


@dataclass
class FixedSnapshots:
    """A policy that a test sets."""

    current: PolicySnapshot
    age_s: float = 0.0


@dataclass
class Running:
    """A gateway that listens, and what stands around it."""

    engine: Engine
    snapshots: FixedSnapshots
    limiter: Limiter
    spool: Spool
    folder: Path
    ports: dict[str, int]
    placeholder: str
    provider: StandIn

    def url(self, provider: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}/{provider}{path}"

    @property
    def proxy(self) -> str:
        """Where clients find the proxy."""
        return f"http://127.0.0.1:{self.ports['proxy']}"

    def client(self, *, proxied: bool = False) -> httpx.AsyncClient:
        return httpx.AsyncClient(proxy=self.proxy if proxied else None, verify=self.trusted(), timeout=20)

    def trusted(self) -> ssl.SSLContext:
        """Trusts the gateway's own authority."""
        return ssl.create_default_context(cafile=self.folder / "ca" / "ca.pem")

    async def ask(self, *, key: str | None = None, **changed: Any) -> httpx.Response:
        """One chat completion in base-URL mode, with the placeholder."""
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}
        headers = {"authorization": f"Bearer {key or self.placeholder}"}
        async with self.client() as client:
            return await client.post(
                self.url("openai", "/v1/chat/completions"), json=body | changed, headers=headers
            )

    def events(self) -> list[dict[str, Any]]:
        """What stands in the spool, in order."""
        found = read(self.spool.directory, START, final=True)
        return [frame.record["event"] for frame in found if isinstance(frame, Frame)]

    async def recorded(self) -> list[dict[str, Any]]:
        """The same once there is anything: a tunnel is written down when it has ended."""
        async with asyncio.timeout(5):
            while not (events := self.events()):
                await asyncio.sleep(0.01)
        return events


async def _nothing_used(_: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
    return tuple(() for _ in windows)


def _policy(vault: Vault, provider: str = "openai") -> tuple[PolicySnapshot, str]:
    tenant = a_tenant()
    tenant = replace(tenant, data_key=vault.new_data_key(tenant.id))
    user = a_user(tenant)
    hosts = _HOSTS.get(provider, ("api.openai.com",))
    credential = a_credential(tenant, provider=provider, hosts=hosts)
    envelope = vault.seal_credential(tenant, Binding.of(credential), Secret(REAL_KEY))
    credential = replace(credential, envelope=envelope)
    with issue(provider).revealed() as text:
        placeholder = a_placeholder(user, credential, digest=vault.digest(text))
        snapshot = a_snapshot(
            tenants=[tenant], users=[user], credentials=[credential], placeholders=[placeholder]
        )
        return snapshot, text


def with_limits(snapshot: PolicySnapshot, *limits: Limit) -> PolicySnapshot:
    """The same policy with these limits."""
    held_to: dict[tuple[LimitScope, UUID], tuple[Limit, ...]] = {}
    for limit in limits:
        place = (limit.scope, limit.subject)
        held_to[place] = (*held_to.get(place, ()), limit)
    return replace(snapshot, _limits=held_to)


def with_rules(snapshot: PolicySnapshot, *rules: EndpointRule) -> PolicySnapshot:
    """The same policy with these decisions about endpoints."""
    return replace(
        snapshot,
        _rules={(rule.tenant_id, rule.host): rule.state for rule in rules},
        _decided=frozenset(rule.host for rule in rules),
    )


def with_exceptions(snapshot: PolicySnapshot, *exceptions: EndpointException) -> PolicySnapshot:
    """The same policy with these exceptions, each for a host of its own."""
    return replace(snapshot, _exceptions={(each.tenant_id, each.host): (each,) for each in exceptions})


def with_accounts(snapshot: PolicySnapshot, *lists: AccountList) -> PolicySnapshot:
    """The same policy, the tenant having stated these accounts."""
    return replace(snapshot, _accounts={(each.tenant_id, each.product): each.accounts for each in lists})


@asynccontextmanager
async def running(
    folder: Path, valkey_url: str, provider: StandIn, *, provider_id: str = "openai", **settings: Any
) -> AsyncIterator[Running]:
    """Start a gateway whose upstream is ``provider``; ``settings`` are sections of ``Settings``.

    The placeholder is for ``provider_id``.
    """
    data = DataFolder(folder)
    ensure_authority(data, now=datetime.now(UTC))
    data.folder("spool")
    key_file.create(folder / "kek")
    with ExitStack() as held:  # held together, so that no two are the same
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = {
            name: probe.getsockname()[1]
            for name, probe in zip(("proxy", "gateway", "transparent"), probes, strict=True)
        }
    chosen = Settings.model_validate(
        {
            "listen": {name: f"127.0.0.1:{port}" for name, port in ports.items()},
            "upstream": {
                "resolve": provider.resolve(
                    "api.openai.com",
                    "api.anthropic.com",
                    "bank.example",
                    "llm.example",
                    "chatgpt.com",
                    "claude.ai",
                ),
                "ca_file": provider.authority.ca_file,
            },
            **settings,
        }
    )
    vault = open_vault(source=KeySource.FILE, path=folder / "kek")
    snapshot, placeholder = _policy(vault, provider_id)
    snapshots = FixedSnapshots(snapshot)
    client = connect(valkey_url)
    limiter = Limiter(client, used=_nothing_used)
    spool = Spool(folder / "spool", "test")
    engine = gateway.engine(
        gateway.configuration(chosen, folder),
        snapshots=snapshots,
        vault=vault,
        shared=gateway.Shared(limiter, AccountMarks(client)),
        spool=spool,
    )
    await engine.start()
    try:
        yield Running(engine, snapshots, limiter, spool, folder, ports, placeholder, provider)
    finally:
        await engine.stop()
        await limiter.drain(within_s=2)
        spool.close()
        await client.aclose()
        await asyncio.sleep(0)
