"""Read the catalogue files of ``config/`` into ``policy.catalogue`` values."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import takewhile
from pathlib import Path

from policy.accounts import Restriction
from policy.catalogue import Catalogue, Entry, InvalidCatalogue, Provider, build
from policy.catalogue_facts import Fact, FactName, Facts
from policy.exchange import Shape

FACT_COLUMNS = ("subject", "fact", "value", "source", "date")
HOST_COLUMNS = ("host", "provider", "product", "kind", "shape", "region", "mixed", "source", "date", "note")
_MIXED = {"yes": True, "no": False}


def load_catalogue(path: Path) -> Catalogue:
    """The endpoint catalogue; raises ``InvalidCatalogue`` naming the first row that cannot be used."""
    with path.open(newline="", encoding="utf-8") as file:
        return _read(file)


def read_catalogue(text: str) -> Catalogue:
    """The same, of the file's text."""
    return _read(io.StringIO(text, newline=""))


def row_of(entry: Entry) -> tuple[str, ...]:
    """An entry as its line in the table of hosts."""
    values = {name: str(getattr(entry, name)) for name in HOST_COLUMNS}
    return tuple({**values, "mixed": "yes" if entry.mixed else "no"}.values())


def _read(lines: Iterable[str]) -> Catalogue:
    """Two tables with an empty line between them: the facts, and the hosts that they are about."""
    rows = csv.reader(lines, strict=True)
    try:
        numbered = ((rows.line_num, row) for row in rows)
        facts = _table(takewhile(lambda each: any(each[1]), numbered), FACT_COLUMNS)
        stated = Facts([_fact(row, line) for line, row in facts])
        return build(stated.applied([_entry(row, line) for line, row in _table(numbered, HOST_COLUMNS)]))
    except csv.Error as error:
        raise InvalidCatalogue(f"the endpoint catalogue is no CSV: {error}") from error


def _table(
    numbered: Iterator[tuple[int, list[str]]], columns: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below a line with the names of the columns, each with its line's number."""
    if tuple(next(numbered, (0, []))[1]) != columns:
        raise InvalidCatalogue(
            f"the endpoint catalogue has a table with the columns {', '.join(FACT_COLUMNS)}, an empty line,"
            f" and a table with the columns {', '.join(HOST_COLUMNS)}; this file has another form"
        )
    for line, row in numbered:
        if len(row) != len(columns):
            raise InvalidCatalogue(f"line {line} of the endpoint catalogue: not {len(columns)} columns")
        yield line, dict(zip(columns, row, strict=True))


def _fact(row: dict[str, str], line: int) -> Fact:
    try:
        date.fromisoformat(row["date"])
        return Fact(row["subject"], FactName(row["fact"]), row["value"], row["source"], row["date"])
    except ValueError as error:
        raise InvalidCatalogue(f"line {line} of the endpoint catalogue: {error}") from error


def _entry(row: dict[str, str], line: int) -> Entry:
    try:
        date.fromisoformat(row["date"])
        if not all(value for name, value in row.items() if name != "note"):
            raise ValueError("every column but the note holds something, if only `unknown`")
        return Entry(
            *(row["host"], row["provider"], row["kind"], row["shape"], row["region"], "unknown"),
            mixed=_MIXED[row["mixed"]],
            source=row["source"],
            note=row["note"],
            product=row["product"],
            date=row["date"],
        )
    except (KeyError, ValueError) as error:
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
                made = Restriction(
                    *(row["product"], row["header"], hosts, refused, row["source"]), row["answer_header"]
                )
            except (KeyError, AttributeError) as error:
                raise InvalidCatalogue(f"line {line} of the account restrictions: {error}") from error
            if not hosts or made.product in found:
                raise InvalidCatalogue(f"line {line} of the account restrictions: no host, or listed twice")
            found[made.product] = made
    return tuple(found.values())


def load_exclusions(path: Path) -> tuple[str, ...]:
    """Hosts that are never looked into, by the file of those that ship; raises ``InvalidCatalogue``."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, strict=True)
        if tuple(rows.fieldnames or ()) != ("host", "category"):
            raise InvalidCatalogue("the list of what is never decrypted has the columns host, category")
        found = tuple(row["host"] for row in rows)
    if not found:
        raise InvalidCatalogue("the list of what is never decrypted is empty")
    return found
