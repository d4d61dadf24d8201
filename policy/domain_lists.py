"""Public lists of domains, read line by line into catalogue patterns, and what they would change.

Formats: v2fly ``domain-list-community`` (``domain:``, ``full:``, a bare name, ``@attributes``, ``include:``
with ``@has`` and ``@-lacks``), AdGuard filters (``||name^``, a bare name for itself alone) and ``services``
files (YAML), and hosts files (``0.0.0.0 name``). Only names are taken.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from policy.catalogue import Catalogue
from policy.destination import InvalidDestination, canonical_host

_ADGUARD = re.compile(r"\|\|([^\^/$*|]+)\^?(?:\$important)?\Z")
_BARE = re.compile(r"[\w.-]+\Z")
# The name of another file of the same folder, and never a way out of it.
_LIST_NAME = re.compile(r"[A-Za-z0-9!][A-Za-z0-9!._-]{0,99}\Z")
_RULES = re.compile(r"(?m)^[ -]*rules:")
INCLUDES_DEEP_MAX = 20


class ListFormat(StrEnum):
    """How a list is written."""

    V2FLY = "v2fly"
    ADGUARD = "adguard"
    HOSTS = "hosts"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line of which nothing was taken, by its number from 1, and why.

    ``within`` names the included list, or the service, that it stands in; empty for the file itself.
    """

    line: int
    reason: str
    within: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list names: each pattern once, in order, with the included list or service that says so."""

    patterns: Mapping[str, str]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a list would change: patterns that are ``new``, how many are ``known``, and lines left out.

    ``gone`` are patterns that the catalogue has from the same source and the list has no longer.
    """

    new: tuple[str, ...]
    known: int
    gone: tuple[str, ...]
    skipped: tuple[Skipped, ...]


class _Unusable(ValueError):
    """A line that says something which the catalogue cannot say."""


def read(kind: ListFormat, text: str, others: Mapping[str, str] | None = None) -> Listed:
    """The patterns of a list: ``name``, or ``*.name`` for what is below it.

    ``others`` are the texts of the lists that may be included, by name (``included`` says which).
    """
    patterns: dict[str, str] = {}
    skipped: list[Skipped] = []
    for within, number, line in _lines(kind, text, others or {}):
        try:
            for pattern in _READERS[kind](line):
                patterns.setdefault(pattern, within)
        except (_Unusable, InvalidDestination) as problem:
            skipped.append(Skipped(number, str(problem), within))
    return Listed(patterns, tuple(skipped))


def included(text: str) -> list[str]:
    """The lists that a v2fly list includes; none whose name could lead out of its folder."""
    named = (_include(line) for _, line in _uncommented(text.splitlines(), "#"))
    return [each[0] for each in named if each is not None and _LIST_NAME.match(each[0])]


# In which list a line stands, its number there, and itself.
type _Line = tuple[str, int, str]


def _lines(kind: ListFormat, text: str, others: Mapping[str, str]) -> Iterator[_Line]:
    if kind is ListFormat.V2FLY:
        yield from _Flattening(others).flat(text)
        return
    services = _services(text) if kind is ListFormat.ADGUARD else None
    for within, lines in services or [("", text.splitlines())]:
        for number, line in _uncommented(lines, "!" if kind is ListFormat.ADGUARD else "#"):
            yield within, number, line


def _uncommented(lines: Iterable[str], mark: str) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(lines, start=1):
        line = text.split(mark, 1)[0].strip()
        if line and not line.startswith("#"):
            yield number, line


