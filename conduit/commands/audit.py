"""``conduit audit``: reading the record, taking it elsewhere, and proving that nobody changed it."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from errno import EISDIR
from os import strerror
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from conduit.command import Invocation, access_to, command, group, read_id
from conduit.commands import proof, verification
from policy.event_formats import Format
from policy.identifiers import CredentialId, PlaceholderId, TenantId

if TYPE_CHECKING:
    from conduit.instance import Instance
    from store.door import Store
    from store.events import Search

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]


class Kind(StrEnum):
    """The kinds of events, as docs/events.md has them."""

    CALL = "call"
    TUNNEL = "tunnel"
    CONNECTION = "connection"
    ACT = "act"
    SIGN_IN = "sign_in"
    INCIDENT = "incident"


class Decision(StrEnum):
    """What was decided about a call or a tunnel."""

    ALLOW = "allow"
    DENY = "deny"


def register(application: typer.Typer) -> None:
    audit = group("audit", "The record of what happened.", application)
    command(audit, "list")(show)
    command(audit, "trace")(trace)
    command(audit, "export")(export)
    verification.register(audit)
    proof.register(audit)


async def show(
    invocation: Invocation,
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
    since: Annotated[str | None, typer.Option(help="From when: 24h, 30d, or 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Before when: 1h, or 2026-11-02.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="What kind of event.")] = None,
    user: Annotated[str | None, typer.Option(help="Name or id of a user of the tenant.")] = None,
    placeholder: Annotated[str | None, typer.Option(help="Id of a placeholder.")] = None,
    credential: Annotated[str | None, typer.Option(help="Name or id of a credential.")] = None,
    model: Annotated[str | None, typer.Option(help="Calls of this model.")] = None,
    host: Annotated[str | None, typer.Option(help="Calls to this host.")] = None,
    address: Annotated[str | None, typer.Option(help="From this source address.")] = None,
    ja4: Annotated[str | None, typer.Option(help="From TLS clients of this JA4 fingerprint.")] = None,
    decision: Annotated[
        Decision | None, typer.Option(help="Calls and tunnels that were let go, or not.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Refused for this reason.")] = None,
    outcome: Annotated[str | None, typer.Option(help="That ended so.")] = None,
    finding: Annotated[
        str | None, typer.Option(help="In whose content this was found, such as email.")
    ] = None,
) -> None:
    """List events, newest first; without a tenant, of all and of the platform itself."""
    from conduit import lookup
    from conduit.instance import opened
    from store import events
    from store.claim import Purpose

    if tenant is None and (user is not None or credential is not None):
        raise typer.BadParameter("--user and --credential need --tenant")
    now = datetime.now(UTC)
    search = events.Search(
        since=lookup.moment(since, now=now, forward=False) if since else None,
        until=lookup.moment(until, now=now, forward=False) if until else None,
        kind=kind.value if kind else None,
        placeholder_id=PlaceholderId(read_id(placeholder)) if placeholder else None,
        host=host.lower() if host else None,
        model=model,
        reason=reason,
        outcome=outcome,
        allowed=decision is Decision.ALLOW if decision else None,
        source_address=str(lookup.address(address)) if address else None,
        finding=finding,
        ja4=ja4,
    )
    async with opened(invocation) as instance:
        if tenant is None and placeholder is not None:
            # Its indexes begin with the tenant, so the whole platform's record need not be read for it.
            tenant = str((await lookup.placeholder(instance.store, None, placeholder)).tenant_id)
        if tenant is None:
            async with instance.store.platform(Purpose.REPORTING) as session:
                found = await events.latest(session, limit=limit, search=search)
        else:
            owner = await lookup.tenant(instance.store, tenant)
            search = await _narrowed(instance.store, owner.tenant_id, search, user, credential)
            async with instance.store.tenant(owner.tenant_id) as session:
                found = await events.latest(session, limit=limit, search=search)
    shown = [{"sequence": item.sequence, **json.loads(item.body)} for item in found]
    invocation.show(shown if invocation.json else [_line(item) for item in shown])


async def _narrowed(
    store: "Store", tenant: TenantId, search: "Search", user: str | None, credential: str | None
) -> "Search":
    """The search for a user and a credential too; one that has been revoked is named by its id."""
    from conduit import lookup

    if user is not None:
        search = replace(search, user_id=(await lookup.user(store, tenant, user)).id)
    if credential is not None:
        try:
            wanted = CredentialId(UUID(credential))
        except ValueError:
            wanted = (await lookup.credential(store, tenant, credential)).id
        search = replace(search, credential_id=wanted)
    return search


async def trace(
    invocation: Invocation,
    placeholder: Annotated[str, typer.Argument(help="Id of the placeholder.", metavar="PLACEHOLDER_ID")],
    tenant: TenantOption = None,
) -> None:
    """Everything that a placeholder touched: calls, hosts, models, addresses, TLS clients, money."""
    from conduit import lookup
    from conduit.instance import opened
    from store import credentials, members
    from store.trace import trace as traced

    async with opened(invocation) as instance:
        found = await lookup.placeholder(instance.store, tenant, placeholder)
        async with instance.store.tenant(found.tenant_id) as session:
            touched = await traced(session, placeholder_id=found.id)
            holder = await members.get(session, member_id=found.member_id)
            credential = None
            if found.credential_id is not None:
                credential = await credentials.get(session, credential_id=found.credential_id)
    document = {
        "tenant_id": found.tenant_id,
        "user": holder.name,
        "credential": credential.name if credential else None,
        "credential_id": found.credential_id,
        "pool": found.pool,
        "created_at": found.created_at.isoformat(),
        "revoked_at": found.revoked_at.isoformat() if found.revoked_at else None,
        "honeytoken": found.honeytoken,
        **_plain(asdict(touched)),
    }
    if invocation.json:
        invocation.show_json(document)
        return
    lists = {name: value for name, value in document.items() if isinstance(value, list)}
    rows = [{"what": name, "value": document[name]} for name in document if name not in lists]
    rows += [
        {"what": name, "value": f"{item['value']}: {item['events']}, {item['first_at']} to {item['last_at']}"}
        for name, items in lists.items()
        for item in items
    ]
    invocation.show(rows)


def _plain(value: Any) -> Any:
    """Times as RFC 3339, tuples as lists."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


