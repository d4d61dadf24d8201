"""The one door, and each known pitfall of row-level security that it, or the schema, closes."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from policy.identifiers import TenantId, UserId
from store import credentials, members, placeholders, teams
from store.claim import Purpose
from store.door import Store
from store.errors import (
    AlreadyExists,
    InvalidRecord,
    MissingReference,
    NotFound,
    StoreUnavailable,
    TenancyViolation,
)
from store.roles import RoleSecrets

NO_CLAIM = "no valid claim"


@pytest.fixture
async def narrow(role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    """A pool of one connection, so that the next borrower gets what the last one left."""
    opened = await Store.open(role_secrets.console_dsn, role_secrets.claim_key, pool_size=1)
    yield opened
    await opened.close()


async def a_member(store: Store, tenant: TenantId) -> members.Member:
    async with store.tenant(tenant) as session:
        return await members.create(session, name=f"user {uuid4()}")


async def claim_left(store: Store) -> str:
    async with store.engine.connect() as connection:
        return (await connection.execute(text("SELECT current_setting('conduit.claim', true)"))).scalar_one()


async def test_a_tenant_sees_its_own_rows_alone(
    store: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    mine, theirs = await a_member(store, tenant), await a_member(store, other_tenant)
    async with store.tenant(tenant) as session:
        assert await members.every(session) == [mine]
        with pytest.raises(NotFound):
            await members.get(session, member_id=theirs.id)


async def test_after_a_transaction_the_claim_is_empty_and_that_is_an_error(
    narrow: Store, tenant: TenantId
) -> None:
    """The setting reverts to '' and not to NULL; a policy that casts or ignores it would err or show all."""
    await a_member(narrow, tenant)
    assert await claim_left(narrow) in ("", None)
    async with narrow.engine.connect() as connection:
        await connection.execute(text("SELECT set_config('conduit.claim', '', false)"))
        with pytest.raises(DBAPIError, match=NO_CLAIM):
            await connection.execute(text("SELECT * FROM conduit.member"))


async def test_a_claim_made_to_outlive_its_transaction_does_not_reach_the_next_borrower(
    narrow: Store, tenant: TenantId
) -> None:
    await a_member(narrow, tenant)
    async with narrow.tenant(tenant) as session:
        await session.execute(
            text("SELECT set_config('conduit.claim', current_setting('conduit.claim'), false)")
        )
    async with narrow.engine.connect() as connection:
        with pytest.raises(DBAPIError, match=NO_CLAIM):
            await connection.execute(text("SELECT * FROM conduit.member"))


@pytest.mark.parametrize(
    ("leave", "look"),
    [
        ("SET search_path = pg_temp", "SHOW search_path"),
        ("SET ROLE conduit_platform", "SELECT current_user"),
        ("SET row_security = off", "SHOW row_security"),
        (
            "DO $$ BEGIN CREATE TEMP TABLE member (name text);"
            " EXCEPTION WHEN insufficient_privilege THEN NULL; END $$",
            "SELECT count(*) FROM pg_class WHERE relname = 'member'",
        ),
        ("PREPARE peek AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'peek'"),
        (
            "SELECT pg_advisory_lock(4711)",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        ),
        ("DECLARE peek CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors WHERE name = 'peek'"),
        ("LISTEN elsewhere", "SELECT count(*) FROM pg_listening_channels()"),
    ],
)
async def test_nothing_of_a_session_is_left_to_the_next_borrower(
    narrow: Store, tenant: TenantId, leave: str, look: str
) -> None:
    async with narrow.engine.connect() as connection:
        before = (await connection.execute(text(look))).scalar_one()
    async with narrow.tenant(tenant) as session:
        await session.execute(text(leave))
    async with narrow.engine.connect() as connection:
        assert (await connection.execute(text(look))).scalar_one() == before


async def test_a_local_claim_outside_a_transaction_opens_nothing(narrow: Store, tenant: TenantId) -> None:
    """SET LOCAL in autocommit is a warning only; the next statement must not run under an older claim."""
    await a_member(narrow, tenant)
    async with narrow.engine.connect() as connection:
        loose = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await loose.execute(text("SET LOCAL conduit.claim = 'v1'"))
        with pytest.raises(DBAPIError, match=NO_CLAIM):
            await loose.execute(text("SELECT * FROM conduit.member"))


async def test_committing_inside_a_session_ends_its_claim(store: Store, tenant: TenantId) -> None:
    await a_member(store, tenant)
    async with store.tenant(tenant) as session:
        await session.execute(text("COMMIT"))
        with pytest.raises(DBAPIError, match=NO_CLAIM):
            await session.execute(text("SELECT * FROM conduit.member"))


async def test_a_reference_to_another_tenants_row_is_like_one_to_none(
    store: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    """Foreign keys are checked past row-level security; they carry the tenant."""
    theirs = await a_member(store, other_tenant)
    async with store.tenant(tenant) as session:
        key = await credentials.create(session, provider="openai", name="key", hosts=["api.openai.com"])
    messages = set()
    for member_id in (theirs.id, UserId(uuid4())):
        binding = placeholders.Binding(member_id, key.id)
        with pytest.raises(MissingReference) as refused:
            async with store.tenant(tenant) as session:
                await placeholders.create(session, digest=b"d" * 32, binding=binding)
        messages.add(str(refused.value))
    assert len(messages) == 1


async def test_names_are_unique_within_a_tenant_alone(
    store: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    for holder in (tenant, other_tenant):
        async with store.tenant(holder) as session:
            await teams.create(session, name="Research")
    with pytest.raises(AlreadyExists, match=r"^exists already$") as refused:
        async with store.tenant(tenant) as session:
            await teams.create(session, name="Research")
    assert refused.value.constraint == "team_tenant_id_name_key"


async def test_a_value_out_of_bounds_is_named_in_words_and_not_by_the_schema(
    store: Store, tenant: TenantId
) -> None:
    with pytest.raises(InvalidRecord, match=r"^name: a value is outside what is allowed$"):
        async with store.tenant(tenant) as session:
            await teams.create(session, name="")


@pytest.mark.parametrize("role", ["gateway_dsn", "console_dsn", "auditor_dsn"])
def test_no_serving_role_may_truncate_create_or_alter(role_secrets: RoleSecrets, role: str) -> None:
    with psycopg.connect(getattr(role_secrets, role), autocommit=True) as connection:
        for statement in (
            "TRUNCATE conduit.member",
            "CREATE TABLE conduit.theirs (id int)",
            "CREATE FUNCTION conduit.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER TABLE conduit.member DISABLE ROW LEVEL SECURITY",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize("table", ["event", "usage"])
async def test_the_record_can_be_added_to_but_not_changed(
    gateway: Store, tenant: TenantId, table: str
) -> None:
    for statement in (f"UPDATE conduit.{table} SET outcome = 'x'", f"DELETE FROM conduit.{table}"):
        with pytest.raises(TenancyViolation):
            async with gateway.tenant(tenant) as session:
                await session.execute(text(statement))


async def test_a_platform_session_is_held_to_its_purpose(store: Store, tenant: TenantId) -> None:
    member = await a_member(store, tenant)
    async with store.platform(Purpose.REPORTING) as session:
        assert member in await members.every(session)
    async with store.platform(Purpose.SIGN_IN) as session:
        assert await members.every(session) == []
    with pytest.raises(TenancyViolation):
        async with store.platform(Purpose.SNAPSHOT) as session:
            await members.every(session)


async def test_a_failed_block_leaves_nothing(store: Store, tenant: TenantId) -> None:
    async def failing() -> None:
        async with store.tenant(tenant) as session:
            await members.create(session, name="never")
            raise KeyError

    with pytest.raises(KeyError):
        await failing()
    async with store.tenant(tenant) as session:
        assert await members.find(session, name="never") is None


async def test_a_value_out_of_range_is_an_invalid_record(store: Store, tenant: TenantId) -> None:
    with pytest.raises(InvalidRecord) as refused:
        async with store.tenant(tenant) as session:
            await members.create(session, name="sk-secret" * 100)
    assert "sk-secret" not in str(refused.value)


async def test_a_pool_in_use_is_unavailable(
    narrow: Store, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrow.engine.pool, "_timeout", 0.01)
    async with narrow.tenant(tenant):
        with pytest.raises(StoreUnavailable):
            async with narrow.tenant(tenant):
                pass


async def test_a_database_that_is_not_there_is_unavailable(role_secrets: RoleSecrets) -> None:
    with pytest.raises(StoreUnavailable):
        await Store.open("host=127.0.0.1 port=1 user=x dbname=x", role_secrets.claim_key)


async def test_a_lost_connection_is_replaced(narrow: Store, tenant: TenantId) -> None:
    with pytest.raises(StoreUnavailable):
        async with narrow.tenant(tenant) as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with narrow.tenant(tenant) as session:
        assert await members.every(session) == []


async def test_two_tenants_at_once_stay_apart(store: Store, tenant: TenantId, other_tenant: TenantId) -> None:
    mine, theirs = await a_member(store, tenant), await a_member(store, other_tenant)

    async def seen(holder: TenantId) -> list[members.Member]:
        async with store.tenant(holder) as session:
            return await members.every(session)

    answers = await asyncio.gather(*(seen(holder) for _ in range(10) for holder in (tenant, other_tenant)))
    assert answers == [[mine], [theirs]] * 10


async def test_claims_that_name_no_backend_work_behind_a_pooler(
    role_secrets: RoleSecrets, tenant: TenantId
) -> None:
    server = conninfo_to_dict(role_secrets.console_dsn)
    pooler = f"{server['host']}:{server.get('port') or 5432}"  # the server itself stands for one here
    opened = await Store.open(role_secrets.console_dsn, role_secrets.claim_key, pooler=pooler)
    assert (await a_member(opened, tenant)).tenant_id == tenant
    await opened.close()
