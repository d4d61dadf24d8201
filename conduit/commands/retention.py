"""``conduit retention`` and ``conduit hold``: how long the record stays, and what forbids deleting it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group, read_id

TenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
AnyTenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]
Reason = Annotated[str, typer.Option(help="Why, as it stands in the record.")]

FOREVER = "forever"


def register(application: typer.Typer) -> None:
    retention = group("retention", "How long events and kept content stay.", application)
    command(retention, "set")(state)
    command(retention, "show")(show)
    command(retention, "run")(run)
    hold = group("hold", "Legal holds: nothing is deleted while one stands.", application)
    command(hold, "place")(place)
    command(hold, "release")(release)
    command(hold, "list")(holds)


async def state(
    invocation: Invocation,
    tenant: TenantOption,
    days: Annotated[str | None, typer.Option(help="Of events: a number of days, or forever.")] = None,
    content_days: Annotated[
        str | None, typer.Option(help="Of kept prompts and answers: days, or forever (as long as events).")
    ] = None,
) -> None:
    """State how long a tenant's events and content stay; what is not given stays as it is."""
    from conduit import lookup
    from conduit.instance import actor
    from store import retention, retention_acts

    if days is None and content_days is None:
        raise typer.BadParameter("say --days, --content-days, or both")
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        async with instance.store.tenant(owner.tenant_id) as session:
            before = await retention.find(session)
        kept = (before.event_days, before.content_days) if before else (None, None)
        stated = await retention_acts.set_retention(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            event_days=kept[0] if days is None else _days(days),
            content_days=kept[1] if content_days is None else _days(content_days),
            days_min=instance.settings.audit.retention_days_min,
        )
    invocation.show(_document(owner.name, stated))


async def show(invocation: Invocation, tenant: AnyTenantOption = None) -> None:
    """Show the periods, how far events have been deleted, and the holds that stand."""
    from conduit import lookup
    from conduit.instance import opened
    from store import retention

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                stated = await retention.find(session)
                standing = [each for each in await retention.holds(session) if each.released_at is None]
            found.append({**_document(owner.name, stated), "holds": len(standing)})
    invocation.show(found)


async def run(invocation: Invocation, tenant: AnyTenantOption = None) -> None:
    """Delete what is older than its period, as the instance does every hour. May be killed and repeated."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from store import retention_acts

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            pruned = await retention_acts.prune(instance.store, actor=actor(), tenant_id=owner.tenant_id)
            found.append({"tenant": owner.name, **asdict(pruned), "tenant_id": str(pruned.tenant_id)})
    invocation.show(found, columns=("tenant", "events", "through", "held"))


async def place(invocation: Invocation, tenant: TenantOption, reason: Reason) -> None:
    """Forbid deleting anything of a tenant. Somebody else has to release it."""
    from conduit import lookup
    from conduit.instance import actor
    from store import retention_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        placed = await retention_acts.place_hold(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, reason=reason
        )
    invocation.show(_hold(owner.name, placed))


async def release(
    invocation: Invocation,
    hold: Annotated[str, typer.Argument(help="Id of the hold.", metavar="HOLD_ID")],
    tenant: TenantOption,
    reason: Reason,
) -> None:
    """End a hold that another person has placed."""
    from conduit import lookup
    from conduit.instance import actor
    from store import retention_acts

    hold_id = read_id(hold)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        ended = await retention_acts.release_hold(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, hold_id=hold_id, reason=reason
        )
    invocation.show(_hold(owner.name, ended))


async def holds(invocation: Invocation, tenant: AnyTenantOption = None) -> None:
    """List the holds, standing and ended, newest first."""
    from conduit import lookup
    from conduit.instance import opened
    from store import retention

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                found += [_hold(owner.name, each) for each in await retention.holds(session)]
    invocation.show(found)


def _days(text: str) -> int | None:
    if text == FOREVER:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise CommandFailed(f"{text!r} is no number of days; write 365, or {FOREVER}")
    return int(text)


def _document(tenant: str, stated: Any) -> dict[str, object]:
    return {
        "tenant": tenant,
        "event_days": stated.event_days if stated else None,
        "content_days": stated.content_days if stated else None,
        "deleted_through": stated.emptied if stated else 0,
    }


def _hold(tenant: str, hold: Any) -> dict[str, object]:
    facts = {name: value for name, value in asdict(hold).items() if name != "tenant_id"}
    return {
        "tenant": tenant,
        **{
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()
        },
        "id": str(hold.id),
    }
