"""ClientHello messages made by hand (RFC 8446, section 4.1.2), also such as no TLS library would send."""

import struct
from collections.abc import Sequence

SERVER_NAME, SIGNATURES, PROTOCOLS, VERSIONS = 0x0000, 0x000D, 0x0010, 0x002B
TLS_1_2, TLS_1_3 = 0x0303, 0x0304


def numbers(values: Sequence[int], *, width: int = 2) -> bytes:
    """16-bit numbers behind their length in bytes, which is ``width`` bytes wide."""
    return (2 * len(values)).to_bytes(width) + struct.pack(f"!{len(values)}H", *values)


def server_name(name: bytes) -> bytes:
    """The body of the extension (RFC 6066, section 3)."""
    entry = b"\x00" + len(name).to_bytes(2) + name
    return len(entry).to_bytes(2) + entry


def protocols(*names: bytes) -> bytes:
    """The body of ALPN (RFC 7301, section 3.1)."""
    listed = b"".join(bytes([len(name)]) + name for name in names)
    return len(listed).to_bytes(2) + listed


def hello(
    ciphers: Sequence[int], extensions: Sequence[tuple[int, bytes]] | None, *, version: int = TLS_1_2
) -> bytes:
    """The message without headers; ``None`` leaves the list of extensions out."""
    body = version.to_bytes(2) + bytes(32) + b"\x00" + numbers(ciphers) + b"\x01\x00"
    if extensions is None:
        return body
    listed = b"".join(kind.to_bytes(2) + len(data).to_bytes(2) + data for kind, data in extensions)
    return body + len(listed).to_bytes(2) + listed


def records(message: bytes, *, each: int = 16_384) -> bytes:
    """The message as a handshake, in records of at most ``each`` bytes (RFC 8446, section 5.1)."""
    whole = b"\x01" + len(message).to_bytes(3) + message
    parts = [whole[at : at + each] for at in range(0, len(whole), each)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)
