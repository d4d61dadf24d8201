"""Builders for the vault's tests: everything valid by default, so a test states only what it bends."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from uuid_utils.compat import uuid7

from policy.identifiers import CredentialId, TenantId
from policy.snapshot import Credential, Tenant
from vault import key_file
from vault.envelope import Binding
from vault.secret import Secret
from vault.vault import Vault

KEY = "sk-the-real-key-of-this-test"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Safe:
    """A vault on a key file, with builders of tenants and credentials in it."""

    path: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.vault = self.reopened()

    def reopened(self) -> Vault:
        return Vault(key_file.FileKeys(self.path), clock=self.clock)

    def a_tenant(self, identity: UUID | None = None) -> Tenant:
        tenant_id = TenantId(identity or uuid7())
        ring = self.vault.new_data_key(tenant_id)
        return Tenant(tenant_id, "acme", "eu", ZoneInfo("UTC"), True, ring)

    def a_credential(self, tenant: Tenant, key: str = KEY, **changes: object) -> Credential:
        stated: dict[str, object] = {
            "id": CredentialId(uuid7()),
            "tenant_id": tenant.id,
            "provider": "openai",
            "name": "main",
            "hosts": ("api.openai.com",),
            "version": 1,
            "envelope": b"",
            "revoked": False,
        }
        credential = Credential(**{**stated, **changes})  # type: ignore[arg-type]
        return replace(
            credential, envelope=self.vault.seal_credential(tenant, Binding.of(credential), Secret(key))
        )


@pytest.fixture(scope="session")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Safe:
    path = tmp_path_factory.mktemp("vault") / "kek"
    key_file.create(path)
    return Safe(path)


@pytest.fixture
def fresh_safe(tmp_path: Path) -> Safe:
    key_file.create(tmp_path / "kek")
    return Safe(tmp_path / "kek")


type Opener = Callable[[Tenant, Credential], str]


@pytest.fixture
def opened(safe: Safe) -> Opener:
    def open_it(tenant: Tenant, credential: Credential) -> str:
        with safe.vault.open_credential(tenant, credential, host=credential.hosts[0]).revealed() as text:
            return text

    return open_it
