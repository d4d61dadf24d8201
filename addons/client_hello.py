"""A ClientHello on its way: how long it may be, and that each of its bytes is read once.

mitmproxy parses all that has come anew with each packet, up to 16 MiB. In records of one byte, a packet each,
30 kB would cost fourteen seconds of the event loop.
"""

from collections.abc import Callable
from typing import Any

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.layers import tls

from addons.watching import Commands, watcher_of

# One with post-quantum key shares has some 2 KiB.
BYTES_MAX = 32 * 1024

# How mitmproxy's message begins about a ClientHello that is none; what follows are the client's bytes.
UNREADABLE = "Cannot parse ClientHello"

_RECORD_HEADER_BYTES, _MESSAGE_HEADER_BYTES = 5, 4
_ARRIVING = "conduit_arriving"


class Arriving:
    """How far the records of a handshake message have come (RFC 8446, sections 4 and 5.1)."""

    def __init__(self) -> None:
        self._at = 0  # behind the last whole record
        self._header = b""
        self._length = 0

    def is_whole(self, came: bytearray) -> bool:
        """Whether ``came``, all from the beginning, has the whole message, or is no such thing."""
        while len(came) >= self._at + _RECORD_HEADER_BYTES:
            header = bytes(came[self._at : self._at + _RECORD_HEADER_BYTES])
            length = int.from_bytes(header[3:])
            if not starts_like_tls_record(header) or not length:
                return True
            begin = self._at + _RECORD_HEADER_BYTES
            if len(came) < begin + length:
                return False
            lacking = _MESSAGE_HEADER_BYTES - len(self._header)
            self._header += bytes(came[begin : begin + min(lacking, length)])
            self._length += length
            self._at = begin + length
            message = _MESSAGE_HEADER_BYTES + int.from_bytes(self._header[1:])
            if len(self._header) == _MESSAGE_HEADER_BYTES and self._length >= message:
                return True
        return False


def bounded(original: Callable[[tls.ClientTLSLayer, bytes], Commands]) -> Any:
    """mitmproxy's ``receive_handshake_data``, for a message that is whole; one over the bound is given up."""

    def receive_handshake_data(self: tls.ClientTLSLayer, data: bytes) -> Commands:
        if self.client_hello_parsed:
            return (yield from original(self, data))
        if len(self.recv_buffer) + len(data) > BYTES_MAX:
            return False, f"{UNREADABLE}: it is too long"
        arriving = self.__dict__.setdefault(_ARRIVING, Arriving())
        self.recv_buffer.extend(data)
        if not arriving.is_whole(self.recv_buffer):
            watcher_of(self.context.client).head_begun(self.context.client)
            return False, None
        came = bytes(self.recv_buffer)
        self.recv_buffer.clear()
        return (yield from original(self, came))

    return receive_handshake_data
