"""Bring the database to the newest schema, as the owner. Nothing that serves runs with these rights."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from store.errors import MigrationRefused, StoreUnavailable
from store.roles import RoleSecrets, create_roles, create_secrets

VERSION_MIN = 150000
USAGE_MONTHS_AHEAD = 3
CONNECT_TIMEOUT_S = 10

# Any number, the same for every instance: two that start at once migrate one after the other.
MIGRATION_LOCK = 0x636F6E64756974


def upgrade(owner_url: str) -> RoleSecrets:
    """Create roles, secrets and schema where missing, and return how the serving roles sign in.

    ``owner_url`` is a libpq URL or connection string of a superuser, or of a user with CREATEROLE who owns
    the database (or may grant CREATE on it). Safe to run at every start and from several machines at once.
    Raises ``MigrationRefused`` with what to change, ``StoreUnavailable`` when PostgreSQL does not answer.
    """
    try:
        with psycopg.connect(owner_url, connect_timeout=CONNECT_TIMEOUT_S, autocommit=True) as connection:
            return _upgrade(connection, owner_url)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {type(error).__name__}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationRefused(
            "the database user may not set up the schema: it must be a superuser, or have CREATEROLE and"
            f" own the database ({error.diag.message_primary})"
        ) from error


def _upgrade(connection: psycopg.Connection, owner_url: str) -> RoleSecrets:
    if connection.info.server_version < VERSION_MIN:
        raise MigrationRefused("PostgreSQL 15 or newer is needed")
    connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    try:
        with connection.transaction():
            create_roles(connection)
            secrets = create_secrets(connection, owner_url)
        _migrate(owner_url)
        return secrets
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _migrate(owner_url: str) -> None:
    """All pending migrations in one transaction, so that a killed start leaves the old schema whole."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(owner_url, connect_timeout=CONNECT_TIMEOUT_S),
        poolclass=NullPool,
        hide_parameters=True,
    )
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE conduit_owner")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql(f"SELECT conduit.prepare_usage_months({USAGE_MONTHS_AHEAD})")
