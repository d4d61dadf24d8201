"""What the first messages of a WebSocket give away, from a copy of the first bytes of each side.

The frames are read apart from their relaying (RFC 6455 section 5.2), packed ones too (RFC 7692). What cannot
be read is no evidence.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from policy.evidence import AnswerEvidence, RequestEvidence, Verdict, score_session

MESSAGES_MAX = 8
UNPACKED_BYTES_MAX = 128 * 1024
_SWITCHED = 101


@dataclass(frozen=True, slots=True)
class _Frame:
    """``payload`` is without its mask, and may be the first part of one that is cut off."""

    final: bool
    packed: bool
    opcode: int
    payload: bytes


def judge(opened: RequestEvidence, said: bytes, heard: bytes) -> Verdict:
    """Judge a session by its handshake and the first bytes of each side's frames. Never raises.

    The server's first messages count as its answer to each of the client's; the highest score holds.
    """
    lines = b"".join(line for each in first_messages(heard) if (line := _line(each)))
    answer = AnswerEvidence(_SWITCHED, {"content-type": "application/x-ndjson"}, lines)
    questions = [opened, *(replace(opened, body=message) for message in first_messages(said))]
    return score_session(questions, answer)


def first_messages(copy: bytes) -> list[bytes]:
    """The first messages in what one side sent, the last one maybe cut off."""
    found: list[bytes] = []
    unpacking, left = zlib.decompressobj(-zlib.MAX_WBITS), UNPACKED_BYTES_MAX
    for packed, content in _messages(copy):
        if packed:
            try:
                content = unpacking.decompress(content + b"\0\0\xff\xff", left)
            except zlib.error:
                return found
            left -= len(content)
        found.append(content)
        if len(found) == MESSAGES_MAX or left <= 0:
            break
    return found


def _messages(copy: bytes) -> Iterator[tuple[bool, bytes]]:
    """Each message, and whether it is packed."""
    parts: list[bytes] = []
    packed = False
    for frame in _frames(copy):
        if frame.opcode & 8:
            continue  # ping, pong, close
        packed = packed if parts else frame.packed
        parts.append(frame.payload)
        if frame.final:
            yield packed, b"".join(parts)
            parts = []
    if parts:
        yield packed, b"".join(parts)


def _frames(copy: bytes) -> Iterator[_Frame]:
    at = 0
    while at + 2 <= len(copy):
        first, second = copy[at], copy[at + 1]
        size, extended = second & 127, {126: 2, 127: 8}.get(second & 127, 0)
        at += 2
        if extended:
            size = int.from_bytes(copy[at : at + extended])
            at += extended
        key = copy[at : at + 4] if second & 128 else b""
        at += len(key)
        payload = copy[at : at + size]
        at += size
        yield _Frame(bool(first & 128), bool(first & 64), first & 15, _unmasked(payload, key))


def _unmasked(payload: bytes, key: bytes) -> bytes:
    if len(key) < 4:
        return payload
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(len(payload))


def _line(message: bytes) -> bytes:
    """A message of JSON in one line; nothing of another."""
    try:
        return json.dumps(json.loads(message)).encode() + b"\n"
    except (ValueError, RecursionError):
        return b""
