"""Read the catalogue files of ``config/`` into ``policy.catalogue`` values."""

import csv
import io
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from policy.accounts import Restriction
from policy.catalogue import Catalogue, Entry, InvalidCatalogue, Provider, Training, build
from policy.exchange import Shape

COLUMNS = (
    *("host", "provider", "product", "kind", "shape", "region", "country", "mixed", "trains", "evasions"),
    *("source", "date", "note"),
)
_MIXED = {"yes": True, "no": False}


def load_catalogue(path: Path) -> Catalogue:
    """The endpoint catalogue; raises ``InvalidCatalogue`` naming the first row that cannot be used."""
    with path.open(newline="", encoding="utf-8") as file:
        return _read(file)


def read_catalogue(text: str) -> Catalogue:
    """The same, of the file's text."""
    return _read(io.StringIO(text, newline=""))


def written(entries: Iterable[Entry]) -> str:
    """The text of a catalogue file with these entries."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for entry in entries:
        rows.writerow(row_of(entry))
    return text.getvalue()


def row_of(entry: Entry) -> tuple[str, ...]:
    """An entry as its line in the file."""
    values = {name: str(getattr(entry, name, "")) for name in COLUMNS}
    values |= {"mixed": "yes" if entry.mixed else "no", "trains": entry.training.value}
    return tuple({**values, "evasions": " ".join(entry.evasions) or "unknown"}.values())


def _read(lines: Iterable[str]) -> Catalogue:
    rows = csv.DictReader(lines, strict=True)
    try:
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise InvalidCatalogue(f"the endpoint catalogue has the columns {', '.join(COLUMNS)}")
        return build(_entry(row, line) for line, row in enumerate(rows, start=2))
    except csv.Error as error:
        raise InvalidCatalogue(f"the endpoint catalogue is no CSV: {error}") from error


def _entry(row: dict[str, str], line: int) -> Entry:
    try:
        date.fromisoformat(row["date"])
        evasions = () if row["evasions"] == "unknown" else tuple(row["evasions"].split())
        plain = {name: row[name] for name in COLUMNS if name not in ("mixed", "trains", "evasions")}
        if not all(plain[name] for name in COLUMNS if name in plain and name != "note") or None in row:
            raise ValueError("every column but the note holds something, if only `unknown`")
        return Entry(**plain, mixed=_MIXED[row["mixed"]], training=Training(row["trains"]), evasions=evasions)
    except (KeyError, TypeError, ValueError) as error:
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
