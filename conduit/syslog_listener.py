"""Listens to syslog over UDP, TCP and TLS, and has it written down who holds which address.

Syslog has no answers, and over UDP and plain TCP no proof of who sends: peers are known by their network
alone. Keep the way to the gateway within a network of your own, or use TLS with certificates of clients.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from loguru import logger
from prometheus_client import Counter

from conduit.addresses import Address
from conduit.errors import ConfigurationError
from conduit.identity_settings import Syslog
from conduit.session_notes import GATHER_S, News, SessionNotes
from conduit.syslog_messages import Framing, Malformed, Pattern, read_message
from policy import snapshot
from policy.forwarding import plain
from store.door import Store

CONNECTIONS_MAX = 200
# A sender that says nothing for so long is taken for gone; it connects anew.
SILENCE_S = 3600.0
HANDSHAKE_S = 10.0
READ_BYTES = 1 << 16

MESSAGES = Counter(
    "conduit_syslog_messages", "Syslog messages about sessions, by what became of them.", ["outcome"]
)


@dataclass(frozen=True, slots=True)
class SyslogSource:
    """Who may tell of a tenant's users, and how what it says is read; of the patterns the first that fits."""

    network: IPv4Network | IPv6Network
    tenant: str
    patterns: tuple[Pattern, ...]


def sources_of(settings: Syslog) -> list[SyslogSource]:
    """The sources with their patterns compiled; the settings have been checked before."""
    return [
        SyslogSource(
            ip_network(source.network),
            source.tenant,
            tuple(Pattern(each.regex, starts=each.starts, stops=each.stops) for each in source.patterns),
        )
        for source in settings.sources
    ]


def tls_of(settings: Syslog) -> ssl.SSLContext | None:
    """TLS for the TCP listener (RFC 5425), if that is set; raises ``ConfigurationError``."""
    if settings.tls_certificate_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
        if settings.tls_client_ca_file is not None:
            context.load_verify_locations(settings.tls_client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError("identity.syslog: a certificate or key file cannot be used") from error
    return context


class SyslogListener(asyncio.DatagramProtocol):
    """``session_s`` is how long an address is held without news, where nothing shorter is told."""

    def __init__(
        self,
        store: Store,
        sources: Iterable[SyslogSource],
        *,
        session_s: float,
        tls: ssl.SSLContext | None = None,
        gather_s: float = GATHER_S,
    ) -> None:
        self._sources = tuple(sources)
        self._tls = tls
        self._open = 0
        self._warned: set[snapshot.Address] = set()
        # Nobody tells it again, so what could not be written down is tried again here.
        self._notes = SessionNotes(
            store, source="syslog", session_s=session_s, outcomes=MESSAGES, again=True, gather_s=gather_s
        )
        self.bound: list[Any] = []

    async def run(self, udp: Address | None, tcp: Address | None) -> None:
        """Listen until cancelled."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            if udp is not None:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: self, local_addr=(udp.host, udp.port)
                )
                stack.callback(transport.close)
                self.bound.append(transport.get_extra_info("sockname"))
            if tcp is not None:
                server = await asyncio.start_server(
                    self._connected,
                    tcp.host,
                    tcp.port,
                    ssl=self._tls,
                    ssl_handshake_timeout=HANDSHAKE_S if self._tls is not None else None,
                )
                stack.callback(server.close)
                self.bound.append(server.sockets[0].getsockname())
            await self._notes.run()

    def datagram_received(self, data: bytes, sender: Any) -> None:
        """A datagram is one message."""
        if (address := self._permitted(sender)) is not None:
            self._read(data, address)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            address = self._permitted(writer.get_extra_info("peername"))
            if address is None:
                return
            if self._open >= CONNECTIONS_MAX:
                MESSAGES.labels("refused").inc()
                return
            self._open += 1
            try:
                await self._listen(reader, address)
            finally:
                self._open -= 1
        finally:
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader, address: snapshot.Address) -> None:
        framing = Framing()
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    data = await reader.read(READ_BYTES)
                if not data:
                    return
                for raw in framing.feed(data):
                    self._read(raw, address)
        except Malformed as problem:
            self._malformed(address, problem)
        except (OSError, TimeoutError):
            return  # the sender is gone; it connects anew

    def _permitted(self, sender: Any) -> snapshot.Address | None:
        """The address of a peer that may tell of anybody; others are counted, and told of once."""
        address = plain(ip_address(sender[0].partition("%")[0]))
        if any(address in source.network for source in self._sources):
            return address
        MESSAGES.labels("refused").inc()
        self._warn(address, "it is from nobody who may tell")
        return None

    def _read(self, raw: bytes, address: snapshot.Address) -> None:
        try:
            message = read_message(raw, datetime.now(UTC))
            for source in self._sources:
                if address not in source.network:
                    continue
                for pattern in source.patterns:
                    told = pattern.read(message)
                    if told is None:
                        continue
                    news = News(
                        tenant=source.tenant,
                        change=told.change,
                        user=told.user,
                        addresses=(told.address,),
                        at=told.at,
                        lasts=told.lasts,
                    )
                    if not self._notes.tell(news):
                        MESSAGES.labels("dropped").inc()
                    return
            MESSAGES.labels("unmatched").inc()
        except Malformed as problem:
            self._malformed(address, problem)

    def _malformed(self, address: snapshot.Address, problem: Malformed) -> None:
        MESSAGES.labels("malformed").inc()
        self._warn(address, str(problem))

    def _warn(self, address: snapshot.Address, problem: str) -> None:
        """Once a sender; the counter has the rest."""
        if address not in self._warned and len(self._warned) < CONNECTIONS_MAX:
            self._warned.add(address)
            logger.warning("a syslog message from {} is ignored: {}", address, problem)
