"""RADIUS accounting: only who knows the secret is heard, and answered once it has been written down."""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conduit.errors import ConfigurationError
from conduit.identity_settings import Radius
from conduit.radius import NotAccounting, Status, answer, read_accounting
from conduit.radius_listener import RadiusClient, RadiusListener, clients_of
from policy.identifiers import TenantId
from store import address_sessions, networks, tenants
from store.claim import Purpose
from store.door import Store
from store.policy_rows import read_version

SECRET = b"a secret of the office"


def attribute(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value) + 2]) + value


def signed(attributes: bytes, *, secret: bytes = SECRET, code: int = 4, identifier: int = 7) -> bytes:
    """A request, written by RFC 2866 section 3 and not by what is tested."""
    head = struct.pack("!BBH", code, identifier, 20 + len(attributes))
    return head + hashlib.md5(head + bytes(16) + attributes + secret).digest() + attributes


def a_request(
    status: int = 1, user: str = "ada", address: str = "10.9.0.7", extra: bytes = b"", **signing
) -> bytes:
    place = ip_address(address)
    attributes = attribute(40, status.to_bytes(4)) + attribute(1, user.encode())
    attributes += attribute(8 if place.version == 4 else 168, place.packed)
    return signed(attributes + extra, **signing)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4))


def test_a_request_says_who_has_which_address():
    both = attribute(168, ip_address("fd00::7").packed) + number(41, 3) + number(27, 600)
    found = read_accounting(a_request(extra=both), SECRET)
    assert (found.status, found.user, found.delay_s, found.timeout_s) == (Status.START, "ada", 3, 600)
    assert [str(address) for address in found.addresses] == ["10.9.0.7", "fd00::7"]


def test_an_answer_is_signed_for_its_request():
    request = a_request(identifier=200)
    reply = answer(request, SECRET)
    assert reply[:4] == bytes([5, 200, 0, 20])
    assert reply[4:] == hashlib.md5(reply[:4] + request[4:20] + SECRET).digest()


def test_a_packet_of_another_secret_is_not_heard():
    with pytest.raises(NotAccounting, match="secret"):
        read_accounting(a_request(secret=b"another secret altogether"), SECRET)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        a_request()[:19],
        a_request()[:-1],
        a_request(code=1),
        signed(b"\x01"),
        signed(b"\x01\x00"),
        signed(b"\x01\x01"),
        signed(b"\x01\x09abc"),
        signed(attribute(40, b"\x01")),
        signed(attribute(8, b"\x01")),
        signed(attribute(1, b"\xff\xfe")),
        signed(b"".join(attribute(26, bytes(250)) for _ in range(20))),
    ],
)
def test_a_packet_that_is_none_is_not_heard(packet):
    with pytest.raises(NotAccounting):
        read_accounting(packet, SECRET)


def test_padding_is_not_read_and_no_address_is_none():
    assert read_accounting(a_request() + b"\x00" * 8, SECRET).user == "ada"
    assert read_accounting(a_request(address="255.255.255.254"), SECRET).addresses == ()
    assert read_accounting(a_request(status=7), SECRET).status is Status.OTHER


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_packet_that_was_altered_anywhere_is_not_heard(position: int, change: int):
    packet = bytearray(a_request())
    packet[position % len(packet)] ^= change
    with pytest.raises(NotAccounting):
        read_accounting(bytes(packet), SECRET)


@given(st.binary(max_size=200))
def test_any_packet_is_read_or_refused(data: bytes):
    with pytest.raises(NotAccounting):
        read_accounting(data, SECRET)
    with suppress(NotAccounting):
        read_accounting(signed(data), SECRET)


# The listener


