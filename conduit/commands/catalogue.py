"""``conduit catalogue``: follow public lists of AI hosts, after a person has read what would change."""

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conduit.command import CommandFailed, Invocation, access_to, command, group

if TYPE_CHECKING:
    from policy.catalogue import Catalogue, Entry

# More lists than any category of v2fly includes.
INCLUDED_MAX = 500


class FormatName(StrEnum):
    """The formats, as ``policy.domain_lists.ListFormat``."""

    V2FLY = "v2fly"
    ADGUARD = "adguard"
    HOSTS = "hosts"


def register(application: typer.Typer) -> None:
    catalogue = group("catalogue", "The list of AI endpoints.", application)
    command(catalogue, "show")(show)
    command(catalogue, "entries")(entries)
    command(catalogue, "import")(take)
    command(catalogue, "diff")(diff)
    command(catalogue, "keygen")(keygen)
    command(catalogue, "sign")(sign)
    command(catalogue, "verify")(verify)
    command(catalogue, "load")(load)


FileArgument = Annotated[Path, typer.Argument(help="A catalogue, as config/ai_endpoints.csv.")]
NoteOption = Annotated[Path | None, typer.Option(help="Its signed note.  [default: FILE.note]")]


async def show(invocation: Invocation) -> None:
    """Show which catalogue is in force, and which were loaded."""
    from conduit.instance import catalogues_of, opened
    from store import catalogues
    from store.claim import Purpose

    async with opened(invocation) as instance:
        known = catalogues_of(instance.settings)
        async with instance.store.platform(Purpose.REPORTING) as session:
            current, loaded = await known.in_force(session), await catalogues.history(session)
    invocation.show(
        {
            "version": current.version,
            "entries": len(current),
            "origin": catalogues.origin(current, loaded),
            "loaded": [
                {"version": each.version, "by": each.loaded_by, "at": each.loaded_at.isoformat()}
                for each in loaded
            ],
        }
    )


async def entries(
    invocation: Invocation,
    search: Annotated[str, typer.Option(help="Words in host, provider, product or kind.")] = "",
) -> None:
    """List what the catalogue in force says, by host."""
    from policy.catalogue import matching
    from store.inventory_document import entry_document

    found = matching(await _in_force(invocation), search)
    rows = [entry_document(entry) for entry in found]
    invocation.show(rows, columns=("host", "provider", "product", "kind", "shape", "region", "source"))


async def diff(
    invocation: Invocation,
    file: FileArgument,
    against: Annotated[
        Path | None, typer.Option(help="Another file.  [default: the catalogue in force]")
    ] = None,
) -> None:
    """Show what a catalogue changes: hosts added (+) and removed (-), and facts that are others (~)."""
    from policy.catalogue_diff import difference

    after = _read(file)
    before = _read(against) if against is not None else await _in_force(invocation)
    found = difference(before, after)
    if invocation.json:
        invocation.show_json(
            {
                "before": before.version,
                "after": after.version,
                "added": [entry.host for entry in found.added],
                "removed": [entry.host for entry in found.removed],
                "changed": [
                    {"host": each.host, "fact": each.fact, "before": each.before, "after": each.after}
                    for each in found.changed
                ],
            }
        )
        return
    for sign, entries in (("+", found.added), ("-", found.removed)):
        for entry in entries:
            print(f"{sign}{entry.host}  {entry.provider}, {entry.kind}, {entry.source}, {entry.date}")
    alike: dict[tuple[str, str, str], list[str]] = {}
    for each in found.changed:
        alike.setdefault((each.fact, each.before, each.after), []).append(each.host)
    for (fact, old, new), hosts in alike.items():
        print(f"~{', '.join(hosts)}  {fact}: {old!r} is now {new!r}")
    invocation.say(
        f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} facts changed"
    )


def keygen(
    invocation: Invocation,
    out: Annotated[Path, typer.Option(help="File for the secret key; made with mode 0600.")],
) -> None:
    """Make a key to sign catalogues with; prints the public half, for catalogue.public_keys."""
    import os

    from store.checkpoint import SigningKey

    key = SigningKey.generate()
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandFailed(f"{out} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key.to_text()}\n")
    invocation.show({"public_key": str(key.verifier), "key_file": str(out)})


