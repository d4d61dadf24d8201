"""How records lie in a spool's segments: framing, checks, and reading them back.

A spool is one directory a writer, ``<spool>/<writer>/``, holding ``lock``, ``ballast``, ``shipped`` and
segments ``00000001.segment``, ``00000002.segment``, … A frame is::

    0xFF 0xAC | length: 4 bytes | CRC-32 of length and payload: 4 bytes | payload: canonical JSON

Integers are big-endian. 0xFF never occurs in UTF-8, so that a reader which has met a damaged frame finds
the next sound one without guessing.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any

MAGIC = b"\xff\xac"
HEADER = Struct(">2sII")
LENGTH = Struct(">I")
RECORD_BYTES_MAX = 256 * 1024
SUFFIX = ".segment"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between two frames: the segment's number and the offset in bytes."""

    segment: int
    offset: int


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound record, and where it starts and ends."""

    record: dict[str, Any]
    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class Damage:
    """``skipped`` bytes that hold no sound record: a write that a crash tore, or a fault of the disk."""

    start: Position
    end: Position
    skipped: int


def encode(payload: bytes) -> bytes:
    """The frame of one payload."""
    length = LENGTH.pack(len(payload))
    return MAGIC + length + LENGTH.pack(zlib.crc32(payload, zlib.crc32(length))) + payload


def decode(data: bytes, offset: int) -> tuple[dict[str, Any], int] | None:
    """The record of the frame at ``offset`` and where it ends; ``None`` if no sound frame stands there."""
    if len(data) - offset < HEADER.size:
        return None
    magic, length, checksum = HEADER.unpack_from(data, offset)
    end = offset + HEADER.size + length
    if magic != MAGIC or not 0 < length <= RECORD_BYTES_MAX or end > len(data):
        return None
    payload = data[offset + HEADER.size : end]
    if zlib.crc32(payload, zlib.crc32(LENGTH.pack(length))) != checksum:
        return None
    try:
        record = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return (record, end) if isinstance(record, dict) else None


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}{SUFFIX}"


def segments(directory: Path) -> list[int]:
    """The numbers of the segments in a writer's directory, ascending; empty if it is gone."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdecimal())


def read(directory: Path, start: Position, *, final: bool) -> Iterator[Frame | Damage]:
    """Every record after ``start``, in the order of writing.

    ``final`` says that the writer is dead. Without it an unsound end of the newest segment is a write
    under way, and reading stops before it; with it, and in every older segment, it is ``Damage``. The
    caller must have learnt of the death before the call.
    """
    # Listed before they are read: a segment with a successor was complete when the successor was made.
    numbers = segments(directory)
    for number in numbers:
        if number >= start.segment:
            offset = start.offset if number == start.segment else 0
            yield from _read_segment(directory, Position(number, offset), final or number != numbers[-1])


def _read_segment(directory: Path, start: Position, sealed: bool) -> Iterator[Frame | Damage]:
    try:
        with segment_path(directory, start.segment).open("rb") as file:
            file.seek(start.offset)
            data = file.read()
    except FileNotFoundError:
        return
    offset = 0
    while offset < len(data):
        place = Position(start.segment, start.offset + offset)
        found = decode(data, offset)
        if found is not None:
            yield Frame(found[0], place, Position(start.segment, start.offset + found[1]))
            offset = found[1]
            continue
        if not sealed:
            return
        resumed = _next_sound(data, offset + 1)
        yield Damage(place, Position(start.segment, start.offset + resumed), resumed - offset)
        offset = resumed


def _next_sound(data: bytes, offset: int) -> int:
    while (offset := data.find(MAGIC, offset)) >= 0:
        if decode(data, offset) is not None:
            return offset
        offset += 1
    return len(data)
