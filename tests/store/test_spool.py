"""The spool: recorded means recorded, whatever dies or fills up; not recorded means refused."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from policy.incident import Severity, incident
from store import spool as spool_module
from store.frames import RECORD_BYTES_MAX, START, Frame, Position, read, segments
from store.spool import Bounds, Spool, SpoolUnavailable, UnwritableRecord
from store.spool_folder import BALLAST, is_dead

KILLS = int(os.environ.get("CONDUIT_TEST_KILLS", "30"))
SMALL = Bounds(bytes_max=64 * 1024, segment_bytes=8 * 1024, ballast_bytes=8 * 1024)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, "worker-1", bounds=SMALL)
    yield spool
    spool.close()


def record(number: int, kind: str = "ended", **facts: object) -> dict[str, object]:
    return {"type": kind, "event": {"id": str(number), **facts}}


def numbers(directory: Path) -> list[int]:
    found = read(directory, START, final=True)
    return [int(item.record["event"]["id"]) for item in found if isinstance(item, Frame)]


def fill(spool: Spool, kind: str) -> int:
    """Append until refused; how many went in."""
    for number in range(1_000_000):
        try:
            spool.append(record(number, kind, note="x" * 200))
        except SpoolUnavailable:
            return number
    raise AssertionError("the spool has no bound")


def test_records_are_read_in_order_over_segments(spool: Spool) -> None:
    for number in range(300):
        spool.append(record(number, note="x" * 50))
    assert numbers(spool.directory) == list(range(300))
    assert len(segments(spool.directory)) > 2


def test_a_record_is_readable_as_soon_as_append_returns(spool: Spool) -> None:
    spool.append(record(7))
    assert [type(item) for item in read(spool.directory, START, final=False)] == [Frame]


def test_every_opening_has_its_own_directory(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "worker-1", bounds=SMALL), Spool(tmp_path, "worker-1", bounds=SMALL)
    assert first.writer != second.writer
    first.close()
    second.close()


def test_the_lock_tells_the_living_from_the_dead(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "worker-1", bounds=SMALL)
    assert not is_dead(spool.directory)
    spool.close()
    assert is_dead(spool.directory)


def test_closed_means_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "worker-1", bounds=SMALL)
    spool.close()
    spool.close()
    with pytest.raises(SpoolUnavailable):
        spool.append(record(1))


@pytest.mark.parametrize("event", [{"cost": 0.1}, {"note": "x" * RECORD_BYTES_MAX}, {"note": object()}])
def test_what_cannot_be_written_leaves_nothing(spool: Spool, event: dict[str, object]) -> None:
    with pytest.raises(UnwritableRecord):
        spool.append_event(event)
    assert numbers(spool.directory) == []


def test_at_the_bound_calls_are_refused_and_endings_still_recorded(spool: Spool) -> None:
    begun = fill(spool, "admitted")
    assert 0 < begun < 1000
    ended = fill(spool, "ended")
    assert 0 < ended < begun
    assert len(numbers(spool.directory)) == begun + ended


def test_what_other_writers_left_counts_towards_the_bound(tmp_path: Path) -> None:
    first = Spool(tmp_path, "worker-1", bounds=SMALL)
    fill(first, "admitted")
    first.close()
    second = Spool(tmp_path, "worker-2", bounds=SMALL)
    assert fill(second, "admitted") == 0
    second.close()


def make_room(spool: Spool) -> None:
    """As the shipper does; then what the background thread does every second."""
    for number in segments(spool.directory)[:-1]:
        spool_module.segment_path(spool.directory, number).unlink()
    spool._upkeep()


def test_endings_that_found_no_room_are_made_good(spool: Spool) -> None:
    written = fill(spool, "ended")
    with pytest.raises(SpoolUnavailable):
        spool.append(record(written + 1, note="x" * 200))
    assert spool.figures().unrecorded == 2
    make_room(spool)
    assert numbers(spool.directory)[-2:] == [written, written + 1]
    assert spool.figures().unrecorded == 0


def test_endings_beyond_memorys_bound_are_confessed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "OWED_BYTES_MAX", 0)
    fill(spool, "ended")
    make_room(spool)
    found = [item for item in read(spool.directory, START, final=True) if isinstance(item, Frame)]
    assert found[-1].record["event"]["action"] == "record.refused"
    assert found[-1].record["event"]["detail"]["count"] == 1


def test_a_full_disk_refuses_and_the_next_segment_goes_on(spool: Spool) -> None:
    """/dev/full takes the place of the segment: writing fails as on a full disk, and truncating as well."""
    spool.append(record(1))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, spool._descriptor)
    os.close(full)
    with pytest.raises(SpoolUnavailable):
        spool.append(record(2, "admitted"))
    spool.append(record(3, "admitted"))
    assert numbers(spool.directory) == [1, 3]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
def test_a_write_torn_by_an_error_is_taken_back(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    spool.append(record(1))
    whole = os.write

    def torn(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(spool_module.os, "write", failing(code))
        return whole(descriptor, data[:11])

    monkeypatch.setattr(spool_module.os, "write", torn)
    with pytest.raises(SpoolUnavailable):
        spool.append(record(2, "admitted"))
    monkeypatch.undo()
    spool.append(record(3, "admitted"))
    assert numbers(spool.directory) == [1, 3]


def failing(code: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_failed_sync_refuses_until_a_new_segment_is_synced(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(record(1))
    monkeypatch.setattr(spool_module.os, "fdatasync", failing(errno.EIO))
    with pytest.raises(SpoolUnavailable):
        spool.flush()
    with pytest.raises(SpoolUnavailable):
        spool.append(record(2, "admitted"))
    monkeypatch.undo()
    spool.append(record(3))
    spool.flush()
    spool.append(record(4, "admitted"))
    assert numbers(spool.directory) == [1, 3, 4]


def test_threads_do_not_mix_their_records(spool: Spool) -> None:
    threads = [
        Thread(target=lambda base=base: [spool.append(record(base + number)) for number in range(100)])
        for base in (0, 1000, 2000, 3000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = numbers(spool.directory)
    assert sorted(found) == [base + number for base in (0, 1000, 2000, 3000) for number in range(100)]
    assert [number for number in found if number < 1000] == list(range(100))


def test_figures_fall_when_the_shipper_has_been_there(spool: Spool) -> None:
    for number in range(100):
        spool.append(record(number, note="x" * 100))
    waiting = spool.figures()
    last = list(read(spool.directory, START, final=False))[-1]
    (spool.directory / "shipped").write_text(f"{last.end.segment} {last.end.offset}")
    assert waiting.pending_bytes > 10_000
    assert waiting.oldest_unshipped_s > 0
    assert (spool.figures().pending_bytes, spool.figures().oldest_unshipped_s) == (0, 0.0)
    assert spool.figures().available


def test_acknowledged_records_survive_kill_9(tmp_path: Path) -> None:
    random = Random(9)
    for round_number in range(KILLS):
        directory = tmp_path / str(round_number)
        acknowledged = _killed_while_writing(directory, after=random.randrange(1, 400))
        (writer,) = directory.iterdir()
        assert is_dead(writer)
        found = numbers(writer)
        assert found[: len(acknowledged)] == acknowledged
        assert len(found) - len(acknowledged) in (0, 1)


def _killed_while_writing(directory: Path, *, after: int) -> list[int]:
    """What a writing process had acknowledged when it was killed, some time after ``after`` records."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            spool = Spool(directory, "worker", bounds=Bounds(segment_bytes=4096, ballast_bytes=4096))
            for number in range(1_000_000):
                spool.append(record(number))
                os.write(sending, number.to_bytes(4, "big"))
        finally:
            os._exit(1)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        data = pipe.read(4 * after)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        data += pipe.read()
    return [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]


