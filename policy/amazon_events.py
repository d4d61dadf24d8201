"""Amazon's event stream encoding, in which Bedrock streams: its messages read, and one written.

A message is a prelude (its length, that of its headers, a checksum), headers, a payload and a checksum over
all of it: https://smithy.io/2.0/aws/amazon-eventstream.html. ``ConverseStream`` has a JSON document for a
payload, ``InvokeModelWithResponseStream`` one that holds the model's own document in base64.
"""

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Iterator, Mapping

from policy.sse import EVENT_BYTES_MAX, Event

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_STRING = 7  # the header type of all that Bedrock sends
_OVERHEAD = _PRELUDE.size + _CHECKSUM.size


class _NotAMessage(ValueError):
    """Bytes that are no message; what follows them cannot be found any more."""


class AmazonEvents:
    """Cuts a stream into its messages, as ``policy.sse.Events`` does for the others."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._lost = False

    @property
    def open_bytes(self) -> int:
        """How many bytes of a message that is not whole yet have been taken."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> list[Event]:
        """The messages that ``chunk`` completes. From a broken one on, bytes are given without data."""
        if self._lost:
            return [Event(chunk, b"", None)] if chunk else []
        self._rest += chunk
        return list(self._messages())

    def finish(self) -> list[Event]:
        """What is left when the stream ends."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [Event(rest, b"", None)] if rest else []

    def _messages(self) -> Iterator[Event]:
        while len(self._rest) >= _PRELUDE.size:
            try:
                length, headers = _lengths(self._rest)
                if len(self._rest) < length:
                    return
                raw = bytes(self._rest[:length])
                event = _event(raw, headers)
            except _NotAMessage:
                self._lost = True
                yield from self.finish()
                return
            del self._rest[:length]
            yield event


def exception_message(kind: str, document: Mapping[str, object]) -> bytes:
    """A message at which Amazon's SDKs raise: ``kind`` is the exception's name in the service's model."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    block = b"".join(
        bytes((len(name),)) + name.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    payload = json.dumps(document, separators=(",", ":")).encode()
    start = struct.pack(">II", len(block) + len(payload) + _OVERHEAD, len(block))
    message = start + _CHECKSUM.pack(zlib.crc32(start)) + block + payload
    return message + _CHECKSUM.pack(zlib.crc32(message))


def _lengths(data: bytearray) -> tuple[int, int]:
    length, headers, checksum = _PRELUDE.unpack_from(data)
    if zlib.crc32(data[: _PRELUDE.size - _CHECKSUM.size]) != checksum:
        raise _NotAMessage
    if not headers + _OVERHEAD <= length <= EVENT_BYTES_MAX:
        raise _NotAMessage
    return length, headers


def _event(raw: bytes, headers: int) -> Event:
    end = len(raw) - _CHECKSUM.size
    if _CHECKSUM.unpack_from(raw, end)[0] != zlib.crc32(raw[:end]):
        raise _NotAMessage
    start = _PRELUDE.size + headers
    name = _header(raw[_PRELUDE.size : start], b":event-type")
    payload = raw[start:end]
    return Event(raw, name, _inner(payload) if name == b"chunk" else payload)


def _header(block: bytes, wanted: bytes) -> bytes:
    """A header's text; empty where it is not there. Headers of another type than text end the search."""
    position = 0
    try:
        while position < len(block):
            begins = position + 1
            ends = begins + block[position]
            kind, length = struct.unpack_from(">BH", block, ends)
            if kind != _STRING:
                return b""
            position = ends + 3 + length
            if block[begins:ends] == wanted:
                return block[ends + 3 : position]
    except (IndexError, struct.error):
        return b""
    return b""


def _inner(payload: bytes) -> bytes | None:
    """The model's own document in a chunk of ``InvokeModelWithResponseStream``."""
    try:
        return base64.b64decode(json.loads(payload)["bytes"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError):
        return None
