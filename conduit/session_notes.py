"""Writes down who holds which address, as it is told, in batches: one change of policy each.

Every listener that hears of sessions (RADIUS accounting, syslog) tells them here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from loguru import logger
from prometheus_client import Counter

from conduit.session_change import Change
from policy.identifiers import TenantId
from policy.snapshot import Address
from store import session_acts, tenants
from store.acts import Actor
from store.address_sessions import NewSession
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord, NotFound, StoreError
from store.session_acts import SESSIONS_AT_ONCE_MAX

# What waits to be written down.
WAITING_MAX = 5_000
# What comes within this time is written down together: each writing changes the policy of every worker.
# Access points wait for an answer for three seconds and more.
GATHER_S = 1.0
RETRY_S = 1.0
NEWS_SHARE = 0.1
# Addresses remembered as held, some 200 bytes each.
HELD_MAX = 100_000


@dataclass(frozen=True, slots=True)
class News:
    """One thing that was told. ``user`` may be empty at a stop, which then ends whoever's session it is.

    ``lasts`` is for how long, if that was told; ``written`` is called once it has been written down.
    """

    tenant: str
    change: Change
    user: str
    addresses: tuple[Address, ...]
    at: datetime
    lasts: timedelta | None
    written: Callable[[], None] = lambda: None


class SessionNotes:
    """``source`` names who tells; ``session_s`` is how long an address is held without news.

    ``outcomes`` counts ``written`` and ``failed``. With ``again``, what could not be written down is tried
    until it can; without, whoever told it tells it again.
    """

    def __init__(
        self,
        store: Store,
        *,
        source: str,
        session_s: float,
        outcomes: Counter,
        again: bool,
        gather_s: float = GATHER_S,
    ) -> None:
        self._store = store
        self._source = source
        self._actor = Actor(source, "duties")
        self._session = timedelta(seconds=session_s)
        self._outcomes = outcomes
        self._again = again
        self._gather_s = gather_s
        self._waiting: asyncio.Queue[News] = asyncio.Queue(WAITING_MAX)
        self._tenants: dict[str, TenantId] = {}
        self._held: dict[tuple[str, Address], tuple[str, datetime]] = {}

    def tell(self, news: News) -> bool:
        """Have it written down soon; false where too much waits already."""
        try:
            self._waiting.put_nowait(news)
        except asyncio.QueueFull:
            return False
        return True

    async def run(self) -> NoReturn:
        """Write down until cancelled."""
        while True:
            await self._write_down(await self._gather())

    async def _gather(self) -> list[News]:
        """What has come within a short time, in order."""
        told = [await self._waiting.get()]
        await asyncio.sleep(self._gather_s)
        while not self._waiting.empty() and len(told) < SESSIONS_AT_ONCE_MAX // 2:
            told.append(self._waiting.get_nowait())
        return told

    async def _write_down(self, told: list[News]) -> None:
        by_tenant: dict[str, list[News]] = defaultdict(list)
        for item in told:
            by_tenant[item.tenant].append(item)
        for tenant, items in by_tenant.items():
            while not await self._written(tenant, items):  # noqa: ASYNC110 - until PostgreSQL is back
                await asyncio.sleep(RETRY_S)

    async def _written(self, tenant: str, items: list[News]) -> bool:
        """Whether this is done with, well or not."""
        try:
            await self._of_tenant(await self._tenant_id(tenant), items)
        except StoreError as error:
            self._tenants.pop(tenant, None)
            if self._again and not isinstance(error, NotFound):
                return False
            self._outcomes.labels("failed").inc(len(items))
            logger.error("{} sessions of {} were not written down: {}", self._source, tenant, error)
        return True

    async def _of_tenant(self, tenant_id: TenantId, items: list[News]) -> None:
        begun = [item for item in items if item.change in (Change.START, Change.RENEWAL)]
        sessions = {id(item): self._sessions(item) for item in begun}
        try:
            await self._begin(tenant_id, [session for item in begun for session in sessions[id(item)]])
        except InvalidRecord:
            for item in begun:  # the others must not suffer for the one that cannot be
                await self._begin_alone(tenant_id, item, sessions)
        for item in items:
            self._hold(item, sessions.get(id(item), []))
            if item.change is Change.STOP:
                await self._end(tenant_id, item)
            self._outcomes.labels("written").inc()
            item.written()

    def _sessions(self, item: News) -> list[NewSession]:
        lasts = min(item.lasts or self._session, self._session)
        return [
            NewSession(address, item.user, self._source, item.at, item.at + lasts)
            for address in item.addresses
            if item.user and not self._is_no_news(item, address, lasts)
        ]

    def _is_no_news(self, item: News, address: Address, lasts: timedelta) -> bool:
        """Whether a renewal says of a session only that it goes on a little longer.

        Access points send one for each device every few minutes; each writing is a new policy for every
        worker, so a session is made longer once a tenth of its time has gone by.
        """
        user, until = self._held.get((item.tenant, address), ("", item.at))
        gained = item.at + lasts - until
        return item.change is Change.RENEWAL and user == item.user and gained < lasts * NEWS_SHARE

    def _hold(self, item: News, sessions: list[NewSession]) -> None:
        if len(self._held) > HELD_MAX:
            self._held.clear()
        for session in sessions:
            self._held[item.tenant, session.address] = (session.user_name, session.expires_at)

    async def _begin(self, tenant_id: TenantId, sessions: list[NewSession]) -> None:
        if sessions:
            await session_acts.begin_sessions(
                self._store, actor=self._actor, tenant_id=tenant_id, sessions=sessions
            )

    async def _begin_alone(
        self, tenant_id: TenantId, item: News, sessions: dict[int, list[NewSession]]
    ) -> None:
        try:
            await self._begin(tenant_id, sessions[id(item)])
        except InvalidRecord as problem:
            sessions[id(item)] = []
            logger.warning("a session told by {} cannot be: {}", self._source, problem)

    async def _end(self, tenant_id: TenantId, item: News) -> None:
        for address in item.addresses:
            self._held.pop((item.tenant, address), None)
            try:
                await session_acts.end_sessions(
                    self._store,
                    actor=self._actor,
                    tenant_id=tenant_id,
                    address=address,
                    at=item.at,
                    user_name=item.user or None,
                )
            except NotFound:
                continue  # told twice, or never begun

    async def _tenant_id(self, name: str) -> TenantId:
        if name not in self._tenants:
            async with self._store.platform(Purpose.ADMINISTRATION) as session:
                found = await tenants.find(session, name=name)
            if found is None:
                raise NotFound(f"no tenant is named {name!r}")
            self._tenants[name] = found.tenant_id
        return self._tenants[name]
