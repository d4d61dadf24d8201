"""The AI endpoint catalogue: which host belongs to which provider, and what it speaks.

``config/ai_endpoints.csv`` holds the facts; ``conduit`` reads the file and hands the rows over. A host that
also carries traffic other than AI (``mixed``) is never decrypted by its name alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.exchange import Shape


class InvalidCatalogue(ValueError):
    """A catalogue row that cannot be used; the text names it."""


class Training(StrEnum):
    """Whether the operator trains on what is sent, where the customer has changed nothing.

    ``BY_PLAN``: plans of the same product differ. ``OPT_OUT``: yes, until the customer objects.
    """

    NO = "no"
    OPT_IN = "opt-in"
    BY_PLAN = "by-plan"
    OPT_OUT = "opt-out"
    YES = "yes"
    UNKNOWN = "unknown"


# An entry's region where its operator promises none, or where nobody knows.
NOWHERE = frozenset({"global", "unknown"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one of an entry's facts is from, and when that was said or read there (ISO 8601)."""

    fact: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One catalogued host or pattern. ``host`` may start with ``*.``: names below it, not itself.

    ``region`` is where this host is served; ``country`` is the operator's seat, ``regions`` all places where
    it processes; ``kind`` is the product category; ``source`` says where the host is listed, and ``date``
    (ISO 8601) when that was said. ``evasions`` are the known ways round a proxy (docs/discovery.md).
    ``origins`` has a source for each of country, regions, training and evasions that is not unknown.
    """

    host: str
    provider: str
    kind: str
    shape: str
    region: str
    country: str
    mixed: bool
    source: str
    note: str
    product: str = ""
    training: Training = Training.UNKNOWN
    evasions: tuple[str, ...] = ()
    date: str = ""
    regions: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()

    def origin(self, fact: str) -> Origin | None:
        """Where a fact is from; ``None`` where it is not known."""
        return next((each for each in self.origins if each.fact == fact), None)


# What a developer calls with a key, as opposed to a web application that a person signs in to.
_NOT_AN_API = frozenset({"web", "none"})

_SHAPES = {
    "openai-chat": Shape.OPENAI_CHAT,
    "openai-responses": Shape.OPENAI_RESPONSES,
    "anthropic-messages": Shape.ANTHROPIC_MESSAGES,
    "gemini": Shape.GEMINI,
}


def wire_shape(entry: Entry) -> Shape:
    """The shape that errors to this endpoint's clients are written in."""
    return _SHAPES.get(entry.shape, Shape.OTHER)


def is_api(entry: Entry) -> bool:
    """Whether the host is called by programs with a key."""
    return entry.shape not in _NOT_AN_API


@dataclass(frozen=True, slots=True)
class Catalogue:
    """An immutable index of entries. A look-up costs one dictionary read a label of the name.

    ``version`` orders catalogues: the highest is in force.
    """

    exact: Mapping[str, Entry]
    below: Mapping[str, Entry]
    version: int = 0

    def find(self, host: str) -> Entry | None:
        """The entry for a canonical host: an exact one first, else the longest ``*.`` pattern above it."""
        entry = self.exact.get(host)
        if entry is not None:
            return entry
        dot = host.find(".")
        while dot >= 0:
            entry = self.below.get(host[dot + 1 :])
            if entry is not None:
                return entry
            dot = host.find(".", dot + 1)
        return None

    @property
    def entries(self) -> list[Entry]:
        """Every entry, by host."""
        return sorted([*self.exact.values(), *self.below.values()], key=lambda entry: entry.host)

    def __len__(self) -> int:
        return len(self.exact) + len(self.below)


def matching(catalogue: Catalogue, words: str) -> list[Entry]:
    """The entries whose host, provider, product or kind holds every one of the words, by host."""
    wanted = words.lower().split()
    return [
        entry
        for entry in catalogue.entries
        if all(
            any(word in text.lower() for text in (entry.host, entry.provider, entry.product, entry.kind))
            for word in wanted
        )
    ]


def build(entries: Iterable[Entry]) -> Catalogue:
    """Index the entries; a host listed twice raises ``InvalidCatalogue``.

    The version is that of the newest fact: its date, and room for a hundred releases of that day.
    """
    exact: dict[str, Entry] = {}
    below: dict[str, Entry] = {}
    for entry in entries:
        index, name = (below, entry.host[2:]) if entry.host.startswith("*.") else (exact, entry.host)
        if name in index:
            raise InvalidCatalogue(f"{entry.host} is listed twice")
        if not name or name != name.lower() or "*" in name:
            raise InvalidCatalogue(f"{entry.host!r} is neither a lower-case host nor *. and a host")
        index[name] = entry
    every = [entry for index in (exact, below) for entry in index.values()]
    dates = {entry.date for entry in every} | {each.date for entry in every for each in entry.origins}
    numbers = (each.replace("-", "") for each in dates)
    return Catalogue(exact, below, 100 * max((int(each) for each in numbers if each.isdecimal()), default=0))


def private_entry(host: str, provider: "Provider") -> Entry:
    """The entry of a provider that the operator reaches at a place of its own."""
    return Entry(
        host=host,
        provider=provider.id,
        kind="api",
        shape=provider.shape.value,
        region="unknown",
        country="unknown",
        mixed=False,
        source="configuration",
        note="",
    )


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider is reached in base-URL mode, and where its API reads the key.

    ``origin`` is the scheme and authority that replaces the gateway's; ``""`` where it depends on the
    customer's own resource and must be set by the operator. ``key_places`` are the header names (lower case)
    or ``?`` and the parameter's name in which the provider accepts a key.
    """

    id: str
    origin: str
    shape: Shape
    key_places: tuple[str, ...]
