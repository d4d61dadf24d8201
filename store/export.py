"""An export of a tenant's record: a file that anybody can check without us, offline.

JSON lines, each in canonical form (``store.canonical``): first the events in their order, each with its
``sequence`` and ``chain`` (hexadecimal) beside its own fields; then one line that ends the file::

    {"checkpoint": "<signed note>", "key": "<public key>", "tenant_id": "…"}

The event without ``sequence`` and ``chain``, in canonical form again, is the leaf's text. An event whose text
was deleted has ``leaf`` (hexadecimal) in its place; the act that allowed it stands further on.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from store.walk import NOTHING_KNOWN, Entry, Permission, RecordBroken, Trust, Walk

PAGE_EVENTS = 4000

type Written = Callable[[dict[str, Any] | None, Entry], object]

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
    """What an export holds, how many of it without their text, by which acts, and the note that ends it."""

    events: int
    emptied: int
    permissions: tuple[Permission, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Another form of events: the line of one, given with its ``sequence``, and what stands before all."""

    encode: Callable[[dict[str, Any]], str]
    header: str = ""


async def export_record(
    store: Store,
    tenant: TenantId,
    *,
    path: Path,
    key: SigningKey,
    trust: Trust = NOTHING_KNOWN,
) -> Exported:
    """Write the record of ``tenant`` to ``path``, mode 0600, whole or not at all.

    ``store`` is the console's or the auditor's. The record is checked on the way, by ``trust`` and ``key``:
    raises ``store.walk.RecordBroken`` rather than sign what was tampered with, ``OSError``, ``StoreError``.
    """
    walk = Walk(tenant, replace(trust, keys=(key.verifier, *trust.keys)))
    with _whole(path) as file:
        await _follow(store, walk, lambda event, entry: file.write(_recorded(event, entry)))
        at = timestamp(datetime.now(UTC))
        note = key.sign(Checkpoint(tenant, walk.sequence, walk.frontier.root(), at))
        last = {"checkpoint": note, "key": str(key.verifier), "tenant_id": str(tenant)}
        await asyncio.to_thread(file.write, canonical(last) + b"\n")
    return Exported(walk.sequence, walk.emptied, covering(walk), note)


def covering(walk: Walk) -> tuple[Permission, ...]:
    """The acts by which the events were deleted whose text the record lacks."""
    return tuple(walk.permissions) if walk.emptied else ()


async def export_lines(
    store: Store,
    tenant: TenantId,
    *,
    path: Path,
    lines: Lines,
    trust: Trust = NOTHING_KNOWN,
) -> int:
    """Write every event of ``tenant`` as ``lines`` says, for systems that do not verify; how many.

    Events whose text was deleted are left out. Written
    whole or not at all, and checked on the way, as by ``export_record``; raises the same.
    """
    walk = Walk(tenant, trust)
    with _whole(path) as file:
        file.write(lines.header.encode())

        def write(event: dict[str, Any] | None, entry: Entry) -> None:
            if event is not None:
                text = lines.encode({**event, "sequence": entry.sequence})
                file.write(text.encode("utf-8", "replace"))

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


async def _follow(store: Store, walk: Walk, write: Written) -> None:
    """Check the whole record, and write each event that has been checked."""
    head = await head_of(store, walk.tenant)
    async for rows in pages(store, walk.tenant, head.sequence):
        await asyncio.to_thread(_write, walk, rows, write)
    walk.finish(head)


def _write(walk: Walk, rows: Sequence[Row[Any]], write: Written) -> None:
    for row in rows:
        entry = entry_of(row)
        write(walk.follow(entry, f"event {row.sequence}"), entry)


def entry_of(row: Row[Any]) -> Entry:
    """A row of the table as a walk takes it."""
    body = None if row.body is None else row.body.encode()
    return Entry(row.sequence, body, row.chain, row.leaf if body is None else None)


def _recorded(event: dict[str, Any] | None, entry: Entry) -> bytes:
    facts = {"leaf": (entry.leaf or b"").hex()} if event is None else event
    return canonical({**facts, "sequence": entry.sequence, "chain": entry.chain.hex()}) + b"\n"


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
