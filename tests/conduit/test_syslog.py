"""Syslog about sessions: read strictly, from who may tell alone, over every transport."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conduit import session_notes
from conduit.addresses import Address
from conduit.errors import ConfigurationError
from conduit.identity_settings import Syslog
from conduit.session_change import Change
from conduit.syslog_listener import MESSAGES, SyslogListener, SyslogSource, tls_of
from conduit.syslog_messages import MESSAGE_BYTES_MAX, Framing, Malformed, Pattern, read_message
from policy.identifiers import TenantId
from store import address_sessions, networks, tenants
from store.claim import Purpose
from store.door import Store
from store.errors import StoreError
from tests.standins.authority import Authority

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
VPN = Pattern(
    r"user (?P<user>\S+) (?P<event>(?i:on|off|idle)) ip (?P<address>\S+)( ttl (?P<ttl>\S+))?",
    starts=("on",),
    stops=("off",),
)
LEASE = Pattern(r"DHCPACK on (?P<address>\S+) to \((?P<user>[^)]+)\)", starts=("start",), stops=("stop",))
GONE = Pattern(r"(?P<event>released) (?P<address>\S+)", starts=("taken",), stops=("released",))


def outcomes() -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for metric in MESSAGES.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (b"<34>1 2026-11-24T08:59:30+00:00 vpn app - - - user ada on ip 10.0.0.7", "08:59:30"),
        (b"<34>1 2026-11-24T09:59:30.5+01:00 vpn app - - - user ada on ip 10.0.0.7", "08:59:30.500000"),
        (b"<34>1 2026-11-24T03:00:00Z vpn app - - - user ada on ip 10.0.0.7", "09:00:00"),
        (b"<34>1 2027-01-01T00:00:00Z vpn app - - - user ada on ip 10.0.0.7", "09:00:00"),
        (b"<34>1 - vpn app - - - \xef\xbb\xbfuser ada on ip 10.0.0.7", "09:00:00"),
        (b"<13>Nov 24 08:58:00 vpn openvpn[7]: user ada on ip 10.0.0.7\n", "09:00:00"),
        (b"<0>user ada ON ip 10.0.0.7", "09:00:00"),
    ],
    ids=["5424", "offset", "late", "early", "no time", "3164", "bare"],
)
def test_a_message_of_either_kind_is_read(raw: bytes, at: str) -> None:
    told = VPN.read(read_message(raw, NOW))
    assert told is not None
    assert (told.change, told.user, told.address) == (Change.RENEWAL, "ada", IPv4Address("10.0.0.7"))
    assert told.at == datetime.fromisoformat(f"2026-11-24T{at}+00:00")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"user ada on ip 10.0.0.7",
        b"<>x",
        b"<1234>x",
        b"<192>x",
        b"<13>\xff\xfe",
        b"<13>" + b"x" * MESSAGE_BYTES_MAX,
        b"<13>user ada on ip 10.0.0.777",
        b"<13>user ada on ip fe80::1%eth0",
        b"<13>user ada on ip 10.0.0.7 ttl soon",
        b"<13>user ada on ip 10.0.0.7 ttl 0",
        b"<13>user ada on ip 10.0.0.7 ttl 99999999999",
        b"<13>user a\x1b[31mda on ip 10.0.0.7",
        b"<13>user " + b"a" * 201 + b" on ip 10.0.0.7",
        b"<13>1 2026-99-99T00:00:00Z user ada on ip 10.0.0.7",
    ],
)
def test_what_is_malformed_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        VPN.read(read_message(raw, NOW))


def test_events_times_and_names_are_as_the_pattern_says() -> None:
    def told(pattern: Pattern, text: str) -> Any:
        return pattern.read(read_message(b"<13>" + text.encode(), NOW))

    assert told(VPN, "user ada off ip 10.0.0.7").change is Change.STOP
    assert told(VPN, "user ada on ip 10.0.0.7 ttl 60").lasts == timedelta(seconds=60)
    assert told(VPN, "user ada idle ip 10.0.0.7") is None
    assert told(VPN, "nothing of interest") is None
    assert told(LEASE, "DHCPACK on ::ffff:10.0.0.8 to (ada's pc)").user == "ada's pc"
    assert (told(GONE, "released 10.0.0.8").user, told(GONE, "released 10.0.0.8").change) == ("", Change.STOP)


@pytest.mark.parametrize(
    "regex",
    [
        "(",
        r"(?P<user>\S+)",
        r"(?P<address>\S+)",
        r"(?P<address>.)(?P<user>.)(?P<host>.)",
        r"(a)\1(?P<address>.)",
    ],
)
def test_a_pattern_that_cannot_be_is_refused_with_the_settings(regex: str) -> None:
    source = {"network": "10.0.0.0/8", "tenant": "acme", "patterns": [{"regex": regex}]}
    with pytest.raises(ValidationError):
        Syslog.model_validate({"sources": [source]})


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.booleans()), max_size=8), st.integers(1, 7))
def test_a_stream_is_taken_apart_wherever_it_is_cut(messages: list[tuple[bytes, bool]], step: int) -> None:
    sent = b""
    expected = []
    for body, counted in messages:
        text = b"<13>" + body.replace(b"\n", b" ")
        expected.append(text)
        sent += b"%d %s" % (len(text), text) if counted else text + b"\n"
    framing = Framing()
    found = [each for start in range(0, len(sent), step) for each in framing.feed(sent[start : start + step])]
    assert found == expected


@pytest.mark.parametrize(
    "sent", [b"0 x", b"99999 x", b"1x2 x", b"123456", b"<13>" + b"x" * (MESSAGE_BYTES_MAX + 1)]
)
def test_a_stream_that_cannot_be_taken_apart_is_refused(sent: bytes) -> None:
    with pytest.raises(Malformed):
        Framing().feed(sent)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(Malformed):
        for raw in Framing().feed(data):
            VPN.read(read_message(raw, NOW))
    with suppress(Malformed):
        VPN.read(read_message(b"<13>user " + data + b" on ip 10.0.0.7", NOW))


# The listener


class Office:
    """A tenant with a network, and the listener that hears of it."""

    def __init__(self, store: Store, tenant_id: TenantId, prefix: str, listener: SyslogListener) -> None:
        self.store, self.tenant_id, self.prefix, self.listener = store, tenant_id, prefix, listener

    async def held_by(self, number: int, user: str | None, at: datetime | None = None) -> None:
        """Wait until it is so."""
        address = IPv4Address(f"{self.prefix}.{number}")
        async with asyncio.timeout(10):
            while True:
                async with self.store.tenant(self.tenant_id) as session:
                    found = await address_sessions.holder(
                        session, address=address, at=at or datetime.now(UTC)
                    )
                if (found.user_name if found else None) == user:
                    return
                await asyncio.sleep(0.01)

    def send(self, text: str, source: str = "127.0.0.1") -> None:
        """One datagram."""
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.sendto(text.encode(), self.listener.bound[0])

    def line(self, user: str, number: int, event: str = "on", more: str = "") -> str:
        return f"<13>vpn: user {user} {event} ip {self.prefix}.{number}{more}"


def listening(store: Store, tenant: str, tls: ssl.SSLContext | None = None) -> SyslogListener:
    patterns = (VPN, LEASE, GONE)
    source = SyslogSource(ip_network("127.0.0.1/32"), tenant, patterns)
    return SyslogListener(store, [source], session_s=3600, tls=tls, gather_s=0.02)


@pytest.fixture
async def place(store: Store) -> AsyncIterator[Office]:
    name, prefix = f"tenant {uuid4()}", f"10.{uuid4().int % 250}.{uuid4().int % 250}"
    async with store.platform(Purpose.ADMINISTRATION) as session:
        tenant = await tenants.create(session, name=name, region="eu")
    async with store.tenant(tenant.tenant_id) as session:
        await networks.add(session, network=ip_network(f"{prefix}.0/24"))
    listener = listening(store, name)
    anywhere = Address("127.0.0.1:0")
    task = asyncio.create_task(listener.run(anywhere, anywhere))
    while len(listener.bound) < 2:
        await asyncio.sleep(0.01)
    yield Office(store, tenant.tenant_id, prefix, listener)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_datagrams_say_who_holds_an_address_and_the_past_is_kept(place: Office) -> None:
    place.send(place.line("ada", 7))
    await place.held_by(7, "ada")
    then = datetime.now(UTC)
    place.send(place.line("bob", 7))
    await place.held_by(7, "bob")
    place.send(place.line("ada", 7, "off"))  # late: bob has it
    place.send(place.line("carol", 8))
    await place.held_by(8, "carol")
    await place.held_by(7, "bob")
    place.send(f"<13>released {place.prefix}.7")
    await place.held_by(7, None)
    await place.held_by(7, "ada", then)


async def test_a_session_lasts_as_long_as_it_is_told(place: Office) -> None:
    place.send(place.line("ada", 7, more=" ttl 60"))
    await place.held_by(7, "ada")
    await place.held_by(7, None, datetime.now(UTC) + timedelta(seconds=90))


async def test_who_may_not_tell_and_what_cannot_be_read_is_counted(place: Office) -> None:
    before = outcomes()
    place.send(place.line("eve", 7), source="127.0.0.2")
    for text in ("no priority", place.line("ada", 999), "<13>of no interest", "<13>user x on ip 192.0.2.1"):
        place.send(text)
    place.send(place.line("ada", 8))
    await place.held_by(8, "ada")
    await place.held_by(7, None)
    counted = {name: value - before.get(name, 0) for name, value in outcomes().items()}
    assert (counted["refused"], counted["malformed"], counted["unmatched"]) == (1, 2, 1)


async def test_both_framings_come_over_one_connection(place: Office) -> None:
    _, writer = await asyncio.open_connection(*place.listener.bound[1])
    first = place.line("ada", 7).encode()
    writer.write(b"%d %s" % (len(first), first) + place.line("bob", 8).encode() + b"\n")
    await place.held_by(7, "ada")
    await place.held_by(8, "bob")
    writer.close()


async def test_a_stream_without_frames_is_closed(place: Office) -> None:
    reader, writer = await asyncio.open_connection(*place.listener.bound[1])
    writer.write(b"99999999 x")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    reader, writer = await asyncio.open_connection(*place.listener.bound[1], local_addr=("127.0.0.2", 0))
    async with asyncio.timeout(5):
        assert await reader.read() == b""  # nobody who may tell
    writer.close()


async def test_what_could_not_be_written_down_is_tried_again(
    place: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_notes, "RETRY_S", 0.02)
    real = session_notes.session_acts.begin_sessions
    failures = iter([True, True])

    async def failing(*arguments: Any, **named: Any) -> Any:
        if next(failures, False):
            raise StoreError("away")
        return await real(*arguments, **named)

    monkeypatch.setattr(session_notes.session_acts, "begin_sessions", failing)
    place.send(place.line("ada", 7))
    await place.held_by(7, "ada")


async def test_over_tls_senders_show_a_certificate(place: Office, store: Store, tmp_path: Path) -> None:
    own, senders = Authority(tmp_path / "own"), Authority(tmp_path / "senders")
    own.context("localhost")
    settings = Syslog.model_validate(
        {
            "tls_certificate_file": str(tmp_path / "own" / "localhost.pem"),
            "tls_client_ca_file": str(senders.ca_file),
        }
    )
    async with store.platform(Purpose.ADMINISTRATION) as session:
        name = (await tenants.get(session, tenant_id=place.tenant_id)).name
    listener = listening(store, name, tls_of(settings))
    task = asyncio.create_task(listener.run(None, Address("127.0.0.1:0")))
    while not listener.bound:
        await asyncio.sleep(0.01)
    trusting = ssl.create_default_context(cafile=own.ca_file)
    for certificate in (None, senders.client_file(senders.client("vpn"))):
        if certificate is not None:
            trusting.load_cert_chain(certificate)
        with suppress(OSError):
            _, writer = await asyncio.open_connection(
                *listener.bound[0], ssl=trusting, server_hostname="localhost"
            )
            user = "eve" if certificate is None else "ada"
            writer.write(place.line(user, 7 if certificate else 9).encode() + b"\n")
            await writer.drain()
            writer.close()
    await place.held_by(7, "ada")
    await place.held_by(9, None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_tls_files_that_cannot_be_used_are_named_by_their_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="syslog"):
        tls_of(Syslog.model_validate({"tls_certificate_file": str(tmp_path / "none.pem")}))
    with pytest.raises(ValidationError):
        Syslog.model_validate({"tls_key_file": "key.pem"})
    assert tls_of(Syslog()) is None
