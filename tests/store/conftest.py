"""The store on a real PostgreSQL: migrated once for the test process; each test makes tenants of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from policy.identifiers import TenantId
from store import tenants
from store.claim import Purpose
from store.door import Store
from store.roles import RoleSecrets


@pytest.fixture
async def gateway(role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    """A worker's store."""
    opened = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    yield opened
    await opened.close()


async def a_tenant(store: Store, name: str | None = None) -> TenantId:
    """A new tenant that no other test knows."""
    async with store.platform(Purpose.ADMINISTRATION) as session:
        created = await tenants.create(session, name=name or f"tenant {uuid4()}", region="eu")
    return created.tenant_id


@pytest.fixture
async def tenant(store: Store) -> TenantId:
    return await a_tenant(store)


@pytest.fixture
async def other_tenant(store: Store) -> TenantId:
    return await a_tenant(store)


@contextmanager
def broken(postgres_url: str, statement: str, mending: str) -> Iterator[None]:
    """What an operator who knows best might do to the schema; undone afterwards."""
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("SET ROLE conduit_owner")
        owner.execute(statement)
        try:
            yield
        finally:
            owner.execute(mending)
