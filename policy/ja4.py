"""JA4, the fingerprint of a TLS client's software, from the ClientHello that it opens a connection with.

After FoxIO's published specification (github.com/FoxIO-LLC/ja4, technical_details/JA4.md, 2026-06), which is
under the BSD 3-Clause licence and free to implement; the other methods of the JA4+ family are neither.
"""

import hashlib
import struct
from dataclasses import dataclass

SERVER_NAME = 0x0000
SIGNATURE_ALGORITHMS = 0x000D
APPLICATION_PROTOCOLS = 0x0010
SUPPORTED_VERSIONS = 0x002B

_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_NOTHING = "000000000000"
_COUNT_MAX = 99
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Hello:
    """What a ClientHello (RFC 8446, section 4.1.2) says of its sender; GREASE (RFC 8701) is taken out.

    The lists are in the order of the message. ``greases`` tells whether there was any among cipher suites or
    extensions. ``version`` is the highest that is offered, ``first_protocol`` the first by ALPN.
    """

    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    signatures: tuple[int, ...]
    first_protocol: bytes
    greases: bool


def read_hello(message: bytes) -> Hello | None:
    """Read a ClientHello without record and handshake headers; ``None`` if it is none. Never raises."""
    try:
        return _read(message)
    except (struct.error, IndexError):
        return None


def ja4(hello: Hello) -> str:
    """The fingerprint of a client over TCP, such as ``t13d1516h2_8daaf6152771_e5627efa2ab1``."""
    named = "d" if SERVER_NAME in hello.extensions else "i"
    counts = f"{min(len(hello.ciphers), _COUNT_MAX):02}{min(len(hello.extensions), _COUNT_MAX):02}"
    version = _VERSIONS.get(hello.version, "00")
    first = f"t{version}{named}{counts}{_ends_of(hello.first_protocol)}"
    kinds = sorted(kind for kind in hello.extensions if kind not in (SERVER_NAME, APPLICATION_PROTOCOLS))
    signatures = f"_{_listed(hello.signatures)}" if kinds and hello.signatures else ""
    return f"{first}_{_digest(_listed(sorted(hello.ciphers)))}_{_digest(_listed(kinds) + signatures)}"


def _read(message: bytes) -> Hello:
    (legacy,) = struct.unpack_from("!H", message)
    at = 2 + _RANDOM_BYTES
    at += 1 + message[at]  # session id
    ciphers = _numbers(message, at)
    at += 2 + 2 * len(ciphers)
    at += 1 + message[at]  # compression methods
    kinds, bodies = _extensions(message, at)
    versions = _without_grease(_numbers(bodies.get(SUPPORTED_VERSIONS, b""), 0, width=1))
    signatures = _numbers(bodies.get(SIGNATURE_ALGORITHMS, b""), 0)
    said, sent = _without_grease(ciphers), _without_grease(kinds)
    return Hello(
        version=max(versions, default=legacy),
        ciphers=said,
        extensions=sent,
        signatures=_without_grease(signatures),
        first_protocol=_first_protocol(bodies.get(APPLICATION_PROTOCOLS, b"")),
        greases=len(said) < len(ciphers) or len(sent) < len(kinds),
    )


def _numbers(data: bytes, at: int, *, width: int = 2) -> tuple[int, ...]:
    """16-bit numbers behind their length in bytes, which is ``width`` bytes wide; empty for no data."""
    if not data:
        return ()
    length = int.from_bytes(data[at : at + width])
    return struct.unpack_from(f"!{length // 2}H", data, at + width)


def _extensions(message: bytes, at: int) -> tuple[tuple[int, ...], dict[int, bytes]]:
    """The numbers of all extensions, and the first body of each number; a client may send none at all."""
    if at == len(message):
        return (), {}
    end = at + 2 + struct.unpack_from("!H", message, at)[0]
    at += 2
    kinds: list[int] = []
    bodies: dict[int, bytes] = {}
    while at < end:
        kind, length = struct.unpack_from("!HH", message, at)
        kinds.append(kind)
        bodies.setdefault(kind, message[at + 4 : at + 4 + length])
        at += 4 + length
    return tuple(kinds), bodies


def _first_protocol(body: bytes) -> bytes:
    """ALPN (RFC 7301, section 3.1): a length, then names behind a length of one byte each."""
    return body[3 : 3 + body[2]] if len(body) > 2 else b""


def _without_grease(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number not in _GREASE)


_GREASE = frozenset(0x0A0A + 0x1010 * step for step in range(16))


def _ends_of(protocol: bytes) -> str:
    """Its first and last character; of their hexadecimal form, where either is no ASCII letter or digit."""
    if not protocol:
        return "00"
    ends = bytes((protocol[0], protocol[-1]))
    if ends.isalnum():  # of bytes: ASCII alone
        return ends.decode("ascii")
    return f"{protocol[:1].hex()[0]}{protocol[-1:].hex()[1]}"


def _listed(numbers: list[int] | tuple[int, ...]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
