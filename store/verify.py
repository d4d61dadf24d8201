"""Is the record still what was written? For the live store, and for an export, offline.

Both end in ``Verified``, or raise ``store.walk.RecordBroken`` with the first broken place. What they prove
is bounded by what they are given: a record that was rewritten or cut *and* freshly signed is convicted
only by a checkpoint, or a key, held where the forger could not reach.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import Row, text

from policy.identifiers import TenantId
from store.canonical import NotCanonical, canonical
from store.chain import search_columns
from store.checkpoint import Checkpoint, CheckpointInvalid, KeyInvalid, VerifierKey, open_with_any
from store.claim import Purpose
from store.door import Store
from store.export import covering, entry_of, head_of, pages
from store.merkle import leaf_hash
from store.walk import Entry, Permission, RecordBroken, Trust, Walk

LINE_BYTES_MAX = 1024 * 1024
CHECKPOINTS = text(
    "SELECT sequence, root, note FROM conduit.checkpoint WHERE tenant_id = :tenant ORDER BY sequence"
)


@dataclass(frozen=True, slots=True)
class Verified:
    """A record that holds: how many events, agreeing with how many checkpoints.

    The first ``emptied`` of them have no text any more, as ``permissions`` allowed. ``pinned`` tells whether
    the signing key was known beforehand; without that, an export only shows that it agrees with itself.
    """

    tenant_id: TenantId
    events: int
    emptied: int
    permissions: tuple[Permission, ...]
    checkpoints: int
    pinned: bool


def verify_export(
    path: Path,
    *,
    pinned: Sequence[VerifierKey] = (),
    held: Iterable[Checkpoint] = (),
    days_min: int = 1,
) -> Verified:
    """Check an export without any network or database.

    ``pinned`` are the public keys to trust, ``held`` checkpoints from elsewhere that the record must agree
    with, ``days_min`` the shortest period after which events may have been deleted. Raises
    ``RecordBroken``, or ``OSError`` where the file cannot be read.
    """
    with path.open("rb") as file:
        last = _last_line(file)
        checkpoint, key = _ending(last, pinned)
        expected = (checkpoint, *held)
        trust = Trust(tuple(pinned or (key,)), expected, days_min)
        walk = Walk(checkpoint.tenant_id, trust, noun="line")
        file.seek(0)
        _follow_lines(file, walk, checkpoint.size)
        walk.finish()
    count = sum(item.tenant_id == checkpoint.tenant_id for item in expected)
    return _verified(walk, count, pinned=bool(pinned))


async def verify_record(
    store: Store,
    tenant: TenantId,
    *,
    trusted: Sequence[VerifierKey],
    held: Iterable[Checkpoint] = (),
    days_min: int = 1,
) -> Verified:
    """Check a tenant's record in the live store, which is the console's or the auditor's.

    Every event against its hash, its link and the columns that repeat it; the head; every checkpoint in
    the store against a ``trusted`` key; the checkpoints ``held`` elsewhere. Raises ``RecordBroken`` or
    ``StoreError``.
    """
    # In this order, because the record grows meanwhile: no checkpoint may know more than the head.
    expected = (*held, *await _stored_checkpoints(store, tenant, trusted))
    head = await head_of(store, tenant)
    walk = Walk(tenant, Trust(tuple(trusted), expected, days_min))
    async for rows in pages(store, tenant, head.sequence):
        await asyncio.to_thread(_follow_rows, walk, rows)
    walk.finish(head)
    count = sum(item.tenant_id == tenant for item in expected)
    return _verified(walk, count, pinned=bool(trusted))


def _verified(walk: Walk, checkpoints: int, *, pinned: bool) -> Verified:
    return Verified(walk.tenant, walk.sequence, walk.emptied, covering(walk), checkpoints, pinned)


def _follow_rows(walk: Walk, rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        place = f"event {row.sequence}"
        event = walk.follow(entry_of(row), place)
        _compare_columns(row, event, place)


async def _stored_checkpoints(
    store: Store, tenant: TenantId, trusted: Sequence[VerifierKey]
) -> list[Checkpoint]:
    async with store.platform(Purpose.REPORTING) as session:
        rows = (await session.execute(CHECKPOINTS, {"tenant": tenant})).all()
    return [_opened(row, tenant, trusted) for row in rows]


def _opened(row: Row[Any], tenant: TenantId, trusted: Sequence[VerifierKey]) -> Checkpoint:
    place = f"the checkpoint at event {row.sequence}"
    try:
        checkpoint = open_with_any(tuple(trusted), row.note)
    except CheckpointInvalid as error:
        raise RecordBroken(place, str(error)) from error
    if (checkpoint.tenant_id, checkpoint.size, checkpoint.root) != (tenant, row.sequence, row.root):
        raise RecordBroken(place, "its columns do not say what was signed")
    return checkpoint


def _compare_columns(row: Row[Any], event: dict[str, Any] | None, place: str) -> None:
    if event is None:
        return  # the table holds no column of what has no text
    stated = {
        "id": UUID(str(event["id"])),
        "at": datetime.fromisoformat(str(event["at"])),
        "kind": event["kind"],
        "leaf": leaf_hash(row.body.encode()),
        **search_columns(event),
    }
    for name, value in stated.items():
        if getattr(row, name) != value:
            raise RecordBroken(place, f"its column {name} does not say what the event says")


def _last_line(file: BinaryIO) -> bytes:
    """The last line, without reading the file. Raises ``RecordBroken`` if the file does not end in one."""
    size = file.seek(0, 2)
    file.seek(max(0, size - LINE_BYTES_MAX))
    tail = file.read()
    if not tail.endswith(b"\n"):
        raise RecordBroken("the end of the file", "the export is cut off within its last line")
    return tail[:-1].rpartition(b"\n")[2]


def _ending(line: bytes, pinned: Sequence[VerifierKey]) -> tuple[Checkpoint, VerifierKey]:
    place = "the last line"
    value = _object(line, place)
    if value.keys() != {"checkpoint", "key", "tenant_id"}:
        raise RecordBroken(place, "the export is cut off: it does not end in a signed checkpoint")
    try:
        key = VerifierKey.parse(str(value["key"]))
        checkpoint = key.open(str(value["checkpoint"]))
    except (KeyInvalid, CheckpointInvalid) as error:
        raise RecordBroken(place, str(error)) from error
    if value["tenant_id"] != str(checkpoint.tenant_id):
        raise RecordBroken(place, "the checkpoint was signed for another tenant's record")
    if pinned and key not in pinned:
        raise RecordBroken(place, f"signed by {key.name}, which is not among the trusted keys")
    return checkpoint, key


def _follow_lines(file: BinaryIO, walk: Walk, size: int) -> None:
    for number in range(1, size + 1):
        place = f"line {number}"
        line = file.readline(LINE_BYTES_MAX)
        value = _object(line.removesuffix(b"\n"), place)
        if value.keys() == {"checkpoint", "key", "tenant_id"}:
            raise RecordBroken(place, f"the record is cut off: the checkpoint saw {size} events")
        walk.follow(_entry(value, place), place)
    file.readline(LINE_BYTES_MAX)
    if file.read(1):
        raise RecordBroken(f"line {size + 1}", f"inserted: the checkpoint saw {size} events")


def _entry(value: dict[str, Any], place: str) -> Entry:
    sequence, chain = value.pop("sequence", None), value.pop("chain", None)
    if type(sequence) is not int or not isinstance(chain, str):
        raise RecordBroken(place, "not an event of a record")
    if value.keys() == {"leaf"}:
        return Entry(sequence, None, _link(chain, place), _link(str(value["leaf"]), place))
    return Entry(sequence, canonical(value), _link(chain, place), event=value)


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if isinstance(value, dict) and canonical(value) == line:
            return value
    except (ValueError, RecursionError, NotCanonical) as error:
        raise RecordBroken(place, "the line was altered: it is no canonical JSON") from error
    raise RecordBroken(place, "the line was altered: it is no canonical JSON")


def _link(chain: str, place: str) -> bytes:
    try:
        data = bytes.fromhex(chain)
    except ValueError as error:
        raise RecordBroken(place, "the link was altered") from error
    if data.hex() != chain:
        raise RecordBroken(place, "the link was altered")
    return data
