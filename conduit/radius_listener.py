"""Listens to RADIUS accounting and notes who holds which address, in batches: one change of policy each.

An answer is sent only after the session has been written down, so that an access point asks again for what
was lost (RFC 2866 section 2).
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, NoReturn

from loguru import logger
from prometheus_client import Counter

from conduit.errors import ConfigurationError
from conduit.identity_settings import Radius
from conduit.radius import Accounting, NotAccounting, Status, answer, read_accounting
from policy.forwarding import plain
from policy.identifiers import TenantId
from policy.snapshot import Address
from store import session_acts, tenants
from store.acts import Actor
from store.address_sessions import NewSession
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord, NotFound, StoreError

# Waiting requests; an access point sends a lost one again after some seconds.
WAITING_MAX = 5_000
# Requests that come within this time are written down together: each writing changes the policy of every
# worker. Access points wait for three seconds and more.
GATHER_S = 1.0
RETRY_S = 1.0
NEWS_SHARE = 0.1
# Addresses remembered as held, some 200 bytes each.
HELD_MAX = 100_000
# A request that says it is older than this is taken for one of this age.
DELAY_MAX_S = 3600
# RFC 2865 section 3: a shorter one can be guessed from a single packet.
SECRET_BYTES_MIN = 16

PACKETS = Counter(
    "conduit_radius_packets", "RADIUS accounting requests, by what became of them.", ["outcome"]
)


@dataclass(frozen=True, slots=True)
class RadiusClient:
    """Who may tell of a tenant's users: senders in ``network`` that know ``secret``."""

    network: IPv4Network | IPv6Network
    tenant: str
    secret: bytes = field(repr=False)


def clients_of(settings: Radius) -> list[RadiusClient]:
    """The clients with their secrets; raises ``ConfigurationError`` that names the file."""
    return [
        RadiusClient(ip_network(client.network), client.tenant, _secret(client.secret_file))
        for client in settings.clients
    ]


def _secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"identity.radius: {path} cannot be read: {error.strerror}") from error
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigurationError(f"identity.radius: {path} holds less than {SECRET_BYTES_MIN} bytes")
    return secret


@dataclass(frozen=True, slots=True)
class _Told:
    """One request, and how to answer it."""

    packet: bytes
    sender: Any
    client: RadiusClient
    accounting: Accounting
    at: datetime


