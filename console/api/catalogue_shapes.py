"""What the API takes and says about the catalogue of AI endpoints."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from console.api.inventory_shapes import StatedFact
from console.api.shapes import Given, Shown

# Some hundred thousand entries.
CATALOGUE_CHARACTERS_MAX = 15_000_000
BODY_BYTES_MAX = 16 * 1024 * 1024
NOTE_CHARACTERS_MAX = 10_000


class OfferedCatalogue(Given):
    """A catalogue file's text, byte for byte, and its signed note."""

    entries: Annotated[str, Field(min_length=1, max_length=CATALOGUE_CHARACTERS_MAX)]
    note: Annotated[str, Field(min_length=1, max_length=NOTE_CHARACTERS_MAX)]


class LoadedCatalogue(Shown):
    version: int
    loaded_by: str
    loaded_at: datetime


class Catalogue(Shown):
    """``origin`` is ``loaded``, or ``shipped`` with this version of the product."""

    version: int
    entries: int
    origin: str
    loaded: list[LoadedCatalogue]


class CatalogueEntry(Shown):
    """``host`` may start with ``*.``: names below it. What else is stated has a source of its own."""

    host: str
    provider: str
    product: str
    kind: str
    shape: str
    mixed: bool
    note: str
    region: str
    source: str
    date: str
    country: StatedFact
    regions: StatedFact
    trains: StatedFact
    evasions: StatedFact


class ChangedFact(Shown):
    host: str
    fact: str
    before: str
    after: str


class CatalogueCheck(Shown):
    """What loading would do: ``refusal`` says why not. It is compared to the one in force."""

    version: int
    refusal: str | None
    added: list[str]
    removed: list[str]
    changed: list[ChangedFact]
