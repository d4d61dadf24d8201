"""Following a record from its first event to its last, and naming the first place where it breaks.

Pure: fed with events by ``store.export`` and ``store.verify``, from a database or from a file.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from policy.identifiers import TenantId
from store.canonical import NotCanonical, canonical
from store.chain import Head, link, origin
from store.checkpoint import Checkpoint
from store.merkle import Frontier, leaf_hash


class RecordBroken(Exception):
    """The record is not what was written. ``place`` names where, the message says what is wrong there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is kept: its number, its canonical text, and the link that is kept beside it."""

    sequence: int
    body: bytes
    chain: bytes


class Walk:
    """One pass over one tenant's record. ``held`` are checkpoints that it must agree with."""

    def __init__(self, tenant: TenantId, held: Iterable[Checkpoint] = ()) -> None:
        self.tenant = tenant
        self.frontier = Frontier()
        self.chain = origin(tenant)
        self._held = sorted((item for item in held if item.tenant_id == tenant), key=lambda item: -item.size)
        self._agree()

    @property
    def sequence(self) -> int:
        """The number of the last event that was followed."""
        return self.frontier.size

    def follow(self, entry: Entry, place: str) -> dict[str, Any]:
        """Check the next event, which stands at ``place``; its parsed body.

        Raises ``RecordBroken`` if it is not the continuation.
        """
        expected = self.sequence + 1
        if entry.sequence > expected:
            raise RecordBroken(place, f"event {expected} is missing before it: removed, or moved elsewhere")
        if entry.sequence < expected:
            raise RecordBroken(
                place, f"event {entry.sequence} stands where {expected} belongs: inserted, or moved here"
            )
        event = parsed(entry.body, place)
        leaf = leaf_hash(entry.body)
        self.chain = link(self.chain, leaf)
        if self.chain != entry.chain:
            raise RecordBroken(place, "the event or its link was altered, or another was put in its place")
        self.frontier = self.frontier.appended((leaf,))
        self._agree()
        return event

    def finish(self, head: Head | None = None) -> None:
        """The record has ended. Raises ``RecordBroken`` if ``head`` or a checkpoint knows of another end."""
        place = f"after event {self.sequence}"
        if head is not None and head.sequence != self.sequence:
            raise RecordBroken(place, f"the record is cut off: it had {head.sequence} events")
        if head is not None and (head.chain, head.frontier) != (self.chain, self.frontier):
            raise RecordBroken("the head of the record", "it does not follow from the events")
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
