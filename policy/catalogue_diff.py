"""What a new catalogue changes, for a person to read before it is signed or loaded."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from policy.catalogue import Catalogue, Entry


@dataclass(frozen=True, slots=True)
class Change:
    """One fact of a host that both catalogues have."""

    host: str
    fact: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Hosts that are new, that are gone, and what changed of the others; each by host."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[Change, ...]


def difference(before: Catalogue, after: Catalogue) -> Difference:
    """Compare by host, fact by fact."""
    old = {entry.host: entry for entry in before.entries}
    new = {entry.host: entry for entry in after.entries}
    return Difference(
        added=tuple(entry for host, entry in new.items() if host not in old),
        removed=tuple(entry for host, entry in old.items() if host not in new),
        changed=tuple(
            change for host, entry in new.items() if host in old for change in _changes(old[host], entry)
        ),
    )


def _changes(before: Entry, after: Entry) -> Iterator[Change]:
    for field in fields(Entry):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            yield Change(after.host, field.name, _text(old), _text(new))


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
