"""Values with safe defaults, so that a test states only what it is about."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from policy.attribution import PresentedKey
from policy.exchange import Call, Client, Endpoint, EndpointState, Exchange, Mode, Shape, Timing
from policy.identifiers import CredentialId, ExchangeId, PlaceholderId, TenantId, UserId
from policy.snapshot import (
    Credential,
    Placeholder,
    PolicySnapshot,
    Records,
    Tenant,
    User,
    build,
)
from store.canary_rows import Rows
from store.tenants import CANARIES

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DIGEST = b"d" * 32


def a_tenant(**changed: Any) -> Tenant:
    """An enabled tenant in Berlin."""
    tenant = Tenant(TenantId(uuid7()), "acme", "eu", ZoneInfo("Europe/Berlin"), True, b"")
    return replace(tenant, **changed)


def a_user(tenant: Tenant, **changed: Any) -> User:
    """An enabled user of ``tenant``."""
    return replace(User(UserId(uuid7()), tenant.id, "ada", "research", "cc-1", True), **changed)


def a_credential(tenant: Tenant, **changed: Any) -> Credential:
    """A live OpenAI credential of ``tenant``."""
    hosts = ("api.openai.com",)
    credential = Credential(CredentialId(uuid7()), tenant.id, "openai", "main", hosts, 1, b"sealed", False)
    return replace(credential, **changed)


def a_placeholder(user: User, credential: Credential, **changed: Any) -> Placeholder:
    """A live placeholder without restrictions."""
    placeholder = Placeholder(
        id=PlaceholderId(uuid7()),
        tenant_id=user.tenant_id,
        user_id=user.id,
        credential_id=credential.id,
        digest=DIGEST,
        models=frozenset(),
        networks=(),
        expires_at=None,
        revoked=False,
    )
    return replace(placeholder, **changed)


def a_snapshot(**records: Any) -> PolicySnapshot:
    """Version 1 of a policy with these records."""
    return build(1, NOW, Records(**records))


def one_tenant(**placeholder: Any) -> tuple[Tenant, User, PolicySnapshot]:
    """A tenant with one user, credential and placeholder."""
    tenant = a_tenant()
    user = a_user(tenant)
    credential = a_credential(tenant)
    records = {
        "tenants": [tenant],
        "users": [user],
        "credentials": [credential],
        "placeholders": [a_placeholder(user, credential, **placeholder)],
    }
    return tenant, user, a_snapshot(**records)


def our_key(place: str = "authorization", digest: bytes = DIGEST) -> PresentedKey:
    """A key in the form of our placeholders."""
    return PresentedKey(place, digest, False)


def foreign_key(place: str = "authorization", *, provider_form: bool = True) -> PresentedKey:
    """A key that the vault did not issue."""
    return PresentedKey(place, None, provider_form)


def an_endpoint(**changed: Any) -> Endpoint:
    """OpenAI's API, sanctioned."""
    endpoint = Endpoint(
        host="api.openai.com",
        port=443,
        scheme="https",
        path="/v1/chat/completions",
        provider="openai",
        shape=Shape.OPENAI_CHAT,
        region="global",
        catalogued=True,
        state=EndpointState.SANCTIONED,
        verdict="ai",
        score=100,
        evidence=("catalogue",),
    )
    return replace(endpoint, **changed)


def a_call(**changed: Any) -> Call:
    """A short chat completion with a ceiling."""
    return replace(Call("chat_completions", "gpt-4o-mini", False, 100, 50, 1, False, 400), **changed)


def an_exchange(**changed: Any) -> Exchange:
    """A call that has just come in."""
    client = Client(Mode.GATEWAY, "127.0.0.1", 50000, None, None, None)
    exchange = Exchange(ExchangeId(uuid7()), client, Timing(NOW, 0))
    for name, value in changed.items():
        setattr(exchange, name, value)
    return exchange


def some_rows(number: int) -> Rows:
    """What the isolation canary knows of a synthetic tenant; no database has it."""
    ids: dict[str, Any] = {
        field.name: UUID(int=1000 * number + place)
        for place, field in enumerate(fields(Rows))
        if field.name.endswith("_id")
    }
    return Rows(
        **ids | {"tenant_id": CANARIES[number - 1]},
        name=f"canary {number}",
        digest=bytes([number]) * 32,
        envelope=b"",
        host=f"canary-{number}.invalid",
        network=IPv4Network(f"192.0.2.{number}/32"),
    )
