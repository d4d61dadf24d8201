"""``conduit discovery``: the inventory of AI endpoints that were used, and its review."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from conduit.command import Invocation, MayBeEmpty, command, group

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]
OwnTenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
HostArgument = Annotated[str, typer.Argument(help="Such as chat.example.com.")]


class StageName(StrEnum):
    """As ``store.inventory.Stage``."""

    NEW = "new"
    IN_REVIEW = "in review"
    DECIDED = "decided"


class Outcome(StrEnum):
    """What a review can come to, as ``policy.exchange.EndpointState``."""

    SANCTIONED = "sanctioned"
    MONITORED = "monitored"
    COACHED = "coached"
    BLOCKED = "blocked"


def register(application: typer.Typer) -> None:
    discovery = group("discovery", "AI endpoints that were seen, and their review.", application)
    command(discovery, "list")(show_all)
    command(discovery, "show")(show)
    command(discovery, "review")(review)
    command(discovery, "reopen")(reopen)
    command(discovery, "tunnels")(tunnels)


async def show_all(
    invocation: Invocation,
    tenant: TenantOption = None,
    stage: Annotated[StageName | None, typer.Option(help="Only those in this stage of review.")] = None,
    search: Annotated[str, typer.Option(help="Only hosts with this in their name.")] = "",
    catalogued: Annotated[
        bool | None, typer.Option("--catalogued/--unknown", help="Only those in the catalogue, or in none.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 1000,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many that were seen later.")] = 0,
) -> None:
    """List the AI endpoints that calls went to, last seen first."""
    from conduit import lookup
    from conduit.instance import inventory_defaults, opened
    from store import inventory
    from store.inventory_document import document

    async with opened(invocation) as instance:
        defaults = inventory_defaults(instance.settings)
        chosen = inventory.Stage(stage.value) if stage is not None else None
        wanted = inventory.Wanted(chosen, search, catalogued, limit, offset)
        async with lookup.reading(instance.store, tenant) as session:
            found = await inventory.items(session, defaults=defaults, wanted=wanted)
            counts = await inventory.counts(session, wanted=wanted)
    invocation.show([document(item) for item in found], columns=_COLUMNS)
    every = inventory.number_found(counts, chosen)
    if len(found) < every:
        invocation.say(f"{len(found)} of {every}; narrow it (--search, --stage), or go on with --offset")


async def show(invocation: Invocation, host: HostArgument, tenant: OwnTenantOption) -> None:
    """Show one endpoint: evidence, who uses it and from where, review, and the parts of its risk."""
    from conduit import lookup
    from conduit.instance import inventory_defaults
    from store import inventory
    from store.hosts import stated_host
    from store.inventory_document import whole

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        defaults = inventory_defaults(instance.settings)
        async with instance.store.tenant(owner.tenant_id) as session:
            found = await inventory.detail(session, host=stated_host(host), defaults=defaults)
    told = whole(found)
    if invocation.json:
        invocation.show_json(told)
    else:
        rows = {**told, "catalogue": None} | _catalogued(told["catalogue"])
        invocation.show([{"fact": name, "value": _plain(value)} for name, value in rows.items()])


async def review(
    invocation: Invocation,
    host: HostArgument,
    tenant: OwnTenantOption,
    owner: Annotated[str | None, MayBeEmpty, typer.Option(help='Who looks after it; "" for nobody.')] = None,
    note: Annotated[str | None, typer.Option(help="What was found, or why it is decided so.")] = None,
    state: Annotated[Outcome | None, typer.Option(help="Decide, which ends the review.")] = None,
) -> None:
    """Take an endpoint into review, add to the review, or end it by a decision."""
    from conduit import lookup
    from conduit.instance import actor
    from policy.exchange import EndpointState
    from store import review_acts
    from store.inventory_document import review_document

    finding = review_acts.Finding(owner, note, EndpointState(state.value) if state else None)
    async with lookup.opened_for(invocation, tenant) as (instance, whose):
        made = await review_acts.review(
            instance.store, actor=actor(), tenant_id=whose.tenant_id, host=host, finding=finding
        )
    stage = "decided" if state else "in review"
    invocation.show(
        {"host": made.host, "stage": stage, "state": state.value if state else None, **review_document(made)}
    )


async def reopen(invocation: Invocation, host: HostArgument, tenant: OwnTenantOption) -> None:
    """Make an endpoint new again: its review and the tenant's decision are taken back."""
    from conduit import lookup
    from conduit.instance import actor
    from store import review_acts

    async with lookup.opened_for(invocation, tenant) as (instance, whose):
        await review_acts.reopen(instance.store, actor=actor(), tenant_id=whose.tenant_id, host=host)
    invocation.show({"host": host, "stage": "new"})


async def tunnels(
    invocation: Invocation,
    tenant: TenantOption = None,
    since: Annotated[str, typer.Option(help="From when: 24h, 30d, or 2026-11-01.")] = "7d",
) -> None:
    """List what passed undecrypted, by host: connections and bytes, the most bytes first."""
    from conduit import lookup
    from conduit.instance import opened
    from store.tunnels import tunnels as passed

    now = datetime.now(UTC)
    start = lookup.moment(since, now=now, forward=False)
    async with opened(invocation) as instance, lookup.reading(instance.store, tenant) as session:
        found = await passed(session, since=start, until=now)
    rows = [
        {**asdict(each), "first_seen": each.first_seen.isoformat(), "last_seen": each.last_seen.isoformat()}
        for each in found
    ]
    invocation.show(rows, columns=_PASSED)


_PASSED = ("host", "connections", "refused", "bytes_up", "bytes_down", "verdict", "last_seen")
_COLUMNS = ("host", "product", "verdict", "state", "stage", "risk", "calls", "users", "owner", "last_seen")


def _catalogued(told: object) -> dict[str, object]:
    """A line for each fact of the catalogue, with its source and date behind it."""
    if not isinstance(told, dict):
        return {}
    stated = {name: each for name, each in told.items() if isinstance(each, dict)}
    lines = {
        f"catalogue {name}": f"{each['value']}  ({each['source']}, {each['date']})"
        if each["source"]
        else each["value"]
        for name, each in stated.items()
    }
    listed = f"{told['pattern']}, served in {told['region']}  ({told['source']}, {told['date']})"
    return {"catalogue": listed, **lines}


def _plain(value: object) -> object:
    """Nested values in one line each, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items() if inner is not None) or None
    if isinstance(value, list):
        return "; ".join(str(_plain(each)) for each in value) or None
    return value
