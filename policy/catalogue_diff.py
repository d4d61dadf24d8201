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
    old, new = _facts(before), _facts(after)
    for name in dict.fromkeys([*old, *new]):
        if old.get(name, "") != new.get(name, ""):
            yield Change(after.host, name, old.get(name, ""), new.get(name, ""))


def _facts(entry: Entry) -> dict[str, str]:
    """Every fact by its name, and beside each that has a source of its own, that source with its date."""
    told = {
        field.name: _text(getattr(entry, field.name)) for field in fields(Entry) if field.name != "origins"
    }
    told["trains"] = told.pop("training")
    return told | {f"{each.fact} source": f"{each.source}, {each.date}" for each in entry.origins}


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
