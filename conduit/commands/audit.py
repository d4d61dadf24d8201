"""``conduit audit``: reading the record, taking it elsewhere, and proving that nobody changed it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]


def register(application: typer.Typer) -> None:
    audit = group("audit", "The record of what happened.", application)
    command(audit, "list")(show)
    command(audit, "export")(export)
    command(audit, "verify")(verify)


async def show(
    invocation: Invocation,
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
    since: Annotated[str | None, typer.Option(help="From when: 24h, 30d, or 2026-11-01.")] = None,
    kind: Annotated[str | None, typer.Option(help="call, tunnel, act, sign_in, incident.")] = None,
    host: Annotated[str | None, typer.Option(help="Calls to this host.")] = None,
    reason: Annotated[str | None, typer.Option(help="Refused for this reason.")] = None,
    outcome: Annotated[str | None, typer.Option(help="That ended so.")] = None,
) -> None:
    """List events, newest first; without a tenant, of all and of the platform itself."""
    from conduit import lookup
    from conduit.instance import opened
    from store import events
    from store.claim import Purpose

    now = datetime.now(UTC)
    search = events.Search(
        since=lookup.moment(since, now=now, forward=False) if since else None,
        kind=kind,
        host=host,
        reason=reason,
        outcome=outcome,
    )
    async with opened(invocation) as instance:
        if tenant is None:
            async with instance.store.platform(Purpose.REPORTING) as session:
                found = await events.latest(session, limit=limit, search=search)
        else:
            owner = await lookup.tenant(instance.store, tenant)
            async with instance.store.tenant(owner.tenant_id) as session:
                found = await events.latest(session, limit=limit, search=search)
    shown = [{"sequence": item.sequence, **json.loads(item.body)} for item in found]
    invocation.show(shown if invocation.json else [_line(item) for item in shown])


async def export(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    out: Annotated[Path, typer.Option(help="File to write; it is replaced whole.")],
) -> None:
    """Write a tenant's record as JSON lines that end in a signed checkpoint."""
    from conduit import lookup
    from conduit.instance import opened
    from store.checkpoint import signing_key
    from store.export import export_record

    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant)
        key = signing_key(instance.folder / "audit")
        held = _held(instance.folder)
        try:
            exported = await export_record(instance.store, owner.tenant_id, path=out, key=key, held=held)
        except OSError as error:
            raise CommandFailed(f"{out} cannot be written: {error.strerror}") from error
    invocation.show(
        {
            "tenant": owner.name,
            "file": str(out),
            "events": exported.events,
            "key": str(key.verifier),
            "checkpoint": exported.note,
        },
        columns=("tenant", "file", "events", "key"),
        note="Keep the key apart from the file; `conduit audit verify --key KEY` then proves who signed it.",
    )


async def verify(
    invocation: Invocation,
    file: Annotated[Path | None, typer.Option(help="An export, checked offline.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="Public key that must have signed it.")] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoints that a witness kept, a file or a folder: the record must agree."),
    ] = None,
    tenant: TenantOption = None,
) -> None:
    """Check that nothing was altered, removed, inserted, reordered or cut off: live, or in an export."""
    from store.checkpoint import VerifierKey, pinned_keys
    from store.witness import witnessed

    # Where the instance that signed is at hand, its own public keys are the ones to expect.
    keys = tuple(VerifierKey.parse(text) for text in key or ()) or pinned_keys(_public_keys(invocation.data))
    kept = witnessed(checkpoint or (), keys)
    if file:
        shown = [_verify_file(invocation, file, keys, kept)]
    else:
        shown = await _verify_live(invocation, tenant, keys, kept)
    invocation.show(shown if file is None or not invocation.json else shown[0])


def _verify_file(
    invocation: Invocation, file: Path, keys: tuple[Any, ...], kept: list[Any]
) -> dict[str, object]:
    from store.verify import verify_export

    try:
        verified = verify_export(file, pinned=keys, held=kept)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error
    if not verified.pinned:
        invocation.say(
            "The signing key was not known beforehand: this shows that the file agrees with itself."
        )
    return {**_verified(verified), "file": str(file)}


async def _verify_live(
    invocation: Invocation, tenant: str | None, keys: tuple[Any, ...], kept: list[Any]
) -> list[dict[str, object]]:
    from conduit import lookup
    from conduit.instance import opened
    from store import erasure
    from store.tenants import PLATFORM
    from store.verify import verify_record

    found: list[dict[str, object]] = []
    async with opened(invocation) as instance:
        held = [*_held(instance.folder), *kept]
        names = {item.tenant_id: item.name for item in await lookup.every_tenant(instance.store, tenant)}
        if tenant is None:
            names[PLATFORM] = "platform"
        for tenant_id, name in names.items():
            verified = await verify_record(instance.store, tenant_id, trusted=keys, held=held)
            found.append({**_verified(verified), "tenant": name})
        if tenant is None and (unproven := await erasure.unproven(instance.store)):
            raise CommandFailed(
                f"marked as deleted, without the proof of it: {', '.join(map(str, unproven))}"
            )
    return found


def _held(folder: Path) -> list[Any]:
    """The checkpoints that the instance has signed before: a record that is shorter now was cut."""
    from store.checkpoint import pinned_keys
    from store.witness import HeldCheckpoints

    return HeldCheckpoints(folder / "audit" / "held", pinned_keys(_public_keys(folder))).every()


def _public_keys(folder: Path) -> Path:
    """One key a line: the instance's own, and those of other instances that share its database."""
    return folder / "audit" / "checkpoint.pub"


def _verified(verified: Any) -> dict[str, object]:
    return {
        "tenant": str(verified.tenant_id),
        "intact": True,
        "events": verified.events,
        "checkpoints": verified.checkpoints,
        "pinned": verified.pinned,
    }


def _line(event: dict[str, Any]) -> dict[str, object]:
    return {
        "at": event["at"],
        "kind": event["kind"],
        "who": event.get("user") or event.get("actor"),
        "what": event.get("host") or f"{event.get('action', '')} {event.get('target', '')}".strip(),
        "model": event.get("model"),
        "result": event.get("reason") or event.get("outcome"),
        "sequence": event["sequence"],
    }
