"""Listens to RADIUS accounting and has it written down who holds which address.

An answer is sent only after the session has been written down, so that an access point asks again for what
was lost (RFC 2866 section 2).
"""

import asyncio
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
from conduit.radius import NotAccounting, Status, answer, read_accounting
from conduit.session_change import Change
from conduit.session_notes import GATHER_S, News, SessionNotes
from policy.forwarding import plain
from store.door import Store

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


_CHANGES = {
    Status.START: Change.START,
    Status.INTERIM: Change.RENEWAL,
    Status.STOP: Change.STOP,
    Status.OTHER: Change.OTHER,
}


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
        self._clients = tuple(clients)
        self._transport: asyncio.DatagramTransport | None = None
        # What is not written down is not answered, and so told again.
        self._notes = SessionNotes(
            store, source="radius", session_s=session_s, outcomes=PACKETS, again=False, gather_s=gather_s
        )

    async def run(self, host: str, port: int) -> NoReturn:
        """Listen until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self._transport = transport
        try:
            await self._notes.run()
        finally:
            transport.close()

    def datagram_received(self, packet: bytes, sender: Any) -> None:
        """A packet has come; who is not a client, or does not know the secret, gets no answer."""
        source = plain(ip_address(sender[0]))
        client = next((client for client in self._clients if source in client.network), None)
        try:
            if client is None:
                raise NotAccounting("it is from nobody who may tell")
            if not self._notes.tell(self._read(packet, sender, client)):
                PACKETS.labels("dropped").inc()
        except NotAccounting as problem:
            PACKETS.labels("refused").inc()
            logger.warning("a RADIUS packet from {} is ignored: {}", source, problem)

    def _read(self, packet: bytes, sender: Any, client: RadiusClient) -> News:
        told = read_accounting(packet, client.secret)

        def answered() -> None:
            if self._transport is not None:
                self._transport.sendto(answer(packet, client.secret), sender)

        return News(
            tenant=client.tenant,
            change=_CHANGES[told.status],
            user=told.user,
            addresses=told.addresses,
            at=datetime.now(UTC) - timedelta(seconds=min(told.delay_s, DELAY_MAX_S)),
            lasts=timedelta(seconds=told.timeout_s) if told.timeout_s else None,
            written=answered,
        )
