"""The worker's side of the spool: where a record stands before anything is done that must be recorded.

``append`` returns when the record is in the kernel's page cache, so it survives the death of the process;
a background thread syncs groups of records to the disk, so that the loss of power costs at most the last
``sync_interval_s`` and the duration of one fsync. ``store.shipper`` moves the records to PostgreSQL.

Each opening of a spool gets a directory of its own, held by an advisory lock for as long as the process
lives: the kernel drops the lock with the process, and so tells the shipper that nothing more will come.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loguru import logger
from uuid_utils.compat import uuid7

from policy.incident import Severity, incident
from store.canonical import NotCanonical, writable
from store.frames import HEADER, RECORD_BYTES_MAX, START, Position, encode, segment_path
from store.spool_folder import BALLAST, claim, shipped_position, size, sync_directory

# Segments are read whole by the shipper, so this also bounds its memory for each writer.
SEGMENT_BYTES = 4 * 1024 * 1024
# About 6,000 refusals or endings of calls under way when the disk is full.
BALLAST_BYTES = 4 * 1024 * 1024
BYTES_MAX = 1024 * 1024 * 1024
SYNC_INTERVAL_S = 0.02
MEASURE_INTERVAL_S = 1.0
MARKS_MAX = 4096
# Endings kept in memory while the disk is full: about 10,000.
OWED_BYTES_MAX = 8 * 1024 * 1024


class SpoolError(Exception):
    """Never raised itself: nothing was recorded, so what was to be recorded must not happen."""


class SpoolUnavailable(SpoolError):
    """The disk is full or failing, the spool has reached its bound, or it is closed. Refuse the call."""


class UnwritableRecord(SpoolError):
    """The record has no canonical text, or is over ``RECORD_BYTES_MAX``. A fault of the caller."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a spool may grow. ``bytes_max`` bounds all writers' directories of one machine together.

    ``ballast_bytes`` are kept back on the disk, and above ``bytes_max``, for records that are not
    ``admitted``: a call under way can end, and a refusal for want of space is itself recorded.
    """

    bytes_max: int = BYTES_MAX
    segment_bytes: int = SEGMENT_BYTES
    ballast_bytes: int = BALLAST_BYTES


@dataclass(frozen=True, slots=True)
class SpoolFigures:
    """What to show of a spool: bytes and seconds that wait for the shipper.

    ``unrecorded`` counts the endings that found no room and have not been made good.
    """

    pending_bytes: int
    oldest_unshipped_s: float
    unrecorded: int
    available: bool


class Spool:
    """One process's append-only record, below ``directory``; ``writer`` names it for people, as ``worker-1``.

    Raises ``SpoolUnavailable`` if it cannot be made. Safe for use by several threads.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        *,
        bounds: Bounds = Bounds(),
        sync_interval_s: float = SYNC_INTERVAL_S,
    ) -> None:
        self._root = directory
        self._bounds = bounds
        self._interval_s = sync_interval_s
        self._mutex = threading.Lock()
        self._descriptor = -1
        self._position = START
        self._synced_segment = 0
        self._retired: list[int] = []
        self._others_bytes = 0
        self._own_bytes = 0
        self._unrecorded = 0
        self._owed: deque[bytes] = deque()
        self._owed_bytes = 0
        self._ballast_whole = False
        self._sync_failed = False
        self._closed = False
        self._broken = False
        self._marks: deque[tuple[Position, float]] = deque()
        self._wake, self._stopping = threading.Event(), threading.Event()
        try:
            self.directory, self._lock = claim(directory, f"{writer}.{uuid7().hex}")
            self._open_segment()
            self._measure()
        except OSError as error:
            raise SpoolUnavailable(f"the spool in {directory} cannot be opened: {error.strerror}") from error
        with contextlib.suppress(OSError):
            # On a full disk the worker still starts, to refuse calls with the right reason.
            self._restore_ballast()
        self._thread = threading.Thread(target=self._run, name=f"spool-{writer}", daemon=True)
        self._thread.start()

    @property
    def writer(self) -> str:
        """The unique name of this opening, the name of its directory."""
        return self.directory.name

    def append_event(self, event: Mapping[str, Any]) -> None:
        """Record an event that is complete: the end of a call, or what stands for itself. See ``append``."""
        self.append({"type": "ended", "event": event})

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record to the page cache, in tens of microseconds; it is recorded when this returns.

        ``record`` is ``{"type": "admitted" | "content" | "ended", "event": {…}}``. Only an ``ended`` may use
        the reserve, and while that is broached any other is refused. Raises ``SpoolUnavailable`` or
        ``UnwritableRecord``: then it is not recorded. But an ``ended`` is kept in memory and written when
        there is room again.
        """
        try:
            frame = encode(writable(record))
        except NotCanonical as error:
            raise UnwritableRecord(str(error)) from error
        if len(frame) - HEADER.size > RECORD_BYTES_MAX:
            raise UnwritableRecord(f"a record of {len(frame)} bytes is over the bound of {RECORD_BYTES_MAX}")
        reserve = record.get("type") == "ended"
        with self._mutex:
            try:
                self._check_room(len(frame), reserve)
                self._write(frame, reserve)
            except SpoolUnavailable:
                if reserve:
                    self._owe(frame)
                raise
        if not self._wake.is_set():
            self._wake.set()

    def figures(self) -> SpoolFigures:
        """The state for metrics and readiness; looks at the directory, so not for every call."""
        shipped = shipped_position(self.directory)
        pending = size(self.directory, shipped)
        with self._mutex:
            while self._marks and self._marks[0][0] <= shipped:
                self._marks.popleft()
            oldest = time.monotonic() - self._marks[0][1] if self._marks else 0.0
            return SpoolFigures(pending, oldest, self._unrecorded + len(self._owed), self._ready())

    def flush(self) -> None:
        """Sync everything appended so far to the disk; blocks. Raises ``SpoolUnavailable``."""
        self._sync()
        if self._sync_failed:
            raise SpoolUnavailable("the disk did not take the spool's records")

    def close(self) -> None:
        """Sync and give up the directory; the shipper finishes and removes it. Idempotent."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._sync()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        (self.directory / BALLAST).unlink(missing_ok=True)
        os.close(self._lock)

    # Under the mutex.

    def _ready(self) -> bool:
        return self._ballast_whole and not (self._sync_failed or self._broken or self._closed)

    def _check_room(self, size: int, reserve: bool) -> None:
        if self._closed:
            raise SpoolUnavailable("the spool is closed")
        bound = self._bounds.bytes_max + (self._bounds.ballast_bytes if reserve else 0)
        if self._others_bytes + self._own_bytes + size > bound:
            raise SpoolUnavailable("the spool has reached its bound; records wait for the database")
        if not reserve and not self._ready():
            raise SpoolUnavailable("the disk is full or failing; the reserve is kept for endings")

    def _owe(self, frame: bytes) -> None:
        if self._closed or self._owed_bytes + len(frame) > OWED_BYTES_MAX:
            self._unrecorded += 1
            return
        self._owed.append(frame)
        self._owed_bytes += len(frame)

    def _write(self, frame: bytes, reserve: bool) -> None:
        if self._position.offset + len(frame) > self._bounds.segment_bytes:
            self._retire_segment()
        try:
            try:
                self._write_whole(frame)
            except OSError:
                if not (reserve and self._ballast_whole):
                    raise
                self._broach_ballast()
                self._write_whole(frame)
        except OSError as error:
            raise SpoolUnavailable(f"the spool cannot be written: {error.strerror}") from error
        self._own_bytes += len(frame)
        if not self._marks or (len(self._marks) < MARKS_MAX and time.monotonic() - self._marks[-1][1] > 1):
            self._marks.append((self._position, time.monotonic()))

    def _write_whole(self, frame: bytes) -> None:
        if self._descriptor < 0:
            self._open_segment()
        try:
            # A full disk may take a part; the next write then says why.
            written = os.write(self._descriptor, frame)
            while written < len(frame):
                written += os.write(self._descriptor, frame[written:])
        except OSError:
            self._take_back()
            raise
        self._position = Position(self._position.segment, self._position.offset + len(frame))

    def _take_back(self) -> None:
        """Remove a torn frame; failing that, go on in a new segment, and the reader skips the torn frame."""
        try:
            os.ftruncate(self._descriptor, self._position.offset)
        except OSError:
            self._retire_segment()

    def _retire_segment(self) -> None:
        if self._descriptor >= 0:
            self._retired.append(self._descriptor)
        self._descriptor = -1

    def _open_segment(self) -> None:
        number = self._position.segment + 1
        path = segment_path(self.directory, number)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._position = Position(number, 0)

    def _broach_ballast(self) -> None:
        self._ballast_whole = False
        logger.error("the disk of the spool is full: new calls are refused, the reserve records what ends")
        os.truncate(self.directory / BALLAST, 0)

    # In the background thread.

    def _run(self) -> None:
        try:
            self._keep_synced()
        except BaseException:
            # Without this thread nothing reaches the disk, so nothing may be admitted any more.
            self._broken = True
            raise

    def _keep_synced(self) -> None:
        measured = time.monotonic()
        while not self._stopping.is_set():
            woken = self._wake.wait(MEASURE_INTERVAL_S)
            self._wake.clear()
            self._stopping.wait(self._interval_s)
            if woken or self._sync_failed:
                self._sync()
            if time.monotonic() - measured >= MEASURE_INTERVAL_S:
                measured = time.monotonic()
                self._upkeep()

    def _sync(self) -> None:
        with self._mutex:
            retired, self._retired = self._retired, []
            current, segment = self._descriptor, self._position.segment
        try:
            # A descriptor is closed only here, so `current` stays open even if it is retired meanwhile.
            for descriptor in (*retired, current):
                if descriptor >= 0:
                    os.fdatasync(descriptor)
            if segment != self._synced_segment:
                sync_directory(self.directory)
                self._synced_segment = segment
        except OSError as error:
            self._failed(error)
        else:
            self._sync_failed = False
        for descriptor in retired:
            os.close(descriptor)

    def _failed(self, error: OSError) -> None:
        # After a failed fsync Linux may drop the dirty pages and report success next time: what follows
        # goes to a new segment, and calls are refused until that one has been synced.
        if not self._sync_failed:
            logger.critical("the spool's records did not reach the disk: {}", error.strerror)
        with self._mutex:
            self._sync_failed = True
            self._retire_segment()

    def _upkeep(self) -> None:
        try:
            self._measure()
            if not self._ballast_whole:
                self._restore_ballast()
        except OSError as error:
            logger.debug("the spool's reserve is not restored yet: {}", error.strerror)
            return
        self._make_good()

    def _measure(self) -> None:
        """Count what lies on the disk: shipped segments vanish, and other writers share the bound."""
        others = sum(size(path) for path in self._root.iterdir() if path != self.directory and path.is_dir())
        with self._mutex:
            self._others_bytes, self._own_bytes = others, size(self.directory)

    def _restore_ballast(self) -> None:
        descriptor = os.open(self.directory / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._bounds.ballast_bytes)
        finally:
            os.close(descriptor)
        with self._mutex:
            self._ballast_whole = True

    def _make_good(self) -> None:
        """Once there is room: write the endings that found none, and how many were lost to memory's bound."""
        with self._mutex:
            if not self._ready():
                return
            while self._owed:
                frame = self._owed[0]
                try:
                    self._check_room(len(frame), reserve=True)
                    self._write(frame, reserve=True)
                except SpoolUnavailable:
                    return
                self._owed_bytes -= len(self._owed.popleft())
            count, self._unrecorded = self._unrecorded, 0
        self._wake.set()
        if count:
            self._confess(count)

    def _confess(self, count: int) -> None:
        event = incident(
            "record.refused",
            datetime.now(UTC),
            severity=Severity.ALARM,
            detail={"count": count, "writer": self.writer},
        )
        try:
            self.append_event(event)
        except SpoolUnavailable:
            with self._mutex:
                self._unrecorded += count
