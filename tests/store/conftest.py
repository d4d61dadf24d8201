"""The migrated schema on the real PostgreSQL, and stores of its serving roles; each test takes its own tenant."""

from collections.abc import AsyncIterator

import pytest
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store import tenants
from store.claim import Purpose
from store.door import Store
from store.migrate import upgrade
from store.roles import RoleSecrets


@pytest.fixture(scope="session")
def role_secrets(postgres_url: str) -> RoleSecrets:
    return upgrade(postgres_url)


@pytest.fixture
async def gateway_store(role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    store = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    yield store
    await store.close()


@pytest.fixture
async def console_store(role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    store = await Store.open(role_secrets.console_dsn, role_secrets.claim_key)
    yield store
    await store.close()


@pytest.fixture
async def tenant_id(console_store: Store) -> TenantId:
    async with console_store.platform(Purpose.ADMINISTRATION) as session:
        tenant = await tenants.create(session, name=f"tenant {uuid7()}", region="eu")
    return tenant.id
