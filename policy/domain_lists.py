"""Public lists of domains, read line by line into catalogue patterns, and what they would change.

Formats: v2fly ``domain-list-community`` (``domain:``, ``full:``, a bare name, ``@attributes``), AdGuard
filters and ``services`` files (``||name^``), and hosts files (``0.0.0.0 name``). Only names are taken.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from policy.catalogue import Catalogue
from policy.destination import InvalidDestination, canonical_host

_ADGUARD = re.compile(r"\|\|([^\^/$*|]+)\^?\Z")


class ListFormat(StrEnum):
    """How a list is written."""

    V2FLY = "v2fly"
    ADGUARD = "adguard"
    HOSTS = "hosts"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line of which nothing was taken, by its number from 1, and why."""

    line: int
    reason: str


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


def read(kind: ListFormat, lines: Iterable[str]) -> tuple[tuple[str, ...], tuple[Skipped, ...]]:
    """The patterns of a list in their order, each once: ``name``, or ``*.name`` for what is below it."""
    patterns: dict[str, None] = {}
    skipped: list[Skipped] = []
    for number, text in enumerate(lines, start=1):
        line = text.split("!" if kind is ListFormat.ADGUARD else "#", 1)[0].strip()
        if not line or line.startswith("#"):
            continue
        try:
            patterns |= dict.fromkeys(_READERS[kind](line))
        except (_Unusable, InvalidDestination) as problem:
            skipped.append(Skipped(number, str(problem)))
    return tuple(patterns), tuple(skipped)


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
    raise _Unusable(f"{kind} rules are not taken")


def _adguard(line: str) -> list[str]:
    found = _ADGUARD.match(line.removeprefix("-").strip().strip("'\""))
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
