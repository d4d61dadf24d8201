"""Two tenants with every source of identity configured, behind the real engine, and callers of every kind.

``acme`` has ada and bob and the network 127.0.1.0/24, where ada holds 127.0.1.7; ``globex`` has eve and the
network 127.0.2.0/24. 127.0.9.0/24 are load balancers. Loopback addresses outside name nobody.
"""

import base64
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpcore
import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from policy.snapshot import AddressSession, Records, Tenant, TenantNetwork, User, build
from tests.addons.running import REAL_KEY, Running, running
from tests.builders import a_credential, a_placeholder, a_tenant, a_user
from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.provider import StandIn
from vault.envelope import Binding
from vault.placeholder import issue
from vault.secret import Secret
from vault.sources import KeySource, open_vault

ISSUER = "https://id.example"
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}
OUTSIDE, ACME, ADAS, GLOBEX, BALANCER = "127.0.0.1", "127.0.1.1", "127.0.1.7", "127.0.2.1", "127.0.9.1"
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def key_set(*keys: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The JWK set of an issuer with these keys, named ``k0``, ``k1``…"""
    listed = [json.loads(ECAlgorithm.to_jwk(key.public_key())) for key in keys]
    return {"keys": [{**jwk, "kid": f"k{number}", "use": "sig"} for number, jwk in enumerate(listed)]}


def a_token(
    user: str = "ada", *, key: ec.EllipticCurvePrivateKey = SIGNING_KEY, kid: str = "k0", **changed: Any
) -> str:
    """An identity token of acme's issuer."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "apiconduit", "sub": user, "nbf": now - 10, "exp": now + 300} | changed
    return jwt.encode(claims, key, "ES256", headers={"kid": kid})


@dataclass(frozen=True)
class Caller:
    """One call: from where, through which door, and everything that it shows. ``key`` names a placeholder."""

    door: str = "gateway"
    source: str = OUTSIDE
    key: str | None = None
    bearer: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    proxy_user: tuple[str, str] | None = None
    certificate: str | None = None


@dataclass
class Office:
    """The running gateway, and the placeholders of its users by name."""

    gateway: Running
    clients: Authority
    keys: dict[str, str] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)
    clients_shown: list[x509.Certificate] = field(default_factory=list)

    async def call(self, caller: Caller) -> httpx.Response:
        """Ask OpenAI for a chat completion."""
        headers = dict(caller.headers)
        bearer = caller.bearer or (self.keys.get(caller.key, caller.key) if caller.key else None)
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        async with httpx.AsyncClient(transport=self._transport(caller), timeout=20) as client:
            return await client.post(self._url(caller), json=BODY, headers=headers)

    def context(self, certificate: str | None = None) -> ssl.SSLContext:
        """Trusts the gateway; shows this certificate where asked for one."""
        context = self.gateway.trusted()
        if certificate is not None:
            context.load_cert_chain(self._certificate(certificate))
        return context

    def _certificate(self, name: str) -> Path:
        if name == "stranger":
            stranger = Authority(self.gateway.folder / "stranger", "Clients")
            return stranger.client_file(stranger.client("ada", _spiffe("people/ada")))
        if name == "ada of a site":
            site = Authority(self.gateway.folder / "site", "One site's clients", superior=self.clients)
            return site.client_file(site.client("ada", _spiffe("people/ada")))
        alternatives = {
            "build": [_spiffe("build")],
            "expired": [_spiffe("people/ada")],
            "unnamed": [_spiffe("nobody/in/particular")],
        }.get(name, [_spiffe(f"people/{name}")])
        shown = self.clients.client(name, *alternatives, expired=name == "expired")
        self.clients_shown.append(shown)
        return self.clients.client_file(shown)

    def event(self) -> dict[str, Any]:
        """What was written down last."""
        return self.gateway.events()[-1]

    def change(self, **records: Any) -> None:
        """Put other records of these kinds into the policy."""
        self.records |= records
        version = self.gateway.snapshots.current.version + 1
        self.gateway.snapshots.current = build(version, datetime.now(UTC), Records(**self.records))

    def _url(self, caller: Caller) -> str:
        port = self.gateway.ports["gateway"]
        return {
            "gateway": f"http://127.0.0.1:{port}/openai/v1/chat/completions",
            "tls gateway": f"https://localhost:{port}/openai/v1/chat/completions",
            "plain proxy": "http://llm.example/v1/chat/completions",
        }.get(caller.door, "https://api.openai.com/v1/chat/completions")

    def _transport(self, caller: Caller) -> httpx.AsyncHTTPTransport:
        context = self.context(caller.certificate if caller.door == "tls gateway" else None)
        proxy = None
        if caller.door in ("proxy", "tls proxy", "plain proxy"):
            scheme = "https" if caller.door == "tls proxy" else "http"
            extra = {}
            if caller.proxy_user is not None:
                user, key = caller.proxy_user
                secret = base64.b64encode(f"{user}:{self.keys.get(key, key)}".encode()).decode()
                extra["proxy-authorization"] = f"Basic {secret}"
            if "x-forwarded-for" in caller.headers:
                extra["x-forwarded-for"] = caller.headers["x-forwarded-for"]
            secured = self.context(caller.certificate) if scheme == "https" else None
            url = f"{scheme}://localhost:{self.gateway.ports['proxy']}"
            proxy = httpx.Proxy(url, headers=extra, ssl_context=secured)
        transport = httpx.AsyncHTTPTransport(verify=context, proxy=proxy)
        transport._pool._network_backend = _From(caller.source)  # httpx binds no address towards a proxy
        return transport


