"""``conduit catalogue``: follow public lists of AI hosts, after a person has read what would change."""

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conduit.command import CommandFailed, Invocation, command, group

if TYPE_CHECKING:
    from policy.catalogue import Entry


class FormatName(StrEnum):
    """The formats, as ``policy.domain_lists.ListFormat``."""

    V2FLY = "v2fly"
    ADGUARD = "adguard"
    HOSTS = "hosts"


def register(application: typer.Typer) -> None:
    catalogue = group("catalogue", "The list of AI endpoints.", application)
    command(catalogue, "import")(take)


def take(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(help="The list, as its publisher gives it.")],
    format: Annotated[FormatName, typer.Option(help="How the list is written.")],
    provider: Annotated[str, typer.Option(help="Whose hosts these are, such as openai.")],
    source: Annotated[str, typer.Option(help="List, version, date and licence; stands beside each entry.")],
    kind: Annotated[str, typer.Option(help="Category, such as chat, api, code-assistant.")] = "chat",
    apply: Annotated[bool, typer.Option("--apply", help="Write the new entries to the catalogue.")] = False,
    catalogue: Annotated[Path | None, typer.Option(help="Catalogue file.  [default: config's own]")] = None,
) -> None:
    """Show what a public list would add to the catalogue; with --apply, add it. Nothing is ever removed."""
    from conduit.instance import CATALOGUE_FOLDER
    from policy.domain_lists import ListFormat, compare, read
    from store.catalogue import load_catalogue, row_of

    target = catalogue or CATALOGUE_FOLDER / "ai_endpoints.csv"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read as text") from error
    patterns, skipped = read(ListFormat(format.value), lines)
    changes = compare(patterns, skipped, load_catalogue(target), source)
    shape = "web" if kind == "chat" else "custom"
    rows = [
        row_of(_new(host, provider=provider, kind=kind, shape=shape, source=source)) for host in changes.new
    ]
    if apply and rows:
        _append(target, rows)
    if invocation.json:
        invocation.show_json(
            {
                "added" if apply else "new": list(changes.new),
                "known": changes.known,
                "gone": list(changes.gone),
                "skipped": [{"line": each.line, "reason": each.reason} for each in skipped],
            }
        )
        return
    for row in rows:
        print(f"+{_line(row)}", end="")
    for host in changes.gone:
        print(f"?{host} is in the catalogue from this source, and no longer in the list")
    for each in skipped:
        print(f"!line {each.line}: {each.reason}")
    done = "added" if apply else "to add; read them, then give --apply"
    invocation.say(f"{len(rows)} {done}; {changes.known} known, {len(skipped)} lines not taken")


def _new(host: str, *, provider: str, kind: str, shape: str, source: str) -> "Entry":
    """What a list says about a host, and no more."""
    from datetime import UTC, datetime

    from policy.catalogue import Entry

    today = datetime.now(UTC).date().isoformat()
    return Entry(
        host, provider, kind, shape, "unknown", "unknown", False, source, "", product=provider, date=today
    )


def _line(row: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def _append(target: Path, rows: Sequence[tuple[str, ...]]) -> None:
    """The file as it is, and the new rows behind; whole or not at all, never a file that does not load."""
    from policy.catalogue import InvalidCatalogue
    from store.catalogue import load_catalogue

    before = target.read_text(encoding="utf-8")
    partial = target.with_suffix(".partial")
    try:
        partial.write_text(before.rstrip("\n") + "\n" + "".join(map(_line, rows)), encoding="utf-8")
        load_catalogue(partial)
        partial.replace(target)
    except (OSError, InvalidCatalogue) as error:
        partial.unlink(missing_ok=True)
        raise CommandFailed(f"{target} was not changed: {error}") from error
