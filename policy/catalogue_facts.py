"""What the catalogue says of hosts beside their names: each fact with its source and its date.

A fact is stated once, of a provider, of one of its products, or of a single host; the nearest one counts.
What nobody has stated is unknown: there is no line for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from policy.catalogue import NOWHERE, Entry, InvalidCatalogue, Origin, Training


class FactName(StrEnum):
    """``COUNTRY`` (ISO 3166-1 alpha-2) is the operator's seat; ``REGIONS`` are where it processes.

    ``EVASIONS`` are ways round a proxy: words, or ``none`` where somebody looked and found none.
    """

    COUNTRY = "country"
    REGIONS = "regions"
    TRAINS = "trains"
    EVASIONS = "evasions"


NONE_FOUND = "none"


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement about a ``subject``: a host, a provider, or ``provider/product``.

    ``source`` is where it was said, ``date`` (ISO 8601) when, or when it was read there.
    """

    subject: str
    name: FactName
    value: str
    source: str
    date: str


class Facts:
    """An index of facts; a fact stated twice of one subject raises ``InvalidCatalogue``."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts: dict[tuple[str, FactName], Fact] = {}
        for fact in facts:
            _check(fact)
            if (fact.subject, fact.name) in self._facts:
                raise InvalidCatalogue(f"the {fact.name} of {fact.subject} is stated twice")
            self._facts[fact.subject, fact.name] = fact

    def applied(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries with what is known of them; a fact about nothing raises ``InvalidCatalogue``."""
        told = [self._told(entry) for entry in entries]
        subjects = {subject for entry in told for subject in _subjects(entry)}
        strays = sorted({subject for subject, _ in self._facts} - subjects)
        if strays:
            raise InvalidCatalogue(f"no host belongs to {strays[0]!r}, of which a fact is stated")
        return told

    def _told(self, entry: Entry) -> Entry:
        known = {name: fact for name in FactName if (fact := self._nearest(entry, name))}
        told = replace(
            entry,
            country=_value(known, FactName.COUNTRY, "unknown"),
            regions=tuple(_value(known, FactName.REGIONS, "").split()),
            training=Training(_value(known, FactName.TRAINS, Training.UNKNOWN)),
            evasions=tuple(
                each for each in _value(known, FactName.EVASIONS, "").split() if each != NONE_FOUND
            ),
            origins=tuple(Origin(name, fact.source, fact.date) for name, fact in known.items()),
        )
        if told.region not in NOWHERE and told.region not in told.regions:
            raise InvalidCatalogue(f"{told.host} is served in {told.region}, which no fact states")
        return told

    def _nearest(self, entry: Entry, name: FactName) -> Fact | None:
        found = (self._facts.get((subject, name)) for subject in _subjects(entry))
        return next((fact for fact in found if fact is not None), None)


def _subjects(entry: Entry) -> tuple[str, str, str]:
    """What a fact about this entry can be stated of, the nearest first."""
    return entry.host, f"{entry.provider}/{entry.product}", entry.provider


def _value(known: Mapping[FactName, Fact], name: FactName, otherwise: str) -> str:
    return known[name].value if name in known else otherwise


def _check(fact: Fact) -> None:
    """Raises ``InvalidCatalogue``, as a stated fact needs a source and a value of its vocabulary."""
    if not fact.source.strip():
        raise InvalidCatalogue(f"the {fact.name} of {fact.subject} is stated without a source")
    if not _USABLE[fact.name](fact.value):
        raise InvalidCatalogue(f"{fact.value!r} is no {fact.name} (what is not known has no line)")


def _is_country(value: str) -> bool:
    return len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()


def _is_training(value: str) -> bool:
    return value in Training and value != Training.UNKNOWN


def _are_words(value: str) -> bool:
    words = value.split()
    return bool(words) and words == value.split(" ") and not NOWHERE & set(words)


def _are_evasions(value: str) -> bool:
    return _are_words(value) and (value == NONE_FOUND or NONE_FOUND not in value.split())


_USABLE = {
    FactName.COUNTRY: _is_country,
    FactName.REGIONS: _are_words,
    FactName.TRAINS: _is_training,
    FactName.EVASIONS: _are_evasions,
}