class _From(httpcore.AnyIOBackend):
    """Connects from one local address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def connect_tcp(self, *arguments: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        return await super().connect_tcp(*arguments, **(named | {"local_address": self._address}))


def _spiffe(path: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(f"spiffe://acme.example/{path}")


def networks(acme: Tenant, globex: Tenant) -> list[TenantNetwork]:
    """Where each is at home."""
    return [
        TenantNetwork(acme.id, ip_network("127.0.1.0/24")),
        TenantNetwork(globex.id, ip_network("127.0.2.0/24")),
    ]


def _fill(office: Office, folder: Path) -> None:
    """The policy of two tenants, each user with a placeholder of the same name."""
    gateway = office.gateway
    vault = open_vault(source=KeySource.FILE, path=folder / "kek")
    current = gateway.snapshots.current
    (acme,), (ada,), (main,) = (
        list(found.values()) for found in (current.tenants, current.users, current.credentials)
    )
    globex = a_tenant(name="globex")
    globex = replace(globex, data_key=vault.new_data_key(globex.id))
    people: list[User] = [
        a_user(acme, name="bob", team="sales"),
        a_user(acme, name="old", enabled=False),
        a_user(globex, name="eve", team="lab"),
    ]
    office.keys["ada"] = gateway.placeholder
    other = a_credential(globex)
    envelope = vault.seal_credential(globex, Binding.of(other), Secret(REAL_KEY))
    credentials = [main, replace(other, envelope=envelope)]
    placeholders = list(current.placeholders.values())
    for person in people:
        with issue("openai").revealed() as text:
            office.keys[person.name] = text
            key = main if person.tenant_id == acme.id else credentials[1]
            placeholders.append(a_placeholder(person, key, digest=vault.digest(text)))
    with issue("openai").revealed() as text:
        office.keys["ada at home"] = text
        home = (ip_network("192.0.2.0/24"),)
        placeholders.append(a_placeholder(ada, main, digest=vault.digest(text), networks=home))
    began = datetime.now(UTC) - timedelta(hours=1)
    session = AddressSession(acme.id, ip_address(ADAS), "ada", began, began + timedelta(hours=9))
    office.change(
        tenants=[acme, globex],
        users=[ada, *people],
        credentials=credentials,
        placeholders=placeholders,
        networks=networks(acme, globex),
        sessions=[session],
    )


@asynccontextmanager
async def office(
    folder: Path, valkey_url: str, provider: StandIn, *, keys: Answer | None = None, **identity: Any
) -> AsyncIterator[Office]:
    """Start it. ``identity`` are settings of that section; ``keys`` is what the issuer answers."""
    provider.play("localhost", *([keys or Answer.json(200, key_set(SIGNING_KEY))] * 3))
    clients = Authority(folder / "clients", "Clients")
    settings = {
        "issuers": [
            {
                "issuer": ISSUER,
                "audience": "apiconduit",
                "jwks_url": f"https://localhost:{provider.port}/jwks",
                "algorithms": ["ES256"],
                "tenant": "acme",
            }
        ],
        "client_ca_file": str(clients.ca_file),
        "certificates": [
            {"spiffe": "spiffe://acme.example/people/{user}", "tenant": "acme"},
            {"spiffe": "spiffe://acme.example/build", "tenant": "acme"},
        ],
        "trusted_hops": ["127.0.9.0/24"],
        **identity,
    }
    endpoints = {"default_catalogued": "monitored"}
    async with running(folder, valkey_url, provider, identity=settings, endpoints=endpoints) as gateway:
        found = Office(gateway, clients)
        _fill(found, folder)
        yield found