class _Flattening:
    """Lists with those that they include in their places; what includes itself is not read twice.

    Each line comes once, so that the size is bounded by what was written.
    """

    def __init__(self, others: Mapping[str, str]) -> None:
        self._others = others
        self._done: dict[str, tuple[_Line, ...]] = {}

    def flat(self, text: str, within: str = "", above: tuple[str, ...] = ()) -> tuple[_Line, ...]:
        found: dict[_Line, None] = {}
        for number, line in _uncommented(text.splitlines(), "#"):
            include = _include(line)
            if include is None or include[0] not in self._others:
                found[within, number, line] = None
            elif include[0] not in above and len(above) < INCLUDES_DEEP_MAX:
                name, has, lacks = include
                inner = ((each, _attributes(each[2])) for each in self._of(name, above))
                found |= dict.fromkeys(each for each, held in inner if has <= held and not lacks & held)
        return tuple(found)

    def _of(self, name: str, above: tuple[str, ...]) -> tuple[_Line, ...]:
        if name not in self._done:
            self._done[name] = self.flat(self._others[name], name, (*above, name))
        return self._done[name]


def _attributes(line: str) -> set[str]:
    return {word[1:] for word in line.split()[1:] if word.startswith("@")}


def _include(line: str) -> tuple[str, set[str], set[str]] | None:
    """The list that a line includes, and the attributes that its lines must have and lack."""
    first, *words = line.split()
    if not first.startswith("include:"):
        return None
    named = [word[1:] for word in words if word.startswith("@")]
    lacks = {word[1:] for word in named if word.startswith("-")}
    return first.removeprefix("include:"), {word for word in named if not word.startswith("-")}, lacks


def _services(text: str) -> list[tuple[str, Sequence[str]]] | None:
    """The rules of AdGuard's services by their ids, of one file each or of one file for all."""
    if _RULES.search(text) is None:
        return None  # a filter, which may be far too long for a reader of YAML
    try:
        document = YAML(typ="safe").load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    listed = document.get("blocked_services", [document])
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    rules = [
        (str(each.get("id", "")), each["rules"]) for each in found if isinstance(each.get("rules"), list)
    ]
    return [(name, [str(rule) for rule in lines]) for name, lines in rules] or None


def compare(
    patterns: Iterable[str], skipped: tuple[Skipped, ...], catalogue: Catalogue, source: str
) -> Changes:
    """Lay a list beside the catalogue. A pattern is known where the catalogue covers all of it already."""
    listed = list(patterns)
    new = tuple(pattern for pattern in listed if not _covered(pattern, catalogue))
    gone = tuple(sorted({each.host for each in catalogue.entries if each.source == source} - set(listed)))
    return Changes(new, len(listed) - len(new), gone, skipped)


def _covered(pattern: str, catalogue: Catalogue) -> bool:
    if not pattern.startswith("*."):
        return catalogue.find(pattern) is not None
    labels = pattern[2:].split(".")
    return any(".".join(labels[start:]) in catalogue.below for start in range(len(labels)))


def _v2fly(line: str) -> list[str]:
    kind, colon, rest = line.split()[0].partition(":")
    if not colon:
        kind, rest = "domain", kind
    if kind == "full":
        return [_name(rest)]
    if kind == "domain":
        return _with_below(rest)
    if kind == "include":
        raise _Unusable(f"there is no list {rest} beside this one")
    raise _Unusable(f"{kind} rules are not taken")


def _adguard(line: str) -> list[str]:
    found = _ADGUARD.match(line)
    if found is None and _BARE.match(line):
        return [_name(line)]
    if found is None:
        raise _Unusable("not a rule for a whole domain")
    return _with_below(found.group(1))


def _hosts(line: str) -> list[str]:
    address, *names = line.split()
    try:
        ip_address(address)
    except ValueError:
        raise _Unusable("no address at its beginning") from None
    return [_name(name) for name in names]


def _with_below(name: str) -> list[str]:
    """Such lists mean a domain and all that is below it; a pattern of ours covers only what is below."""
    host = _name(name)
    return [host, f"*.{host}"]


def _name(text: str) -> str:
    host = canonical_host(text)
    if "." not in host or host.replace(".", "").isdecimal() or ":" in host:
        raise _Unusable("not the name of a host")
    return host


_READERS: dict[ListFormat, Callable[[str], list[str]]] = {
    ListFormat.V2FLY: _v2fly,
    ListFormat.ADGUARD: _adguard,
    ListFormat.HOSTS: _hosts,
}