class RadiusListener(asyncio.DatagramProtocol):
    """``session_s`` is how long an address is held without news, where nothing shorter is told."""

    def __init__(
        self,
        store: Store,
        clients: Iterable[RadiusClient],
        *,
        session_s: float,
        gather_s: float = GATHER_S,
    ) -> None:
        self._store = store
        self._clients = tuple(clients)
        self._session = timedelta(seconds=session_s)
        self._gather_s = gather_s
        self._waiting: asyncio.Queue[_Told] = asyncio.Queue(WAITING_MAX)
        self._transport: asyncio.DatagramTransport | None = None
        self._tenants: dict[str, TenantId] = {}
        self._held: dict[tuple[str, Address], tuple[str, datetime]] = {}

    async def run(self, host: str, port: int) -> NoReturn:
        """Listen until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self._transport = transport
        try:
            while True:
                await self._write_down(await self._gather())
        finally:
            transport.close()

    def datagram_received(self, packet: bytes, sender: Any) -> None:
        """A packet has come; who is not a client, or does not know the secret, gets no answer."""
        source = plain(ip_address(sender[0]))
        client = next((client for client in self._clients if source in client.network), None)
        try:
            if client is None:
                raise NotAccounting("it is from nobody who may tell")
            accounting = read_accounting(packet, client.secret)
            at = datetime.now(UTC) - timedelta(seconds=min(accounting.delay_s, DELAY_MAX_S))
            self._waiting.put_nowait(_Told(packet, sender, client, accounting, at))
        except NotAccounting as problem:
            PACKETS.labels("refused").inc()
            logger.warning("a RADIUS packet from {} is ignored: {}", source, problem)
        except asyncio.QueueFull:
            PACKETS.labels("dropped").inc()

    async def _gather(self) -> list[_Told]:
        """What has come within a short time, in order."""
        told = [await self._waiting.get()]
        await asyncio.sleep(self._gather_s)
        while not self._waiting.empty() and len(told) < session_acts.SESSIONS_AT_ONCE_MAX // 2:
            told.append(self._waiting.get_nowait())
        return told

    async def _write_down(self, told: list[_Told]) -> None:
        by_tenant: dict[str, list[_Told]] = defaultdict(list)
        for item in told:
            by_tenant[item.client.tenant].append(item)
        for tenant, items in by_tenant.items():
            try:
                await self._of_tenant(await self._tenant_id(tenant), items)
            except StoreError as error:
                PACKETS.labels("failed").inc(len(items))
                logger.error("RADIUS sessions of {} were not written down: {}", tenant, error)
                await asyncio.sleep(RETRY_S)

    async def _of_tenant(self, tenant_id: TenantId, items: list[_Told]) -> None:
        begun = [item for item in items if item.accounting.status in (Status.START, Status.INTERIM)]
        sessions = {id(item): self._sessions(item) for item in begun}
        try:
            await self._begin(tenant_id, [session for item in begun for session in sessions[id(item)]])
        except InvalidRecord:
            for item in begun:  # the others must not suffer for the one that cannot be
                await self._begin_alone(tenant_id, item, sessions)
        for item in items:
            self._hold(item, sessions.get(id(item), []))
            if item.accounting.status is Status.STOP:
                await self._end(tenant_id, item)
            self._answer(item)

    def _sessions(self, item: _Told) -> list[NewSession]:
        seconds = item.accounting.timeout_s
        lasts = timedelta(seconds=seconds) if seconds else self._session
        lasts = min(lasts, self._session)
        return [
            NewSession(address, item.accounting.user, "radius", item.at, item.at + lasts)
            for address in item.accounting.addresses
            if item.accounting.user and not self._is_no_news(item, address, lasts)
        ]

    def _is_no_news(self, item: _Told, address: Address, lasts: timedelta) -> bool:
        """Whether an interim update says of a session only that it goes on a little longer.

        Access points send one for each device every few minutes; each writing is a new policy for every
        worker, so a session is made longer once a tenth of its time has gone by.
        """
        user, until = self._held.get((item.client.tenant, address), ("", item.at))
        gained = item.at + lasts - until
        return (
            item.accounting.status is Status.INTERIM
            and user == item.accounting.user
            and gained < lasts * NEWS_SHARE
        )

    def _hold(self, item: _Told, sessions: list[NewSession]) -> None:
        if len(self._held) > HELD_MAX:
            self._held.clear()
        for session in sessions:
            self._held[item.client.tenant, session.address] = (session.user_name, session.expires_at)

    async def _begin(self, tenant_id: TenantId, sessions: list[NewSession]) -> None:
        if sessions:
            await session_acts.begin_sessions(
                self._store, actor=_ACTOR, tenant_id=tenant_id, sessions=sessions
            )

    async def _begin_alone(
        self, tenant_id: TenantId, item: _Told, sessions: dict[int, list[NewSession]]
    ) -> None:
        try:
            await self._begin(tenant_id, sessions[id(item)])
        except InvalidRecord as problem:
            sessions[id(item)] = []
            logger.warning("a RADIUS session from {} cannot be: {}", item.sender[0], problem)

    async def _end(self, tenant_id: TenantId, item: _Told) -> None:
        for address in item.accounting.addresses:
            self._held.pop((item.client.tenant, address), None)
            try:
                await session_acts.end_sessions(
                    self._store,
                    actor=_ACTOR,
                    tenant_id=tenant_id,
                    address=address,
                    at=item.at,
                    user_name=item.accounting.user,
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

    def _answer(self, item: _Told) -> None:
        PACKETS.labels("written").inc()
        if self._transport is not None:
            self._transport.sendto(answer(item.packet, item.client.secret), item.sender)


_ACTOR = Actor("radius", "duties")
