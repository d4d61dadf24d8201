"""Moves records from the spools of all writers to PostgreSQL: exactly once, in order for each writer.

One transaction carries a batch's events, the rows that follow from them, and how far each spool has been
read, so a crash at any moment repeats or skips nothing; an event's id guards it a second time. A spool's
segment is removed when all of it has been shipped and no call that it opened is still under way.
"""

import asyncio
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.exchange import Outcome
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from store import content
from store.canonical import NotCanonical, canonical
from store.chain import EventInvalid, append, tenant_of
from store.claim import Purpose
from store.derived import TOKEN_KINDS, record_derived
from store.door import Store
from store.errors import InvalidRecord, MissingReference, StoreError
from store.frames import START, Damage, Frame, Position, read, segment_path, segments
from store.spool_folder import announce, is_dead, size

BATCH_EVENTS = 500
# Each has up to 180 KB, so this bounds the memory that a batch takes.
CONTENTS_MAX = 50
# A record waits at most so long for others to share its transaction; each costs a millisecond by itself.
POLL_INTERVAL_S = 0.2
BACKOFF_MAX_S = 5.0
LAST_ROUNDS = 100
# What one event can bring about by its content; anything else is the database's state, and is waited out.
UNSHIPPABLE = (EventInvalid, NotCanonical, MissingReference, InvalidRecord)

