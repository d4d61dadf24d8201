"""An export of a tenant's record: a file that anybody can check without us, offline.

JSON lines, each in canonical form (``store.canonical``): first the events in their order, each with its
``sequence`` and ``chain`` (hexadecimal) beside its own fields; then one line that ends the file::

    {"checkpoint": "<signed note>", "key": "<public key>", "tenant_id": "…"}

The event without ``sequence`` and ``chain``, in canonical form again, is the leaf's text.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Row, text

from policy.event import timestamp
from policy.identifiers import TenantId
from store.canonical import canonical
from store.chain import COLUMNS, Head, origin
from store.checkpoint import Checkpoint, SigningKey
from store.claim import Purpose
from store.door import Store
from store.merkle import Frontier
from store.walk import Entry, RecordBroken, Walk

PAGE_EVENTS = 1000

# One statement sees one state: an append moves the head and adds events in one transaction.
HEAD = text(
    """
    SELECT coalesce(max(sequence), 0) AS sequence, (array_agg(chain))[1] AS chain,
        coalesce((array_agg(frontier))[1], '') AS frontier,
        EXISTS (SELECT FROM conduit.event WHERE tenant_id = :tenant AND sequence >
            (SELECT coalesce(max(sequence), 0) FROM conduit.chain_head WHERE tenant_id = :tenant)) AS beyond
    FROM conduit.chain_head WHERE tenant_id = :tenant
    """
)
PAGE = text(
    f"SELECT {', '.join(COLUMNS)} FROM conduit.event"  # noqa: S608 - names of store.chain
    " WHERE tenant_id = :tenant AND sequence > :after AND sequence <= :last ORDER BY sequence LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds, and the note that ends it."""

    events: int
    note: str


async def export_record(
    store: Store, tenant: TenantId, *, path: Path, key: SigningKey, held: Iterable[Checkpoint] = ()
) -> Exported:
    """Write the record of ``tenant`` to ``path``, mode 0600, whole or not at all.

    ``store`` is the console's or the auditor's. The record is checked on the way, also against the
    checkpoints ``held``: raises ``store.walk.RecordBroken`` rather than sign what was tampered with,
    ``OSError``, and ``StoreError``.
    """
    walk = Walk(tenant, held)
    with _whole(path) as file:
        await _follow(store, walk, lambda event, entry: file.write(_recorded(event, entry)))
        at = timestamp(datetime.now(UTC))
        note = key.sign(Checkpoint(tenant, walk.sequence, walk.frontier.root(), at))
        last = {"checkpoint": note, "key": str(key.verifier), "tenant_id": str(tenant)}
        await asyncio.to_thread(file.write, canonical(last) + b"\n")
    return Exported(walk.sequence, note)


async def export_lines(
    store: Store,
    tenant: TenantId,
    *,
    path: Path,
    encode: Callable[[dict[str, Any]], str],
    header: str = "",
    held: Iterable[Checkpoint] = (),
) -> int:
    """Write every event of ``tenant`` as ``encode`` says, for systems that do not verify; how many.

    ``encode`` is given the event with its ``sequence``. Written whole or not at all, and checked on the way,
    as by ``export_record``; raises the same.
    """
    walk = Walk(tenant, held)
    with _whole(path) as file:
        file.write(header.encode())

        def write(event: dict[str, Any], entry: Entry) -> None:
            file.write(encode({**event, "sequence": entry.sequence}).encode("utf-8", "replace"))

        await _follow(store, walk, write)
    return walk.sequence


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` once everything has been written; mode 0600."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


async def _follow(store: Store, walk: Walk, write: Callable[[dict[str, Any], Entry], object]) -> None:
    """Check the whole record, and write each event that has been checked."""
    head = await head_of(store, walk.tenant)
    async for rows in pages(store, walk.tenant, head.sequence):
        await asyncio.to_thread(_write, walk, rows, write)
    walk.finish(head)


def _write(walk: Walk, rows: Sequence[Row[Any]], write: Callable[[dict[str, Any], Entry], object]) -> None:
    for row in rows:
        entry = Entry(row.sequence, row.body.encode(), row.chain)
        write(walk.follow(entry, f"event {row.sequence}"), entry)


def _recorded(event: dict[str, Any], entry: Entry) -> bytes:
    return canonical({**event, "sequence": entry.sequence, "chain": entry.chain.hex()}) + b"\n"


async def head_of(store: Store, tenant: TenantId) -> Head:
    """Where the tenant's record ends now. Raises ``RecordBroken`` if events lie beyond its end."""
    async with store.platform(Purpose.REPORTING) as session:
        found = (await session.execute(HEAD, {"tenant": tenant})).one()
    if found.beyond:
        raise RecordBroken(f"after event {found.sequence}", "events lie beyond the end: inserted")
    try:
        frontier = Frontier.from_bytes(found.sequence, found.frontier)
    except ValueError as error:
        raise RecordBroken("the head of the record", "the edge of the tree was altered") from error
    return Head(found.sequence, found.chain or origin(tenant), frontier)


async def pages(store: Store, tenant: TenantId, last: int) -> AsyncIterator[Sequence[Row[Any]]]:
    """The events up to number ``last``, a page at a time, each in a transaction of its own.

    A claim on the database is short-lived, and a long record takes longer to read.
    """
    after = 0
    while True:
        place = {"tenant": tenant, "after": after, "last": last, "limit": PAGE_EVENTS}
        async with store.platform(Purpose.REPORTING) as session:
            rows = (await session.execute(PAGE, place)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].sequence
