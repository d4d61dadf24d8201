"""Read the catalogue files of ``config/`` into ``policy.catalogue`` values."""

import csv
from pathlib import Path

from policy.accounts import Restriction
from policy.catalogue import Catalogue, Entry, InvalidCatalogue, Provider, build
from policy.exchange import Shape

_MIXED = {"yes": True, "no": False}


def load_catalogue(path: Path) -> Catalogue:
    """The endpoint catalogue; raises ``InvalidCatalogue`` naming the first row that cannot be used."""
    with path.open(newline="", encoding="utf-8") as file:
        return build(_entry(row, line) for line, row in enumerate(csv.DictReader(file, strict=True), start=2))


def _entry(row: dict[str, str], line: int) -> Entry:
    try:
        return Entry(**{**row, "mixed": _MIXED[row["mixed"]]})  # type: ignore[arg-type]  # text but for `mixed`
    except (KeyError, TypeError) as error:
        raise InvalidCatalogue(f"line {line} of the endpoint catalogue: {error}") from error


def load_providers(path: Path) -> dict[str, Provider]:
    """The providers by id; raises ``InvalidCatalogue`` naming the first row that cannot be used."""
    found: dict[str, Provider] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file, strict=True), start=2):
            try:
                places = tuple(row["key_places"].split())
                found[row["id"]] = Provider(row["id"], row["origin"], Shape(row["shape"]), places)
            except (KeyError, ValueError) as error:
                raise InvalidCatalogue(f"line {line} of the providers: {error}") from error
    return found


def load_restrictions(path: Path) -> tuple[Restriction, ...]:
    """The headers that restrict accounts; raises ``InvalidCatalogue`` naming the first unusable row."""
    found: dict[str, Restriction] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file, strict=True), start=2):
            try:
                hosts, refused = tuple(row["hosts"].split()), tuple(row["refused_paths"].split())
                made = Restriction(row["product"], row["header"], hosts, refused, row["source"])
            except (KeyError, AttributeError) as error:
                raise InvalidCatalogue(f"line {line} of the account restrictions: {error}") from error
            if not hosts or made.product in found:
                raise InvalidCatalogue(f"line {line} of the account restrictions: no host, or listed twice")
            found[made.product] = made
    return tuple(found.values())
