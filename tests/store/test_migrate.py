"""Setting up a database: again, at once, as a plain user, and refused with what to change."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.errors import MigrationRefused, StoreUnavailable
from store.migrate import upgrade
from store.roles import SIGN_IN_ROLES, RoleSecrets, read_secrets


def with_changed(url: str, **changed: str) -> str:
    return make_conninfo("", **{**conninfo_to_dict(url), **changed})


def test_migrating_again_changes_no_secret(postgres_url: str, role_secrets: RoleSecrets) -> None:
    assert upgrade(postgres_url) == role_secrets
    assert read_secrets(postgres_url) == role_secrets


def test_instances_that_start_at_once_agree(postgres_url: str, role_secrets: RoleSecrets) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(upgrade, [postgres_url] * 4)) == {role_secrets}


@pytest.mark.parametrize("dsn", ["gateway_dsn", "console_dsn", "auditor_dsn"])
def test_a_serving_role_may_not_migrate(role_secrets: RoleSecrets, dsn: str) -> None:
    with pytest.raises(MigrationRefused, match="CREATEROLE"):
        upgrade(getattr(role_secrets, dsn))


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        upgrade("postgresql://127.0.0.1:1/conduit")


def test_a_second_database_of_the_cluster_is_refused(postgres_url: str, role_secrets: RoleSecrets) -> None:
    """Its roles would take over the first one's passwords."""
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        if not may_create_databases(owner):
            pytest.skip("the database user may not create a second database")
        owner.execute("CREATE DATABASE conduit_second")
        try:
            with pytest.raises(MigrationRefused, match="cluster of its own"):
                upgrade(with_changed(postgres_url, dbname="conduit_second"))
        finally:
            owner.execute("DROP DATABASE conduit_second")


def is_superuser(connection: psycopg.Connection) -> bool:
    return connection.execute("SHOW is_superuser").fetchone() == ("on",)


def may_create_databases(connection: psycopg.Connection) -> bool:
    query = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return connection.execute(query).fetchone() == (True,)


def test_serving_roles_have_no_attributes(postgres_url: str, role_secrets: RoleSecrets) -> None:
    query = sql.SQL(
        "SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s) AND (rolsuper OR rolbypassrls OR rolinherit"
        " OR rolcreaterole OR rolcreatedb OR rolreplication)"
    )
    with psycopg.connect(postgres_url) as owner:
        assert owner.execute(query, [[*SIGN_IN_ROLES, "conduit_platform"]]).fetchone() == (0,)


def test_passwords_are_stored_as_verifiers(role_secrets: RoleSecrets, postgres_url: str) -> None:
    password = str(conninfo_to_dict(role_secrets.gateway_dsn)["password"])
    assert len(password) == 64
    with psycopg.connect(postgres_url) as owner:
        if is_superuser(owner):
            stored = owner.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'conduit_gateway'")
            assert stored.fetchone()[0].startswith("SCRAM-SHA-256$")
