"""The one door to the database: a session acts for one tenant, or for the platform with a named purpose.

    async with store.tenant(tenant_id) as session:          # rows of this tenant
    async with store.platform(Purpose.SNAPSHOT) as session:  # what this purpose may see, of all tenants

Each is one transaction, committed at the end of the block and rolled back on an exception. Nothing else
opens connections for serving; ``Store.listener`` gives one that has no claim, so it reads no tenant's row.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import PoolResetState

from store.claim import LIFETIME_S, Purpose, purpose_claim, tenant_claim
from store.errors import (
    AlreadyExists,
    InvalidRecord,
    MissingReference,
    NotApproved,
    NoTenant,
    RecordHeld,
    StoreError,
    StoreUnavailable,
    TenancyViolation,
    UnknownPooler,
)
from store.guard import check_role

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 5
# A network that swallows packets must not hold a caller: the kernel gives up on unanswered data.
TCP_USER_TIMEOUT_MS = 10_000

# One round trip. The first call clears whatever an earlier statement may have left in the session; the
# others end with the transaction.
_ENTER_TENANT = text(
    "SELECT set_config('conduit.claim', '', false), set_config('conduit.claim', :claim, true)"
)
_ENTER_PLATFORM = text(
    "SELECT set_config('conduit.claim', '', false), set_config('conduit.claim', :claim, true),"
    " set_config('role', 'conduit_platform', true)"
)


class Store:
    """A pool of connections of one serving role. Make it with ``open``; end it with ``close``."""

    def __init__(self, engine: AsyncEngine, dsn: str, claim_key: bytes, *, pooler: str | None) -> None:
        self._engine = engine
        self._dsn = dsn
        self._claim_key = claim_key
        self._pooler = pooler

    def __repr__(self) -> str:
        return f"Store({self._engine.pool.status()})"

    @classmethod
    async def open(cls, dsn: str, claim_key: bytes, *, pool_size: int = 4, pooler: str | None = None) -> Self:
        """Connect as a serving role and refuse one that could bypass row-level security.

        ``dsn`` is a libpq connection string from ``store.migrate.upgrade``. ``pooler`` (``host:port``) is a
        transaction pooler before that server, such as PgBouncer: transactions go through it, and their claims
        name no server process and rest on their expiry; ``listener`` goes to the server itself.
        Raises ``UnsafeRole``, ``UnknownPooler`` or ``StoreUnavailable``.
        """
        served = dsn if pooler is None else through(dsn, pooler)
        engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=lambda: _connect(served),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            pool_pre_ping=True,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "reset", _forget_session)
        store = cls(engine, dsn, claim_key, pooler=pooler)
        try:
            async with engine.connect() as connection:
                await check_role(connection)
                if pooler is None:
                    await _refuse_unnamed_pooler(connection)
        except BaseException as error:
            await engine.dispose()
            raise translated(error) from error
        return store

    async def close(self) -> None:
        """Close every connection that is not in use."""
        await self._engine.dispose()

    @property
    def engine(self) -> AsyncEngine:
        """For ``conduit doctor``, which reads catalogues: a connection from here has no claim."""
        return self._engine

    async def reopened(self) -> Self:
        """A store of its own with one connection, for a thread with another event loop. Close it there."""
        return await type(self).open(self._dsn, self._claim_key, pool_size=1, pooler=self._pooler)

    async def listener(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        """A connection outside the pool, in autocommit and without a claim: for LISTEN. Close it."""
        try:
            connection = await _connect(self._dsn)
            await connection.set_autocommit(True)
        except (psycopg.Error, OSError) as error:
            raise translated(error) from error
        return connection

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
        """One transaction that sees and writes this tenant's rows alone.

        Raises ``NoTenant`` without a tenant; at the end of the block, or inside it, what ``translated``
        says of a failing statement.
        """
        if not isinstance(tenant_id, UUID):
            raise NoTenant("a tenant session needs a tenant's id")
        async with self._transaction() as session:
            claim = tenant_claim(
                self._claim_key, tenant_id, expires_at=_expiry(), backend=await self._backend(session)
            )
            await session.execute(_ENTER_TENANT, {"claim": claim})
            yield session

    @asynccontextmanager
    async def platform(self, purpose: Purpose, *, consistent: bool = False) -> AsyncIterator[AsyncSession]:
        """One transaction across tenants, for a named purpose; the database holds it to that purpose.

        ``consistent`` shows every statement the same moment (REPEATABLE READ), for reading only.
        """
        async with self._transaction() as session:
            if consistent:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            claim = purpose_claim(
                self._claim_key, purpose, expires_at=_expiry(), backend=await self._backend(session)
            )
            await session.execute(_ENTER_PLATFORM, {"claim": claim})
            yield session

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            raise translated(error) from error

    async def _backend(self, session: AsyncSession) -> int:
        return 0 if self._pooler is not None else await _backend_of(await session.connection())


def through(dsn: str, pooler: str) -> str:
    """The same connection string, by way of a pooler at ``host:port``."""
    host, _, port = pooler.rpartition(":")
    kept = {key: value for key, value in conninfo_to_dict(dsn).items() if key != "hostaddr"}
    return make_conninfo("", **kept | {"host": host.removeprefix("[").removesuffix("]"), "port": port})


async def _backend_of(connection: AsyncConnection) -> int:
    """The server process that the protocol named at the start of this connection."""
    driver: psycopg.AsyncConnection[object] | None = (await connection.get_raw_connection()).driver_connection
    if driver is None:
        raise StoreUnavailable("the connection is gone")
    return driver.info.backend_pid


async def _refuse_unnamed_pooler(connection: AsyncConnection) -> None:
    """A transaction pooler gives each transaction another process than it named: every claim would fail."""
    if await connection.scalar(text("SELECT pg_backend_pid()")) != await _backend_of(connection):
        raise UnknownPooler(
            "database.url leads to a connection pooler; name the server itself there, for migrations and"
            " notifications, and the pooler in database.pooler"
        )


async def _connect(dsn: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    return await psycopg.AsyncConnection.connect(
        dsn,
        connect_timeout=CONNECT_TIMEOUT_S,
        tcp_user_timeout=TCP_USER_TIMEOUT_MS,
        application_name="conduit",
        # DISCARD ALL drops prepared statements after each transaction, and psycopg, which notices that only
        # the first time, would go on to use them.
        prepare_threshold=None,
    )


def _forget_session(connection: DBAPIConnection, _record: object, state: PoolResetState) -> None:
    """Leave nothing of one borrower to the next: settings, role, prepared statements, locks, temporary data.

    A statement injected into one tenant's session could have left any of these behind.
    """
    if state.terminate_only:
        return
    connection.rollback()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("DISCARD ALL")
    cursor.close()
    connection.autocommit = False


def _expiry() -> int:
    return int(time.time()) + LIFETIME_S


_BY_ERROR: tuple[tuple[type[Exception], type[StoreError], str], ...] = (
    (psycopg.errors.UniqueViolation, AlreadyExists, "exists already"),
    (psycopg.errors.ForeignKeyViolation, MissingReference, "refers to something that is not there"),
    (psycopg.errors.InsufficientPrivilege, TenancyViolation, "the database refused the statement"),
    (psycopg.errors.CheckViolation, InvalidRecord, "a value is outside what is allowed"),
    (psycopg.errors.NotNullViolation, InvalidRecord, "a value is missing"),
    (psycopg.errors.DataError, InvalidRecord, "a value is not of its kind"),
    # Before their parent: only migrations 0012 and 0016 raise these.
    (psycopg.errors.ObjectInUse, RecordHeld, "the record of this tenant is under a hold"),
    (psycopg.errors.ObjectNotInPrerequisiteState, NotApproved, "no second person has approved this lately"),
    (psycopg.OperationalError, StoreUnavailable, "PostgreSQL is away or too slow"),
    (psycopg.InterfaceError, StoreUnavailable, "the connection was lost"),
)


def translated(error: BaseException) -> BaseException:
    """The store's error for one of SQLAlchemy or psycopg; any other is returned as it is.

    The message names no value and nothing of the schema but the word of a column that is outside its bounds;
    the constraint's own name is in ``constraint``.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    for kind, ours, sentence in _BY_ERROR:
        if isinstance(cause, kind):
            diagnosis = getattr(cause, "diag", None)
            told = ours(_worded(sentence, diagnosis) if ours is InvalidRecord else sentence)
            told.constraint = getattr(diagnosis, "constraint_name", None)
            return told
    if isinstance(error, PoolTimeoutError | OSError):
        return StoreUnavailable("no connection to PostgreSQL is to be had")
    if isinstance(error, SQLAlchemyError | psycopg.Error):
        return StoreError(f"the store failed: {type(cause).__name__}")
    return error


def _worded(sentence: str, diagnosis: psycopg.errors.Diagnostic | None) -> str:
    """With the column's word in front, where PostgreSQL named a column, or its own check of one."""
    constraint = getattr(diagnosis, "constraint_name", None) or ""
    table = getattr(diagnosis, "table_name", None) or ""
    column = getattr(diagnosis, "column_name", None)
    if column is None and constraint.startswith(f"{table}_") and constraint.endswith("_check"):
        column = constraint[len(table) + 1 : -len("_check")]
    return f"{column.replace('_', ' ')}: {sentence}" if column else sentence
