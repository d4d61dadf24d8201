"""``conduit audit prove`` and ``verify-proof``: proofs of single events, and of a record that only grew."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from conduit.command import Invocation, access_to, command
from conduit.commands.verification import public_keys


def register(audit: typer.Typer) -> None:
    command(audit, "prove")(prove)
    command(audit, "verify-proof")(verify_proof)


async def prove(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    event: Annotated[str | None, typer.Option(help="Id of an event, or its number: that it is in.")] = None,
    since: Annotated[
        Path | None, typer.Option("--from", help="An earlier checkpoint: that the record only grew since.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint to prove by.  [default: the newest]")
    ] = None,
) -> None:
    """Write a proof that an event is in a record, or that a record only grew since a checkpoint."""
    from conduit import lookup
    from store.canonical import canonical
    from store.checkpoint import signing_key
    from store.proof import prove_consistency, prove_inclusion

    if (event is None) == (since is None):
        raise typer.BadParameter("say either --event or --from")
    note = None if checkpoint is None else _note(checkpoint)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        key = signing_key(instance.folder / "audit").verifier
        if since is not None:
            document = await prove_consistency(
                instance.store, owner.tenant_id, first=_note(since), second=note, key=key
            )
        else:
            event_id, sequence = _named(event or "")
            document = await prove_inclusion(
                instance.store, owner.tenant_id, event_id=event_id, sequence=sequence, key=key, note=note
            )
    with access_to(out, "written"):
        out.write_bytes(canonical(document) + b"\n")
    invocation.show(
        {
            "tenant": owner.name,
            "kind": document["kind"],
            "sequence": document.get("sequence"),
            "hashes": len(document["path"]),
            "file": str(out),
            "key": document["key"],
        }
    )


def verify_proof(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(help="A proof, checked offline.")],
    key: Annotated[list[str] | None, typer.Option(help="Public key that must have signed it.")] = None,
) -> None:
    """Check a proof: exit 1 unless it shows what it claims."""
    from store.checkpoint import VerifierKey, pinned_keys
    from store.proof import check

    keys = tuple(VerifierKey.parse(text) for text in key or ()) or pinned_keys(public_keys(invocation.data))
    with access_to(file, "read"):
        data = file.read_bytes()
    proven = check(data, keys)
    if not proven.pinned:
        invocation.say("The signing key was not known beforehand: anybody could have made this proof.")
    invocation.show(
        {
            "holds": True,
            "kind": proven.kind,
            "tenant": str(proven.tenant_id),
            "sequence": proven.sequence,
            "from_events": proven.first.size if proven.first else None,
            "events": proven.checkpoint.size,
            "at": proven.checkpoint.at,
            "pinned": proven.pinned,
            "event": proven.event,
        }
    )


def _named(text: str) -> tuple[UUID | None, int | None]:
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return None, int(text)
    try:
        return UUID(text), None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither an event's id nor its number") from None


def _note(path: Path) -> str:
    from store.witness import read_note

    with access_to(path, "read"):
        return read_note(path)
