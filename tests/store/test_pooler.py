"""Behind PgBouncer in transaction mode: tenants stay apart, and a change of policy is heard of at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from conduit.data_folder import DataFolder
from policy.identifiers import TenantId
from store import members, tenants
from store.claim import Purpose
from store.door import Store, through
from store.errors import UnknownPooler
from store.roles import RoleSecrets
from store.snapshot import SnapshotSource
from tests.standins.pooler import PROGRAM, PgBouncer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")


@pytest.fixture(scope="module")
def pooler(engine_folder: DataFolder, role_secrets: RoleSecrets) -> Iterator[PgBouncer]:
    with PgBouncer(engine_folder.folder("pooler-alone"), role_secrets) as running:
        yield running


@pytest.fixture
async def pooled(pooler: PgBouncer, role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    opened = await Store.open(role_secrets.console_dsn, role_secrets.claim_key, pooler=pooler.address)
    yield opened
    await opened.close()


async def seen_by(store: Store, tenant: TenantId) -> list[str]:
    async with store.tenant(tenant) as session:
        return [member.name for member in await members.every(session)]


async def test_transactions_that_share_server_connections_stay_apart(
    pooled: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    names = {tenant: f"user {uuid4()}", other_tenant: f"user {uuid4()}"}
    for holder, name in names.items():
        async with pooled.tenant(holder) as session:
            await members.create(session, name=name)
    asked = [tenant, other_tenant] * 10
    answers = await asyncio.gather(*(seen_by(pooled, holder) for holder in asked))
    assert answers == [[names[holder]] for holder in asked]


async def test_a_claim_left_in_the_session_opens_nothing_to_the_next(pooled: Store, tenant: TenantId) -> None:
    async with pooled.tenant(tenant) as session:
        await members.create(session, name="somebody")
        await session.execute(
            text("SELECT set_config('conduit.claim', current_setting('conduit.claim'), false)")
        )
    for _ in range(8):
        async with pooled.engine.connect() as connection:
            with pytest.raises(DBAPIError, match="no valid claim"):
                await connection.execute(text("SELECT * FROM conduit.member"))


async def test_a_change_of_policy_is_heard_of_through_the_server_itself(
    pooled: Store, pooler: PgBouncer, role_secrets: RoleSecrets, tenant: TenantId
) -> None:
    worker = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key, pooler=pooler.address)
    source = SnapshotSource(worker, poll_s=3600)
    following = asyncio.create_task(source.run())
    before = await source.newer_than(0)
    assert before.tenants[tenant].enabled
    async with pooled.platform(Purpose.ADMINISTRATION) as session:
        await tenants.set_enabled(session, tenant_id=tenant, enabled=False)
    after = await source.newer_than(before.version)
    following.cancel()
    await worker.close()
    assert not after.tenants[tenant].enabled


async def test_a_pooler_that_the_settings_do_not_name_is_refused(
    pooler: PgBouncer, role_secrets: RoleSecrets
) -> None:
    hidden = through(role_secrets.console_dsn, pooler.address)
    with pytest.raises(UnknownPooler, match=r"database\.pooler"):
        await Store.open(hidden, role_secrets.claim_key, pooler=None)
