"""RADIUS accounting on the wire (RFC 2866): who has got, keeps, or has given back which address.

Reads requests and writes answers; it neither listens nor remembers. MD5 is what the protocol has: keep the
way between access point and gateway within a network of your own.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from policy.snapshot import Address

_REQUEST, _ANSWER = 4, 5
_HEAD = struct.Struct("!BBH16s")  # code, identifier, length, authenticator
PACKET_BYTES_MAX = 4096

_USER_NAME, _FRAMED_IPV4, _SESSION_TIMEOUT, _STATUS, _DELAY, _FRAMED_IPV6 = 1, 8, 27, 40, 41, 168
# A NAS that sets these has not chosen an address itself (RFC 2865 section 5.8).
_NO_ADDRESS = (IPv4Address("255.255.255.255"), IPv4Address("255.255.255.254"), IPv4Address("0.0.0.0"))  # noqa: S104


class NotAccounting(ValueError):
    """No accounting request of somebody who knows the secret; it is not answered."""


class Status(IntEnum):
    """What happened (RFC 2866 section 5.1). ``OTHER`` concerns no session of a user."""

    START = 1
    STOP = 2
    INTERIM = 3
    OTHER = 0


@dataclass(frozen=True, slots=True)
class Accounting:
    """One request. ``delay_s`` is for how long it has been on its way, ``timeout_s`` how long it may last."""

    status: Status
    user: str
    addresses: tuple[Address, ...]
    delay_s: int
    timeout_s: int | None


def read_accounting(packet: bytes, secret: bytes) -> Accounting:
    """Read a request that is signed with ``secret``; raises ``NotAccounting``."""
    if not _HEAD.size <= len(packet) <= PACKET_BYTES_MAX:
        raise NotAccounting("it has not the size of a request")
    code, _, length, authenticator = _HEAD.unpack_from(packet)
    if code != _REQUEST or not _HEAD.size <= length <= len(packet):
        raise NotAccounting("it is no accounting request")
    packet = packet[:length]  # what follows is padding
    expected = _digest(packet[:4] + bytes(16) + packet[_HEAD.size :] + secret)
    if not hmac.compare_digest(authenticator, expected):
        raise NotAccounting("it is not signed with the secret of its sender")
    found = dict(_attributes(packet[_HEAD.size :]))
    try:
        user = found.get(_USER_NAME, b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotAccounting("the name of its user is no text") from error
    status = _number(found, _STATUS)
    return Accounting(
        status=Status(status) if status in (1, 2, 3) else Status.OTHER,
        user=user,
        addresses=_addresses(found),
        delay_s=_number(found, _DELAY) or 0,
        timeout_s=_number(found, _SESSION_TIMEOUT),
    )


def answer(packet: bytes, secret: bytes) -> bytes:
    """What tells the sender that its request has been written down."""
    _, identifier, _, authenticator = _HEAD.unpack_from(packet)
    head = struct.pack("!BBH", _ANSWER, identifier, _HEAD.size)
    return head + _digest(head + authenticator + secret)


def _digest(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        if len(data) < 2 or not 2 <= data[1] <= len(data):
            raise NotAccounting("its attributes are cut")
        yield data[0], data[2 : data[1]]
        data = data[data[1] :]


def _number(found: dict[int, bytes], kind: int) -> int | None:
    value = found.get(kind)
    if value is None:
        return None
    if len(value) != 4:
        raise NotAccounting("a number in it is none")
    return int.from_bytes(value)


def _addresses(found: dict[int, bytes]) -> tuple[Address, ...]:
    addresses: list[Address] = []
    for kind, size, make in ((_FRAMED_IPV4, 4, IPv4Address), (_FRAMED_IPV6, 16, IPv6Address)):
        value = found.get(kind)
        if value is None:
            continue
        if len(value) != size:
            raise NotAccounting("an address in it is none")
        addresses.append(make(value))
    return tuple(address for address in addresses if address not in _NO_ADDRESS)
