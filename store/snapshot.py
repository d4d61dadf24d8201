"""Keep the policy in memory as fresh as PostgreSQL's notifications make it.

``run`` listens on a connection of its own. It reads the whole policy after every reconnection, and the
changed tenants' on every notification and whenever the version that it asks for every ``poll_s`` is not the
one in memory: a missed notification lasts no longer than that. Which tenants have changed is read from the
database in the same moment as their rows, never from notifications. Reading happens in a thread, so that no
call waits for it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NoReturn

import psycopg
from loguru import logger
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from policy.snapshot import PolicySnapshot, Records
from store.catalogues import Catalogues
from store.claim import Purpose
from store.door import Store
from store.errors import PolicyUnavailable, StoreError
from store.policy_rows import assemble, changed_since, merged, read_records, read_version

CHANNEL = "conduit_policy"
POLL_S = 2.0
RETRY_S = 0.5

# Asking for the version is one row; a server that does not answer in this time is away.
ANSWER_S = 5.0


# More changed tenants than this are not worth asking for one by one.
CHANGED_MAX = 200

type _Held = tuple[PolicySnapshot, Records]


class SnapshotSource:
    """The current policy snapshot and how old the knowledge is that it is current."""

    def __init__(
        self,
        store: Store,
        *,
        catalogues: Catalogues | None = None,
        poll_s: float = POLL_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._catalogues = catalogues
        self._poll_s = poll_s
        self._monotonic = monotonic
        self._held: _Held | None = None
        self._confirmed_at: float | None = None
        self._replaced = asyncio.Condition()

    @property
    def current(self) -> PolicySnapshot:
        """The last snapshot read; raises ``PolicyUnavailable`` before the first. Mind ``age_s``."""
        if self._held is None:
            raise PolicyUnavailable("no policy has been read yet")
        return self._held[0]

    @property
    def age_s(self) -> float:
        """Seconds since PostgreSQL last confirmed that ``current`` is current; infinite before the first."""
        if self._confirmed_at is None:
            return float("inf")
        return self._monotonic() - self._confirmed_at

    async def load(self) -> PolicySnapshot:
        """Read the policy whole, now; raises a ``StoreError``, and keeps the last snapshot, if it cannot."""
        return await self._take(lambda: _read(self._store, self._catalogues))

    async def refresh(self) -> PolicySnapshot:
        """Read what has changed since ``current``, and no more; raises as ``load`` does."""
        held = self._held
        if held is None:
            return await self.load()
        return await self._take(lambda: _read_changes(self._store, self._catalogues, *held))

    async def _take(self, read: Callable[[], Coroutine[None, None, _Held]]) -> PolicySnapshot:
        began = self._monotonic()
        held = await asyncio.to_thread(lambda: asyncio.run(read()))
        self._confirmed_at = began
        async with self._replaced:
            self._held = held
            self._replaced.notify_all()
        return held[0]

    async def newer_than(self, version: int) -> PolicySnapshot:
        """Wait until the snapshot is of a later version than this one."""
        async with self._replaced:
            await self._replaced.wait_for(lambda: self._held is not None and self._held[0].version > version)
        return self.current

    async def run(self) -> NoReturn:
        """Follow the policy until cancelled. Losing PostgreSQL leaves the last snapshot, ageing."""
        while True:
            try:
                await self._follow()
            except (StoreError, SQLAlchemyError, psycopg.Error, OSError, TimeoutError) as error:
                logger.warning("the policy cannot be followed ({}); trying again", type(error).__name__)
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """Listen first and read afterwards, so that no change falls between the two."""
        connection = await self._store.listener()
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            await self.load()
            while True:
                asked = self._monotonic()
                async with asyncio.timeout(ANSWER_S):
                    version = await _version(connection)
                if version == self.current.version:
                    self._confirmed_at = asked
                else:
                    await self.refresh()
                    continue
                async for _ in connection.notifies(timeout=self._poll_s, stop_after=1):
                    pass


async def _read(store: Store, catalogues: Catalogues | None) -> _Held:
    async with _reading(store) as session:
        version, now = await read_version(session), datetime.now(UTC)
        records = await read_records(session)
        catalogue = await catalogues.in_force(session) if catalogues else None
    return assemble(version, now, records, catalogue), records


async def _read_changes(
    store: Store, catalogues: Catalogues | None, last: PolicySnapshot, before: Records
) -> _Held:
    async with _reading(store) as session:
        version, now = await read_version(session), datetime.now(UTC)
        changed = await changed_since(session, last.version)
        # A version that went back is another database, or an earlier state of this one.
        if version < last.version or len(changed) > CHANGED_MAX:
            records = await read_records(session)
        else:
            records = merged(before, changed, await read_records(session, changed))
        catalogue = await catalogues.in_force(session) if catalogues else None
    return assemble(version, now, records, catalogue), records


@asynccontextmanager
async def _reading(store: Store) -> AsyncIterator[AsyncSession]:
    """A consistent session on a connection of this thread's own."""
    own = await store.reopened()
    try:
        async with own.platform(Purpose.SNAPSHOT, consistent=True) as session:
            yield session
    finally:
        await own.close()


async def _version(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> object:
    cursor = await connection.execute("SELECT version FROM conduit.policy_version")
    row = await cursor.fetchone()
    if row is None:
        raise PolicyUnavailable("the policy has no version")
    return row[0]