def sign(
    invocation: Invocation,
    file: FileArgument,
    key: Annotated[Path, typer.Option(help="Secret key, as `conduit catalogue keygen` made it.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="Higher than any before.  [default: of the newest date, plus 1]")
    ] = None,
    note: NoteOption = None,
) -> None:
    """Sign a catalogue that was reviewed, so that instances take it."""
    from datetime import UTC, datetime

    from policy.event import timestamp
    from store.catalogue_release import signed
    from store.checkpoint import KeyInvalid, SigningKey

    number = version or _read(file).version + 1
    try:
        made = signed(
            SigningKey.parse(_text(key).strip()),
            _text(file),
            version=number,
            at=timestamp(datetime.now(UTC)),
        )
    except KeyInvalid as error:
        raise CommandFailed(f"{key}: {error}") from error
    target = _note_of(file, note)
    target.write_text(made, encoding="utf-8")
    invocation.show({"version": number, "note": str(target)})


def verify(invocation: Invocation, file: FileArgument, note: NoteOption = None) -> None:
    """Check a catalogue against the keys that the settings trust; exit 1 where it is refused."""
    from conduit.instance import publishers_of, settings_of
    from policy.catalogue import InvalidCatalogue
    from store.catalogue_release import ReleaseRefused
    from store.catalogues import opened

    try:
        found = opened(publishers_of(settings_of(invocation)), _text(file), _text(_note_of(file, note)))
    except (ReleaseRefused, InvalidCatalogue) as error:
        raise CommandFailed(f"{file}: {error}") from error
    invocation.show({"version": found.version, "entries": len(found), "verified": True})


async def load(invocation: Invocation, file: FileArgument, note: NoteOption = None) -> None:
    """Put a signed catalogue in force in every worker, at once and without a restart."""
    from conduit.instance import actor, catalogues_of, opened
    from store.catalogue_acts import Offered, load_catalogue

    offered = Offered(_text(file), _text(_note_of(file, note)))
    async with opened(invocation) as instance:
        loaded = await load_catalogue(
            instance.store,
            actor=actor(),
            offered=offered,
            known=catalogues_of(instance.settings),
        )
    invocation.show({"version": loaded.version, "loaded_at": loaded.loaded_at.isoformat()})


async def _in_force(invocation: Invocation) -> "Catalogue":
    """The running instance's, or the shipped one where none is running."""
    from conduit.instance import catalogues_of, opened, settings_of
    from store.claim import Purpose

    known = catalogues_of(settings_of(invocation))
    try:
        async with opened(invocation) as instance, instance.store.platform(Purpose.REPORTING) as session:
            return await known.in_force(session)
    except CommandFailed:
        return known.shipped


def _read(file: Path) -> "Catalogue":
    from policy.catalogue import InvalidCatalogue
    from store.catalogue import read_catalogue

    try:
        return read_catalogue(_text(file))
    except InvalidCatalogue as error:
        raise CommandFailed(f"{file}: {error}") from error


def _text(file: Path) -> str:
    """A file's text, byte for byte (the signature is over it)."""
    try:
        return file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read as text") from error


def _note_of(file: Path, note: Path | None) -> Path:
    return note or file.with_name(f"{file.name}.note")


def take(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(help="The list, as its publisher gives it.")],
    format: Annotated[FormatName, typer.Option(help="How the list is written.")],
    source: Annotated[str, typer.Option(help="List, version, date and licence; stands beside each entry.")],
    provider: Annotated[
        str | None,
        typer.Option(
            help="Whose hosts these are.  [default: as the service or the innermost list is called]"
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="Category, such as chat, api, code-assistant.")] = "chat",
    apply: Annotated[bool, typer.Option("--apply", help="Write the new entries to the catalogue.")] = False,
    catalogue: Annotated[Path | None, typer.Option(help="Catalogue file.  [default: config's own]")] = None,
) -> None:
    """Show what a public list would add to the catalogue; with --apply, add it. Nothing is ever removed."""
    from conduit.instance import CATALOGUE_FOLDER
    from policy.domain_lists import ListFormat, compare, read
    from store.catalogue import load_catalogue, row_of

    target = catalogue or CATALOGUE_FOLDER / "ai_endpoints.csv"
    text = _text(file)
    listed = read(ListFormat(format.value), text, _beside(file, text) if format is FormatName.V2FLY else None)
    with access_to(target, "read"):
        known = load_catalogue(target)
    changes = compare(listed.patterns, listed.skipped, known, source)
    shape = "web" if kind == "chat" else "custom"
    owners = {host: provider or listed.patterns[host] or _called(file, format) for host in changes.new}
    rows = [
        row_of(_new(host, provider=owner, kind=kind, shape=shape, source=source))
        for host, owner in owners.items()
    ]
    if apply and rows:
        _append(target, rows)
    if invocation.json:
        invocation.show_json(
            {
                "added" if apply else "new": list(changes.new),
                "known": changes.known,
                "gone": list(changes.gone),
                "skipped": [
                    {"within": each.within, "line": each.line, "reason": each.reason}
                    for each in listed.skipped
                ],
            }
        )
        return
    for row in rows:
        print(f"+{_line(row)}", end="")
    for host in changes.gone:
        print(f"?{host} is in the catalogue from this source, and no longer in the list")
    for each in listed.skipped:
        print(
            f"!{each.within} line {each.line}: {each.reason}"
            if each.within
            else f"!line {each.line}: {each.reason}"
        )
    done = "added" if apply else "to add; read them, then give --apply"
    invocation.say(f"{len(rows)} {done}; {changes.known} known, {len(listed.skipped)} lines not taken")


def _beside(file: Path, text: str) -> dict[str, str]:
    """The lists of the same folder that a v2fly list includes, and those that they include."""
    from policy.domain_lists import included

    found: dict[str, str] = {}
    front = included(text)
    while front:
        name = front.pop()
        path = file.with_name(name)
        if name in found or not path.is_file():
            continue
        if len(found) >= INCLUDED_MAX:
            raise CommandFailed(f"{file} includes more than {INCLUDED_MAX} lists")
        found[name] = _text(path)
        front += included(found[name])
    return found


def _called(file: Path, format: FormatName) -> str:
    """Whose list it is by its own name; a hosts file is called after nobody."""
    if format is FormatName.HOSTS:
        raise typer.BadParameter("say whose hosts these are: --provider")
    return file.stem


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