async def export(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    out: Annotated[Path, typer.Option(help="File to write; it is replaced whole.")],
    kind: Annotated[
        Format,
        typer.Option("--format", help="jsonl can be verified; csv, cef and ocsf are for other systems."),
    ] = Format.JSONL,
) -> None:
    """Write a tenant's record as JSON lines that end in a signed checkpoint, or in another format."""
    from conduit import lookup

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        with access_to(out, "written"):
            if out.is_dir():
                raise IsADirectoryError(EISDIR, strerror(EISDIR))
            shown = await _exported(instance, owner.tenant_id, out, kind)
    signed = "Keep the key apart from the file; `conduit audit verify --key KEY` then proves who signed it."
    unsigned = "This format cannot be verified; keep the JSON lines beside it."
    invocation.show(
        {"tenant": owner.name, "file": str(out), "format": kind.value, **shown},
        columns=("tenant", "file", "events", "deleted", "key"),
        note=signed if kind is Format.JSONL else unsigned,
    )


async def _exported(instance: "Instance", tenant: TenantId, out: Path, kind: Format) -> dict[str, object]:
    from policy.event_formats import CSV_COLUMNS, cef_line, csv_line
    from policy.event_ocsf import ocsf_line
    from policy.spreadsheet import line
    from store.checkpoint import pinned_keys, signing_key
    from store.export import Lines, export_lines, export_record
    from store.walk import Trust

    keys = pinned_keys(verification.public_keys(instance.folder))
    trust = Trust(
        keys, tuple(verification.held_by(instance.folder)), instance.settings.audit.retention_days_min
    )
    if kind is Format.JSONL:
        key = signing_key(instance.folder / "audit")
        exported = await export_record(instance.store, tenant, path=out, key=key, trust=trust)
        return {
            "events": exported.events,
            "deleted": exported.emptied,
            "deleted_by": verification.permissions(exported.permissions),
            "key": str(key.verifier),
            "checkpoint": exported.note,
        }
    forms = {
        Format.CSV: Lines(csv_line, line(CSV_COLUMNS)),
        Format.CEF: Lines(cef_line),
        Format.OCSF: Lines(ocsf_line),
    }
    events = await export_lines(instance.store, tenant, path=out, lines=forms[kind], trust=trust)
    return {"events": events}


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