LOAD_POSITIONS = text("SELECT writer, segment, byte_offset FROM conduit.spool_position")
SAVE_POSITION = text(
    "INSERT INTO conduit.spool_position (writer, segment, byte_offset) VALUES (:writer, :segment, :offset)"
    " ON CONFLICT (writer) DO UPDATE SET segment = excluded.segment, byte_offset = excluded.byte_offset,"
    " updated_at = now()"
)
DROP_POSITION = text("DELETE FROM conduit.spool_position WHERE writer = :writer")
KNOWN_IDS = text(
    "SELECT id FROM conduit.event WHERE (tenant_id, id) IN"
    " (SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])))"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A call that was admitted and has not ended: where its record lies, and the event so far."""

    at: Position
    event: dict[str, Any]


@dataclass(slots=True)
class Reading:
    """What one look into a writer's spool found; takes effect only when its events are in the database."""

    position: Position
    events: list[dict[str, Any]] = field(default_factory=list)
    contents: list[dict[str, Any]] = field(default_factory=list)
    opened: dict[str, Opened] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    finished: bool = False


@dataclass(frozen=True, slots=True)
class ShipperFigures:
    """For monitoring: bytes that wait, for how many seconds some have waited, events shipped so far."""

    pending_bytes: int
    waiting_s: float
    shipped_events: int


class Writer:
    """One writer's spool as the shipper knows it."""

    def __init__(self, directory: Path, position: Position) -> None:
        self.directory = directory
        self.position = position
        self.opened: dict[str, Opened] = {}

    @property
    def name(self) -> str:
        return self.directory.name

    def reopen(self) -> None:
        """Find again the calls under way, from the records before ``position``."""
        for item in read(self.directory, START, final=False):
            if item.start >= self.position:
                break
            if isinstance(item, Frame):
                self._note(item, self.opened, set())

    def look(self, events_max: int) -> Reading:
        """Read on from ``position``; blocks on the disk. Changes nothing until ``settle``."""
        dead = is_dead(self.directory)
        reading = Reading(self.position)
        for item in read(self.directory, self.position, final=dead):
            reading.position = item.end
            if isinstance(item, Damage):
                reading.events.append(self._damaged(item))
            else:
                self._take(item, reading)
            if len(reading.events) >= events_max or len(reading.contents) >= CONTENTS_MAX:
                return reading
        if dead:
            reading.finished = True
            reading.events += [_lost(call.event) for call in self._still_open(reading)]
        return reading

    def settle(self, reading: Reading) -> None:
        """The reading is in the database: go on from there, and remove what is no longer needed."""
        for identity in reading.ended:
            self.opened.pop(identity, None)
        self.opened.update(reading.opened)
        self.position = reading.position
        if reading.finished:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        needed = {call.at.segment for call in self.opened.values()}
        for number in segments(self.directory):
            if number < self.position.segment and number not in needed:
                segment_path(self.directory, number).unlink(missing_ok=True)
        announce(self.directory, self.position)

    def _take(self, frame: Frame, reading: Reading) -> None:
        if frame.record.get("type") == "content":
            reading.contents.append(frame.record)
            return
        try:
            ended = self._note(frame, reading.opened, reading.ended)
        except (KeyError, TypeError):
            reading.events.append(self._unreadable(frame))
            return
        if ended is not None:
            reading.events.append(ended)

    def _note(self, frame: Frame, opened: dict[str, Opened], ended: set[str]) -> dict[str, Any] | None:
        """The whole event, if this record ends one. Raises ``KeyError`` or ``TypeError`` for any other."""
        event = frame.record["event"]
        identity = event["id"]
        if frame.record["type"] == "content":
            return None
        if frame.record["type"] == "admitted":
            opened[identity] = Opened(frame.start, event)
            return None
        begun = opened.pop(identity, None) or self.opened.get(identity)
        ended.add(identity)
        return {**begun.event, **event} if begun else event

    def _still_open(self, reading: Reading) -> Iterable[Opened]:
        earlier = (call for identity, call in self.opened.items() if identity not in reading.ended)
        return (*earlier, *reading.opened.values())

    def _damaged(self, damage: Damage) -> dict[str, Any]:
        logger.error(
            "spool {}: {} bytes at {} hold no sound record; a crash tore the last write, or the disk failed",
            self.name,
            damage.skipped,
            damage.start,
        )
        return self._incident("record.torn", damage.start, {"bytes": damage.skipped})

    def _unreadable(self, frame: Frame) -> dict[str, Any]:
        return self._incident("record.unreadable", frame.start, {"record": canonical(frame.record).decode()})

    def _incident(self, action: str, place: Position, detail: Mapping[str, int | str]) -> dict[str, Any]:
        where = f"{self.name}/{place.segment}/{place.offset}"
        return incident(
            action,
            datetime.now(UTC),
            severity=Severity.WARNING,
            once=where,
            detail={"place": where, **detail},
        )


class Shipper:
    """Ships everything below ``directory``. ``ship_once`` is one round; ``run`` repeats it."""

    def __init__(self, store: Store, directory: Path, *, batch_events: int = BATCH_EVENTS) -> None:
        self._store = store
        self._directory = directory
        self._batch_events = batch_events
        self._writers: dict[str, Writer] = {}
        self._failing = False
        self._shipped_events = 0
        self._emptied_at = time.monotonic()

    async def run(self, stopping: asyncio.Event) -> None:
        """Ship until ``stopping`` is set, waiting out a database that is away; then ship what is left."""
        backoff_s = POLL_INTERVAL_S
        while not stopping.is_set():
            try:
                shipped = await self.ship_once()
            except (StoreError, OSError) as error:
                self._failed(error)
                await wait(stopping, backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
                continue
            self._recovered()
            backoff_s = POLL_INTERVAL_S
            if shipped < self._batch_events:
                await wait(stopping, POLL_INTERVAL_S)
        try:
            # Bounded, because a writer may still be at it.
            for _ in range(LAST_ROUNDS):
                if not await self.ship_once():
                    return
        except (StoreError, OSError) as error:
            self._failed(error)

    @property
    def shipped_events(self) -> int:
        """How many events it has written so far."""
        return self._shipped_events

    def figures(self) -> ShipperFigures:
        """Looks at the directories, so call it in a thread, and not often."""
        pending = sum(size(writer.directory, writer.position) for writer in list(self._writers.values()))
        waiting_s = time.monotonic() - self._emptied_at if pending else 0.0
        return ShipperFigures(pending, waiting_s, self._shipped_events)

    async def ship_once(self) -> int:
        """Ship at most one batch of each writer; how many records moved on. Raises ``StoreError``.

        After an error nothing has moved, and the next call tries the same again.
        """
        await self._meet_writers()
        readings = {
            name: await asyncio.to_thread(writer.look, self._batch_events)
            for name, writer in self._writers.items()
        }
        moved = {
            name: reading
            for name, reading in readings.items()
            if reading.finished or reading.position != self._writers[name].position
        }
        if not moved:
            self._emptied_at = time.monotonic()
            return 0
        # A reading that only opened calls needs no transaction: read again, it opens them again.
        settled = {
            name: item for name, item in moved.items() if item.events or item.contents or item.finished
        }
        try:
            await self._commit(settled)
        except UNSHIPPABLE:
            await self._commit_one_by_one(settled)
        self._shipped_events += sum(len(reading.events) for reading in moved.values())
        for name, reading in moved.items():
            await asyncio.to_thread(self._writers[name].settle, reading)
            if reading.finished:
                del self._writers[name]
        return sum(len(reading.events) + len(reading.opened) for reading in moved.values()) or 1

    async def _meet_writers(self) -> None:
        """Take up writers that have appeared, at the place where an earlier shipper left them."""
        names = {path.name for path in self._directory.glob("[!.]*") if path.is_dir()}
        for name in self._writers.keys() - names:
            del self._writers[name]
        fresh = names - self._writers.keys()
        if not fresh:
            return
        async with self._store.platform(Purpose.SHIPPING) as session:
            known = {row.writer: row for row in await session.execute(LOAD_POSITIONS)}
            for name in sorted(fresh):
                row = known.get(name)
                position = Position(row.segment, row.byte_offset) if row else START
                writer = Writer(self._directory / name, position)
                await asyncio.to_thread(writer.reopen)
                await _forget_shipped(session, writer)
                self._writers[name] = writer

    async def _commit(self, readings: Mapping[str, Reading]) -> None:
        if not readings:
            return
        async with self._store.platform(Purpose.SHIPPING) as session:
            await _keep(session, [item for reading in readings.values() for item in reading.contents])
            await _record(session, [event for reading in readings.values() for event in reading.events])
            await _save_positions(session, readings)

    async def _commit_one_by_one(self, readings: Mapping[str, Reading]) -> None:
        """Some event cannot be recorded as it is. Find it, and record it whole in the platform's chain."""
        for reading in readings.values():
            for item in reading.contents:
                await self._keep_or_tell(item)
            for event in reading.events:
                try:
                    async with self._store.platform(Purpose.SHIPPING) as session:
                        await _record(session, [event])
                except UNSHIPPABLE as error:
                    await self._quarantine(event, error)
        async with self._store.platform(Purpose.SHIPPING) as session:
            await _save_positions(session, readings)

    async def _keep_or_tell(self, item: Mapping[str, Any]) -> None:
        """Sealed content of a tenant that is gone, say, is nobody's to keep."""
        try:
            async with self._store.platform(Purpose.SHIPPING) as session:
                await _keep(session, [item])
        except UNSHIPPABLE as error:
            logger.error("the content of a call cannot be kept: {}", type(error).__name__)

    async def _quarantine(self, event: Mapping[str, Any], error: Exception) -> None:
        body = canonical(event).decode()
        logger.error("an event cannot be recorded ({}); kept as an incident", type(error).__name__)
        kept = incident(
            "record.unshippable",
            datetime.now(UTC),
            severity=Severity.WARNING,
            once=body,
            detail={"error": type(error).__name__, "record": body},
        )
        async with self._store.platform(Purpose.SHIPPING) as session:
            await append(session, [kept])

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            logger.warning("records wait in the spool, the database does not take them: {}", error)
        self._failing = True

    def _recovered(self) -> None:
        if self._failing:
            logger.info("records are being shipped again")
        self._failing = False


async def _keep(session: AsyncSession, items: Sequence[Mapping[str, Any]]) -> None:
    if not all(isinstance(item.get("event"), dict) for item in items):
        raise InvalidRecord("not a record of kept content")
    for tenant, records in _by_tenant([item["event"] for item in items]):
        await content.keep(session, tenant, records)


async def _record(session: AsyncSession, events: Sequence[dict[str, Any]]) -> None:
    for tenant, own in _by_tenant(events):
        appended = set(await append(session, own))
        fresh = {event["id"]: event for event in own if UUID(event["id"]) in appended}
        await append(session, await record_derived(session, tenant, list(fresh.values())))


def _by_tenant(events: Sequence[dict[str, Any]]) -> list[tuple[TenantId, list[dict[str, Any]]]]:
    """In one order everywhere, so that two shippers cannot wait for each other's chains."""
    found: defaultdict[TenantId, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        found[tenant_of(event)].append(event)
    return [(tenant, found[tenant]) for tenant in sorted(found)]


async def _save_positions(session: AsyncSession, readings: Mapping[str, Reading]) -> None:
    for name, reading in readings.items():
        if reading.finished:
            await session.execute(DROP_POSITION, {"writer": name})
            continue
        place = {"segment": reading.position.segment, "offset": reading.position.offset}
        await session.execute(SAVE_POSITION, {"writer": name, **place})


async def _forget_shipped(session: AsyncSession, writer: Writer) -> None:
    """Calls whose end was in a segment that is removed already look open; the database knows better."""
    pairs = [pair for call in writer.opened.values() if (pair := _key(call.event)) is not None]
    if pairs:
        tenants, identities = zip(*pairs, strict=True)
        found = await session.scalars(KNOWN_IDS, {"tenants": list(tenants), "ids": list(identities)})
        for identity in found:
            writer.opened.pop(str(identity), None)


def _key(event: Mapping[str, Any]) -> tuple[UUID, UUID] | None:
    try:
        return tenant_of(event), UUID(str(event["id"]))
    except ValueError:
        return None


def _lost(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a call whose worker died under it: what it used is unknown, and said to be."""
    nothing = dict.fromkeys(TOKEN_KINDS, 0)
    return {**nothing, "cost_micro_dollars": 0, **event, "outcome": Outcome.LOST.value, "estimated": True}


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Return after ``seconds``, or as soon as ``stopping`` is set."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
