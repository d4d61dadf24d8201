"""The database roles: once per cluster, with least rights, and their secrets, kept by the owner alone.

    conduit_owner     owns the schema; cannot sign in; even it is under forced row-level security
    conduit_gateway   workers and the shipper
    conduit_console   console and command line
    conduit_auditor   reads
    conduit_platform  what the three become for a platform session (SET LOCAL ROLE); cannot sign in

Roles belong to the cluster, not to the database: one cluster carries one APIConduit.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.claim import pads
from store.errors import MigrationRefused, StoreUnavailable

SIGN_IN_ROLES = ("conduit_gateway", "conduit_console", "conduit_auditor")
CONNECT_TIMEOUT_S = 10
ROLES = ("conduit_owner", "conduit_platform", *SIGN_IN_ROLES)

# Nothing that serves needs longer; a hung statement must not hold a connection, nor an open transaction
# the rows that it locked. The search path holds nothing that a statement could have been made to shadow.
SESSION_SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "search_path": "pg_catalog",
    "timezone": "UTC",
}

ROOT: LiteralString = """
CREATE SCHEMA IF NOT EXISTS conduit_private;
CREATE TABLE IF NOT EXISTS conduit_private.root (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), secret bytea NOT NULL);
CREATE TABLE IF NOT EXISTS conduit_private.claim_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    inner_pad bytea NOT NULL, outer_pad bytea NOT NULL);
CREATE SCHEMA IF NOT EXISTS conduit;
GRANT USAGE ON SCHEMA conduit TO conduit_gateway, conduit_console, conduit_auditor, conduit_platform;
"""


@dataclass(frozen=True, slots=True)
class RoleSecrets:
    """How each role signs in (a libpq connection string with its password), and the claim key (32 bytes)."""

    gateway_dsn: str = field(repr=False)
    console_dsn: str = field(repr=False)
    auditor_dsn: str = field(repr=False)
    claim_key: bytes = field(repr=False)


def create_roles(connection: psycopg.Connection) -> None:
    """Create what is missing and take away what a role should not have; raises ``MigrationRefused``.

    The caller's transaction makes it all or nothing. Afterwards the caller may ``SET ROLE conduit_owner``.
    """
    _refuse_foreign_roles(connection)
    known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    for role in ROLES:
        if role not in known:
            connection.execute(sql.SQL("CREATE ROLE {} NOINHERIT").format(sql.Identifier(role)))
    for role in SIGN_IN_ROLES:
        name = sql.Identifier(role)
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(name))
        connection.execute(sql.SQL("GRANT conduit_platform TO {}").format(name))
        for setting, value in SESSION_SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
            )
    connection.execute("GRANT conduit_owner TO CURRENT_USER")
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("GRANT CREATE, CONNECT ON DATABASE {} TO conduit_owner").format(database))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO conduit_gateway, conduit_console, conduit_auditor").format(
            database
        )
    )


def create_secrets(connection: psycopg.Connection, owner_url: str) -> RoleSecrets:
    """Read the root secret, or make it in a new database, and give the roles passwords derived from it.

    Runs as the owner inside the caller's transaction; ends as the user that called.
    """
    connection.execute("SET LOCAL ROLE conduit_owner")
    connection.execute(ROOT)
    connection.execute(
        "INSERT INTO conduit_private.root (secret) VALUES (%s) ON CONFLICT DO NOTHING",
        [secrets.token_bytes(32)],
    )
    row = connection.execute("SELECT secret FROM conduit_private.root").fetchone()
    if row is None:
        raise MigrationRefused("the root secret of the schema cannot be read by conduit_owner")
    root: bytes = row[0]
    padded = pads(_derived(root, "claim"))
    connection.execute(
        "INSERT INTO conduit_private.claim_key (inner_pad, outer_pad) VALUES (%s, %s)"
        " ON CONFLICT (singleton) DO UPDATE"
        " SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad",
        [padded.inner, padded.outer],
    )
    connection.execute("RESET ROLE")
    for role in SIGN_IN_ROLES:
        _set_password(connection, role, root)
    return _role_secrets(owner_url, root)


def read_secrets(owner_url: str) -> RoleSecrets:
    """How the serving roles sign in to a database that ``store.migrate.upgrade`` has set up before.

    Changes nothing, so that any number of commands may call it beside a running instance. Raises
    ``StoreUnavailable`` when PostgreSQL does not answer, ``MigrationRefused`` when there is no schema yet.
    """
    try:
        with psycopg.connect(owner_url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            connection.execute("SET LOCAL ROLE conduit_owner")
            row = connection.execute("SELECT secret FROM conduit_private.root").fetchone()
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {type(error).__name__}") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject, psycopg.errors.InvalidSchemaName):
        row = None
    if row is None:
        raise MigrationRefused("the database has no schema yet; start an instance on it with `conduit up`")
    return _role_secrets(owner_url, row[0])


def _role_secrets(owner_url: str, root: bytes) -> RoleSecrets:
    return RoleSecrets(
        gateway_dsn=_dsn(owner_url, "conduit_gateway", root),
        console_dsn=_dsn(owner_url, "conduit_console", root),
        auditor_dsn=_dsn(owner_url, "conduit_auditor", root),
        claim_key=_derived(root, "claim"),
    )


def _refuse_foreign_roles(connection: psycopg.Connection) -> None:
    """Another database of this cluster that uses our roles would lose its passwords to us, unasked."""
    other = connection.execute(
        "SELECT d.datname FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid"
        " JOIN pg_database d ON d.oid = s.dbid"
        " WHERE r.rolname = 'conduit_owner' AND s.refclassid = 'pg_authid'::regclass"
        " AND d.datname <> current_database() LIMIT 1"
    ).fetchone()
    if other is not None:
        raise MigrationRefused(
            f"database {other[0]!r} of this cluster already carries APIConduit; roles belong to the cluster,"
            " so give each instance a cluster of its own"
        )


def _set_password(connection: psycopg.Connection, role: str, root: bytes) -> None:
    """Set the role's password as a SCRAM verifier, so that no server log can hold the password itself."""
    password = _derived(root, role).hex()
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
    )


def _dsn(owner_url: str, role: str, root: bytes) -> str:
    kept = {key: value for key, value in conninfo_to_dict(owner_url).items() if key != "passfile"}
    return make_conninfo("", **{**kept, "user": role, "password": _derived(root, role).hex()})


def _derived(root: bytes, purpose: str) -> bytes:
    return hmac.new(root, f"conduit:{purpose}:v1".encode(), hashlib.sha256).digest()
