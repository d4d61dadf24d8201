"""``conduit audit verify``: proving that nobody changed the record, live or in an export."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, access_to, command

if TYPE_CHECKING:
    from store.walk import Permission, Trust

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]


def register(audit: typer.Typer) -> None:
    command(audit, "verify")(verify)


async def verify(
    invocation: Invocation,
    file: Annotated[Path | None, typer.Option(help="An export, checked offline.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="Public key that must have signed it.")] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoints that a witness kept, a file or a folder: the record must agree."),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            help="A witness to agree with: a folder, s3://bucket/prefix, or `configured` (all of them)."
        ),
    ] = None,
    tenant: TenantOption = None,
    days_min: Annotated[
        int | None,
        typer.Option(
            "--retention-days-min",
            min=0,
            max=36_500,
            help="Shortest period after which events may have been deleted."
            "  [default: audit.retention_days_min]",
        ),
    ] = None,
) -> None:
    """Check that nothing was altered, removed, inserted, reordered or cut off: live, or in an export."""
    from conduit import witnesses
    from conduit.instance import settings_of
    from store.checkpoint import VerifierKey, pinned_keys
    from store.walk import Trust
    from store.witness import witnessed

    # Where the instance that signed is at hand, its own public keys are the ones to expect.
    keys = tuple(VerifierKey.parse(text) for text in key or ()) or pinned_keys(public_keys(invocation.data))
    audit = settings_of(invocation).audit
    kept = []
    for path in checkpoint or ():
        with access_to(path, "read"):
            kept += witnessed([path], keys)
    for name in witness or ():
        kept += await asyncio.to_thread(witnesses.seen, name, audit, invocation.data, keys)
    trust = Trust(keys, tuple(kept), audit.retention_days_min if days_min is None else days_min)
    shown = [_verify_file(invocation, file, trust)] if file else await _verify_live(invocation, tenant, trust)
    invocation.show(
        shown if file is None or not invocation.json else shown[0],
        columns=("tenant", "intact", "events", "deleted", "checkpoints", "pinned"),
    )


def _verify_file(invocation: Invocation, file: Path, trust: "Trust") -> dict[str, object]:
    from store.verify import verify_export

    with access_to(file, "read"):
        verified = verify_export(file, pinned=trust.keys, held=trust.held, days_min=trust.days_min)
    if not verified.pinned:
        invocation.say(
            "The signing key was not known beforehand: this shows that the file agrees with itself."
        )
    return {**_verified(verified), "file": str(file)}


async def _verify_live(invocation: Invocation, tenant: str | None, trust: "Trust") -> list[dict[str, object]]:
    from conduit import lookup
    from conduit.instance import opened
    from store import erasure
    from store.tenants import PLATFORM
    from store.verify import verify_record

    found: list[dict[str, object]] = []
    async with opened(invocation) as instance:
        held = [*held_by(instance.folder), *trust.held]
        names = {item.tenant_id: item.name for item in await lookup.every_tenant(instance.store, tenant)}
        if tenant is None:
            names[PLATFORM] = "platform"
        for tenant_id, name in names.items():
            verified = await verify_record(
                instance.store, tenant_id, trusted=trust.keys, held=held, days_min=trust.days_min
            )
            found.append({**_verified(verified), "tenant": name})
        if tenant is None and (unproven := await erasure.unproven(instance.store)):
            raise CommandFailed(
                f"marked as deleted, without the proof of it: {', '.join(map(str, unproven))}"
            )
    return found


def held_by(folder: Path) -> list[Any]:
    """The checkpoints that the instance has signed before: a record that is shorter now was cut."""
    from store.checkpoint import pinned_keys
    from store.witness import HeldCheckpoints

    return HeldCheckpoints(folder / "audit" / "held", pinned_keys(public_keys(folder))).every()


def public_keys(folder: Path) -> Path:
    """One key a line: the instance's own, and those of other instances that share its database."""
    return folder / "audit" / "checkpoint.pub"


def _verified(verified: Any) -> dict[str, object]:
    return {
        "tenant": str(verified.tenant_id),
        "intact": True,
        "events": verified.events,
        "deleted": verified.emptied,
        "deleted_by": permissions(verified.permissions),
        "checkpoints": verified.checkpoints,
        "pinned": verified.pinned,
    }


def permissions(found: Sequence["Permission"]) -> list[dict[str, object]]:
    """By which acts the text of events was deleted."""
    return [
        {
            "event": each.event_id,
            "sequence": each.sequence,
            "at": each.at,
            "by": each.actor,
            "through": each.through,
            "days": each.days,
        }
        for each in found
    ]
