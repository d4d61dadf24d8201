"""Frames survive being cut and damaged anywhere: every sound record is found, nothing is made up."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from store.canonical import canonical
from store.frames import START, Damage, Frame, Position, decode, encode, read, segment_path

RECORDS = [{"type": "ended", "event": {"id": str(number), "note": "ÿ¬" * number}} for number in range(4)]
FRAMES = [encode(canonical(record)) for record in RECORDS]
WHOLE = b"".join(FRAMES)


def written(directory: Path, data: bytes, number: int = 1) -> Path:
    segment_path(directory, number).write_bytes(data)
    return directory


def records(directory: Path, *, final: bool, start: Position = START) -> list[object]:
    return [item.record for item in read(directory, start, final=final) if isinstance(item, Frame)]


def complete(length: int) -> int:
    """How many frames lie whole within the first ``length`` bytes."""
    return sum(sum(map(len, FRAMES[: n + 1])) <= length for n in range(len(FRAMES)))


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    assert records(written(tmp_path, WHOLE), final=False) == RECORDS


def test_cut_at_every_byte_keeps_whole_records(tmp_path: Path) -> None:
    for length in range(len(WHOLE)):
        assert records(written(tmp_path, WHOLE[:length]), final=True) == RECORDS[: complete(length)]


def test_a_cut_is_said_when_the_writer_is_dead(tmp_path: Path) -> None:
    boundaries = {sum(map(len, FRAMES[:n])) for n in range(len(FRAMES) + 1)}
    for length in range(len(WHOLE)):
        found = list(read(written(tmp_path, WHOLE[:length]), START, final=True))
        assert any(isinstance(item, Damage) for item in found) == (length not in boundaries)


def test_a_write_under_way_is_not_damage(tmp_path: Path) -> None:
    found = list(read(written(tmp_path, WHOLE[:-1]), START, final=False))
    assert [type(item) for item in found] == [Frame] * 3


def test_every_changed_byte_loses_its_own_record_only(tmp_path: Path) -> None:
    for place in range(len(WHOLE)):
        data = bytearray(WHOLE)
        data[place] ^= 0x55
        struck = complete(place)
        assert records(written(tmp_path, bytes(data)), final=True) == RECORDS[:struck] + RECORDS[struck + 1 :]


def test_a_torn_frame_before_a_newer_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, WHOLE[:-1], 1)
    written(tmp_path, FRAMES[0], 2)
    kinds = [type(item) for item in read(tmp_path, START, final=False)]
    assert kinds == [Frame, Frame, Frame, Damage, Frame]


def test_resumes_after_any_record(tmp_path: Path) -> None:
    written(tmp_path, WHOLE)
    for index, item in enumerate(read(tmp_path, START, final=False)):
        assert records(tmp_path, start=item.end, final=False) == RECORDS[index + 1 :]


@given(st.binary(max_size=300))
def test_noise_is_never_a_record(noise: bytes) -> None:
    assert all(decode(noise, offset) is None for offset in range(len(noise)))