ON_A_FULL_DISK = """
import os, sys
from pathlib import Path
from store.frames import START, Frame, read
from store.spool import Bounds, Spool, SpoolUnavailable
root = Path("/tmp/small")
root.mkdir(exist_ok=True)
assert os.system(f"mount -t tmpfs -o size=512k none {root}") == 0
spool = Spool(root, "worker", bounds=Bounds(segment_bytes=32768, ballast_bytes=65536))
written = 0
def append(kind):
    global written
    spool.append({"type": kind, "event": {"id": str(written), "note": "x" * 300}})
    written += 1
def fill(kind):
    before = written
    while True:
        try:
            append(kind)
        except SpoolUnavailable:
            return written - before
begun = fill("admitted")
ended = fill("ended")
refused = not spool.figures().available
found = [item for item in read(spool.directory, START, final=True)]
sound = all(isinstance(item, Frame) for item in found) and len(found) == written
(spool.directory / "00000001.segment").unlink()
(spool.directory / "00000002.segment").unlink()
(spool.directory / "00000003.segment").unlink()
spool._upkeep()
again = fill("admitted")
print(begun > 100, ended > 100, refused, sound, again > 0, flush=True)
os._exit(0)
"""


def test_on_a_full_disk_the_reserve_records_the_refusals() -> None:
    """A real file system that is really full: calls are refused, endings go on, and it mends itself."""
    command = ["unshare", "-rm", sys.executable, "-c", ON_A_FULL_DISK]
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespaces here, so no file system can be mounted")
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert result.stdout.split() == ["True"] * 5, result.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_without_its_thread_nothing_is_admitted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_sync", lambda: 1 / 0)
    spool.append(record(1))
    spool._thread.join()
    monkeypatch.undo()
    with pytest.raises(SpoolUnavailable):
        spool.append(record(2, "admitted"))


def test_a_reserve_is_kept_back(spool: Spool) -> None:
    assert (spool.directory / BALLAST).stat().st_blocks * 512 >= SMALL.ballast_bytes


def test_an_incident_can_be_recorded(spool: Spool) -> None:
    spool.append(
        {
            "type": "ended",
            "event": incident(
                "record.torn", datetime.now(UTC), severity=Severity.WARNING, detail={"bytes": 3}
            ),
        }
    )
    assert spool.figures().pending_bytes > 0


def test_positions_sort_by_segment_first() -> None:
    assert Position(1, 900) < Position(2, 0)
