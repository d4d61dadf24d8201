"""A writer's directory in the spool: who holds it, how much lies in it, how far it has been shipped.

``lock`` is held by the living writer, ``ballast`` is its reserve of space, ``shipped`` is a note of the
shipper's for the writer's figures; the segments are ``store.frames``'.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from loguru import logger

from store.frames import START, Position, segment_path, segments

LOCK = "lock"
BALLAST = "ballast"
SHIPPED = "shipped"


def claim(root: Path, name: str) -> tuple[Path, int]:
    """Make a writer's directory that appears only once it is locked, so that no reader takes it for dead."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    hidden = root / f".{name}"
    hidden.mkdir(mode=0o700)
    lock = os.open(hidden / LOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return hidden.rename(root / name), lock


def sync_directory(directory: Path) -> None:
    """Make the names of new segments durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shipped_position(directory: Path) -> Position:
    """How far the shipper says to have come; for figures only, PostgreSQL holds the truth."""
    try:
        segment, offset = (directory / SHIPPED).read_text("ascii").split()
        return Position(int(segment), int(offset))
    except (OSError, ValueError):
        return START


def size(directory: Path, start: Position = START) -> int:
    """The bytes in a writer's segments after ``start``; segments may vanish while they are counted."""
    total = 0
    for number in segments(directory):
        if number < start.segment:
            continue
        with contextlib.suppress(FileNotFoundError):
            total += segment_path(directory, number).stat().st_size
    return total - start.offset if total else 0


def waiting(root: Path) -> int:
    """The bytes of all writers' records that wait for the database, by the shipper's own notes."""
    return sum(size(each, shipped_position(each)) for each in root.glob("[!.]*") if each.is_dir())


def announce(directory: Path, position: Position) -> None:
    """Tell the writer how far its records have come, for its figures."""
    unfinished = directory / f".{SHIPPED}"
    try:
        unfinished.write_text(f"{position.segment} {position.offset}", "ascii")
        unfinished.replace(directory / SHIPPED)
    except OSError as error:
        logger.debug("the figures of spool {} are stale: {}", directory.name, error.strerror)


def is_dead(directory: Path) -> bool:
    """Whether the writer's process is gone: the kernel has dropped its lock."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
