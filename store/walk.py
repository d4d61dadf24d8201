"""Following a record from its first event to its last, and naming the first place where it breaks.

Pure: fed with events by ``store.export`` and ``store.verify``, from a database or from a file.

A record may begin with events whose text was deleted by its tenant's retention period. That is taken only
where a later act of the same record allows it, and proves by a checkpoint of a trusted key that they were
old enough; any other event without a text has been removed.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policy.identifiers import TenantId
from store.canonical import NotCanonical, canonical
from store.chain import Head, link, origin
from store.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, open_with_any
from store.merkle import Frontier, leaf_hash

# The act that allows emptying events, and the only one that verification believes.
PRUNE = "record.prune"
# Leaves that wait at most to be put into the tree.
LEAVES_MAX = 4096


class RecordBroken(Exception):
    """The record is not what was written. ``place`` names where, the message says what is wrong there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is kept: its number, its canonical text, and the link that is kept beside it.

    Of one whose text was deleted ``body`` is ``None``, and ``leaf`` the hash that is left of it. ``event`` is
    the value whose canonical text ``body`` was made to be, where it was not read from there.
    """

    sequence: int
    body: bytes | None
    chain: bytes
    leaf: bytes | None = None
    event: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """An act that allowed the text of all events up to number ``through`` to be deleted, after ``days``.

    ``sequence``, ``event_id``, ``at`` and ``actor`` are the act's own. ``root`` is over those events.
    """

    sequence: int
    event_id: str
    at: str
    actor: str
    through: int
    days: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """What a check goes by that the record itself cannot say.

    ``keys`` are those that sign its checkpoints; ``held`` are checkpoints that it must agree with;
    ``days_min`` is the operator's shortest period of events, below which no act allows deleting.
    """

    keys: tuple[VerifierKey, ...] = ()
    held: tuple[Checkpoint, ...] = ()
    days_min: int = 1


NOTHING_KNOWN = Trust()


class Walk:
    """One pass over one tenant's record. ``noun`` is what an event is called where it stands."""

    def __init__(self, tenant: TenantId, trust: Trust = NOTHING_KNOWN, *, noun: str = "event") -> None:
        self.tenant = tenant
        self.sequence = 0  # of the last event that was followed
        self.chain = origin(tenant)
        self.emptied = 0
        self.permissions: list[Permission] = []
        self._frontier = Frontier()
        self._leaves: list[bytes] = []
        self._emptied_root = self._frontier.root()
        self._trust = trust
        self._noun = noun
        held = (item for item in trust.held if item.tenant_id == tenant)
        self._held = sorted(held, key=lambda item: -item.size)
        self._agree()

    @property
    def frontier(self) -> Frontier:
        """The edge of the tree. Leaves wait until somebody asks: one by one they cost as much as the rest."""
        if self._leaves:
            self._frontier = self._frontier.appended(self._leaves)
            self._leaves = []
        return self._frontier

    def follow(self, entry: Entry, place: str) -> dict[str, Any] | None:
        """Check the next event, which stands at ``place``; its parsed body, ``None`` for a deleted one.

        Raises ``RecordBroken`` if it is not the continuation.
        """
        expected = self.sequence + 1
        if entry.sequence > expected:
            raise RecordBroken(place, f"event {expected} is missing before it: removed, or moved elsewhere")
        if entry.sequence < expected:
            raise RecordBroken(
                place, f"event {entry.sequence} stands where {expected} belongs: inserted, or moved here"
            )
        if entry.body is None:
            self._follow_emptied(entry, place)
            return None
        if self.emptied == self.sequence and self.emptied:
            self._emptied_root = self.frontier.root()
        event = entry.event if entry.event is not None else parsed(entry.body, place)
        self._continue(leaf_hash(entry.body), entry.chain, place)
        if event.get("action") == PRUNE and (found := self._permission(event)) is not None:
            self.permissions.append(found)
        return event

    def _follow_emptied(self, entry: Entry, place: str) -> None:
        if self.emptied != self.sequence:
            raise RecordBroken(place, "the event's text was removed, and events before it have theirs")
        self._continue(entry.leaf or b"", entry.chain, place)
        self.emptied = self.sequence

    def _continue(self, leaf: bytes, chain: bytes, place: str) -> None:
        self.chain = link(self.chain, leaf)
        if self.chain != chain:
            raise RecordBroken(place, "the event or its link was altered, or another was put in its place")
        self.sequence += 1
        self._leaves.append(leaf)
        if len(self._leaves) >= LEAVES_MAX:
            self._frontier, self._leaves = self.frontier, []
        self._agree()

    def _permission(self, event: dict[str, Any]) -> Permission | None:
        """What an act allows to be deleted; ``None`` for one that does not prove what it says."""
        try:
            detail = event["detail"]
            signed = open_with_any(self._trust.keys, detail["checkpoint"])
            found = Permission(
                self.sequence, event["id"], event["at"], event["actor"], detail["through"], detail["days"],
                signed.root,
            )  # fmt: skip
            age = datetime.fromisoformat(found.at) - datetime.fromisoformat(signed.at)
            old_enough = found.days >= self._trust.days_min and age >= timedelta(days=found.days)
        except (KeyError, TypeError, ValueError, OverflowError, CheckpointInvalid):
            return None
        fits = (signed.tenant_id, signed.size) == (self.tenant, found.through) and event["kind"] == "act"
        same = found.through != self.emptied or found.root == self._emptied_root
        return found if fits and same and old_enough and found.through < found.sequence else None

    @property
    def permitted(self) -> int:
        """Up to which event the record itself allows deleting."""
        return max((found.through for found in self.permissions), default=0)

    def finish(self, head: Head | None = None) -> None:
        """The record has ended. Raises ``RecordBroken`` if ``head`` or a checkpoint knows of another end."""
        place = f"after event {self.sequence}"
        if head is not None and head.sequence != self.sequence:
            raise RecordBroken(place, f"the record is cut off: it had {head.sequence} events")
        if head is not None and (head.chain, head.frontier) != (self.chain, self.frontier):
            raise RecordBroken("the head of the record", "it does not follow from the events")
        if self.emptied > self.permitted:
            raise RecordBroken(
                f"{self._noun} {self.permitted + 1}",
                "the event's text was removed: no act of the record proves that it was old enough",
            )
        if self._held:
            saw = self._held[0]
            raise RecordBroken(
                place, f"the record is cut off: the checkpoint of {saw.at} saw {saw.size} events"
            )

    def _agree(self) -> None:
        """Compare with every checkpoint that was signed when the record was as long as it is now."""
        while self._held and self._held[-1].size == self.sequence:
            held = self._held.pop()
            if held.root != self.frontier.root():
                raise RecordBroken(
                    f"at or before event {self.sequence}",
                    f"the record was rewritten: the checkpoint of {held.at} has another root",
                )


def parsed(body: bytes, place: str) -> dict[str, Any]:
    """An event's text as a value. Raises ``RecordBroken`` unless it is the canonical text of one."""
    try:
        event = json.loads(body)
        if isinstance(event, dict) and canonical(event) == body:
            return event
    except (ValueError, RecursionError, NotCanonical) as error:
        raise RecordBroken(place, "the event is no canonical JSON any more") from error
    raise RecordBroken(place, "the event is no canonical JSON any more")
