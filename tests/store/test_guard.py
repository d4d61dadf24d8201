"""Tenancy is checked against the catalogue itself, and each hole that could be made in it is found."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from store.door import Store
from store.errors import UnsafeRole
from store.guard import inspect_role, inspect_schema
from store.roles import RoleSecrets


@pytest.fixture
async def owner(postgres_url: str, role_secrets: RoleSecrets) -> AsyncIterator[AsyncConnection]:
    """The owner, in a transaction that is never committed: what it breaks mends itself."""
    engine = create_async_engine(
        "postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(postgres_url)
    )
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL ROLE conduit_owner"))
        yield connection
        await connection.rollback()
    await engine.dispose()


HOLES = {
    "not forced": "ALTER TABLE conduit.member NO FORCE ROW LEVEL SECURITY",
    "not enabled": "ALTER TABLE conduit.placeholder DISABLE ROW LEVEL SECURITY",
    "no policy": "DROP POLICY tenant ON conduit.credential",
    "no check on writing": "DROP POLICY tenant ON conduit.team; CREATE POLICY tenant ON conduit.team"
    " TO conduit_console USING (tenant_id = (SELECT conduit.tenant())) WITH CHECK (true)",
    "an open policy": "CREATE POLICY gift ON conduit.usage TO conduit_console USING (true)",
    "a new table": "CREATE TABLE conduit.note (tenant_id uuid, body text)",
    "a partition without": "CREATE TABLE conduit.usage_1999 PARTITION OF conduit.usage"
    " FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')",
    "truncate granted": "GRANT TRUNCATE ON conduit.event TO conduit_gateway",
    "a loose reference": "ALTER TABLE conduit.usage_other ADD CONSTRAINT loose FOREIGN KEY (outcome)"
    " REFERENCES conduit.platform_endpoint_rule (host)",
    "a loose key": "CREATE UNIQUE INDEX loose ON conduit.member (name) WHERE false",
    "an owner's view": "CREATE VIEW conduit.everyone AS SELECT * FROM conduit.member",
    "a materialised view": "CREATE MATERIALIZED VIEW conduit.everyone AS SELECT 1 AS one",
    "a function's path": "ALTER FUNCTION conduit.claimed(text) RESET search_path",
    "a function for all": "GRANT EXECUTE ON FUNCTION conduit.read_all_envelopes TO PUBLIC",
}


async def test_the_schema_as_migrated_has_no_hole(store: Store) -> None:
    async with store.engine.connect() as connection:
        assert await inspect_schema(connection) == []


@pytest.mark.parametrize("statement", HOLES.values(), ids=HOLES)
async def test_each_hole_is_found(owner: AsyncConnection, statement: str) -> None:
    assert await inspect_schema(owner) == []
    for part in statement.split(";"):
        await owner.execute(text(part))
    assert await inspect_schema(owner) != []


async def test_a_view_with_the_invokers_rights_is_none(owner: AsyncConnection) -> None:
    await owner.execute(
        text("CREATE VIEW conduit.mine WITH (security_invoker=true) AS SELECT * FROM conduit.member")
    )
    assert await inspect_schema(owner) == []


@pytest.mark.parametrize("role", ["gateway_dsn", "console_dsn", "auditor_dsn"])
async def test_the_serving_roles_may_serve(role_secrets: RoleSecrets, role: str) -> None:
    opened = await Store.open(getattr(role_secrets, role), role_secrets.claim_key)
    await opened.close()


async def test_the_migrating_user_may_not_serve(postgres_url: str, role_secrets: RoleSecrets) -> None:
    with pytest.raises(UnsafeRole, match="mend:"):
        await Store.open(postgres_url, role_secrets.claim_key)


@pytest.mark.parametrize(
    ("granting", "taking"),
    [
        ("ALTER ROLE conduit_auditor CREATEROLE", "ALTER ROLE conduit_auditor NOCREATEROLE"),
        ("GRANT conduit_owner TO conduit_auditor", "REVOKE conduit_owner FROM conduit_auditor"),
    ],
    ids=["may create roles", "may become the owner"],
)
async def test_a_role_with_too_many_rights_may_not_serve(
    postgres_url: str, role_secrets: RoleSecrets, granting: str, taking: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(granting)
        try:
            with pytest.raises(UnsafeRole, match="conduit_auditor"):
                await Store.open(role_secrets.auditor_dsn, role_secrets.claim_key)
        finally:
            admin.execute(taking)
    reopened = await Store.open(role_secrets.auditor_dsn, role_secrets.claim_key)
    async with reopened.engine.connect() as connection:
        assert await inspect_role(connection) == []
    await reopened.close()