class Point(asyncio.DatagramProtocol):
    """An access point on a real socket."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, _: object) -> None:
        self.answers.put_nowait(data)

    async def tell(self, *packets: bytes) -> None:
        """Send, and wait for as many answers."""
        for packet in packets:
            self.transport.sendto(packet)
        async with asyncio.timeout(10):
            for _ in packets:
                await self.answers.get()


class Office:
    def __init__(self, store: Store, tenant_id: TenantId, point: Point, prefix: str) -> None:
        self.store, self.tenant_id, self.point, self.prefix = store, tenant_id, point, prefix

    async def holder(self, number: int, at: datetime | None = None) -> str | None:
        address = IPv4Address(f"{self.prefix}.{number}")
        async with self.store.tenant(self.tenant_id) as session:
            found = await address_sessions.holder(session, address=address, at=at or datetime.now(UTC))
        return found.user_name if found else None


@pytest.fixture
async def place(store: Store) -> AsyncIterator[Office]:
    name, prefix = f"tenant {uuid4()}", f"10.{uuid4().int % 250}.{uuid4().int % 250}"
    async with store.platform(Purpose.ADMINISTRATION) as session:
        tenant = await tenants.create(session, name=name, region="eu")
    async with store.tenant(tenant.tenant_id) as session:
        await networks.add(session, network=ip_network(f"{prefix}.0/24"))
    client = RadiusClient(ip_network("127.0.0.1/32"), name, SECRET)
    listener = RadiusListener(store, [client], session_s=3600, gather_s=0.02)
    task = asyncio.create_task(listener.run("127.0.0.1", 0))
    while listener._transport is None:
        await asyncio.sleep(0.01)
    address = listener._transport.get_extra_info("sockname")
    loop = asyncio.get_running_loop()
    transport, point = await loop.create_datagram_endpoint(Point, remote_addr=address)
    yield Office(store, tenant.tenant_id, point, prefix)
    transport.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_answered_has_been_written_down(place: Office):
    await place.point.tell(a_request(address=f"{place.prefix}.7"))
    assert await place.holder(7) == "ada"
    assert await place.holder(8) is None


async def test_an_address_passes_from_one_to_the_next(place: Office):
    address = f"{place.prefix}.7"
    await place.point.tell(a_request(address=address))
    await place.point.tell(a_request(user="bob", address=address))
    await place.point.tell(a_request(status=2, address=address))  # ada's stop, late
    assert await place.holder(7) == "bob"
    await place.point.tell(a_request(status=2, user="bob", address=address))
    assert await place.holder(7) is None


async def test_a_session_lasts_as_long_as_it_is_told_and_no_longer_than_is_allowed(place: Office):
    await place.point.tell(
        a_request(address=f"{place.prefix}.7", extra=number(27, 60)),
        a_request(address=f"{place.prefix}.8", extra=number(27, 10**9)),
        a_request(status=3, address=f"{place.prefix}.9"),
    )
    later = datetime.now(UTC) + timedelta(seconds=120)
    assert [await place.holder(number, later) for number in (7, 8, 9)] == [None, "ada", "ada"]
    assert await place.holder(8, later + timedelta(hours=1)) is None


async def test_interim_updates_change_the_policy_seldom(place: Office):
    async with place.store.platform(Purpose.SNAPSHOT) as session:
        before = await read_version(session)
    address = f"{place.prefix}.7"
    await place.point.tell(a_request(address=address))
    for _ in range(3):
        await place.point.tell(a_request(status=3, address=address))
    await place.point.tell(a_request(status=2, address=address))
    assert await place.holder(7) is None
    await place.point.tell(a_request(status=3, address=address))
    assert await place.holder(7) == "ada"
    async with place.store.platform(Purpose.SNAPSHOT) as session:
        assert await read_version(session) == before + 3


async def test_one_that_cannot_be_does_not_hold_up_the_others(place: Office):
    await place.point.tell(
        a_request(address="192.0.2.1"),
        a_request(user="", address=f"{place.prefix}.6"),
        a_request(user="bob", address=f"{place.prefix}.7"),
        a_request(status=7),
        a_request(status=2, address=f"{place.prefix}.200"),
    )
    assert await place.holder(7) == "bob"


async def test_who_does_not_know_the_secret_is_not_answered(place: Office):
    place.point.transport.sendto(a_request(address=f"{place.prefix}.7", secret=b"another secret altogether"))
    await place.point.tell(a_request(user="bob", address=f"{place.prefix}.8"))
    assert place.point.answers.empty()
    assert await place.holder(7) is None


def test_a_secret_is_read_from_its_file(tmp_path: Path):
    path = tmp_path / "secret"
    settings = Radius.model_validate(
        {"clients": [{"network": "10.0.0.0/8", "tenant": "acme", "secret_file": str(path)}]}
    )
    for content in (None, b"short"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="secret"):
            clients_of(settings)
    path.write_bytes(SECRET + b"\n")
    (client,) = clients_of(settings)
    assert client.secret == SECRET
    assert "office" not in repr(client)
