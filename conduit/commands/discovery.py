"""``conduit discovery``: the inventory of AI endpoints that were used, and its review."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from conduit.command import Invocation, command, group

if TYPE_CHECKING:
    from store.inventory import Detail, Item, Review, Use

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]
OwnTenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
HostArgument = Annotated[str, typer.Argument(help="Such as chat.example.com.")]


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


async def show_all(invocation: Invocation, tenant: TenantOption = None) -> None:
    """List the AI endpoints that calls went to, last seen first."""
    from conduit import lookup
    from conduit.instance import inventory_defaults, opened
    from store import inventory
    from store.claim import Purpose

    async with opened(invocation) as instance:
        defaults = inventory_defaults(instance.settings)
        if tenant is None:
            async with instance.store.platform(Purpose.REPORTING) as session:
                found = await inventory.items(session, defaults=defaults)
        else:
            owner = await lookup.tenant(instance.store, tenant)
            async with instance.store.tenant(owner.tenant_id) as session:
                found = await inventory.items(session, defaults=defaults)
    invocation.show([_document(item) for item in found], columns=_COLUMNS)


async def show(invocation: Invocation, host: HostArgument, tenant: OwnTenantOption) -> None:
    """Show one endpoint: evidence, who uses it and from where, review, and the parts of its risk."""
    from conduit import lookup
    from conduit.instance import inventory_defaults, opened
    from store import inventory
    from store.hosts import stated_host

    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant)
        defaults = inventory_defaults(instance.settings)
        async with instance.store.tenant(owner.tenant_id) as session:
            found = await inventory.detail(session, host=stated_host(host), defaults=defaults)
    told = _whole(found)
    if invocation.json:
        invocation.show_json(told)
    else:
        invocation.show([{"fact": name, "value": _plain(value)} for name, value in told.items()])


async def review(
    invocation: Invocation,
    host: HostArgument,
    tenant: OwnTenantOption,
    owner: Annotated[str | None, typer.Option(help="Who looks after it.")] = None,
    note: Annotated[str | None, typer.Option(help="What was found, or why it is decided so.")] = None,
    state: Annotated[Outcome | None, typer.Option(help="Decide, which ends the review.")] = None,
) -> None:
    """Take an endpoint into review, add to the review, or end it by a decision."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from policy.exchange import EndpointState
    from store import review_acts

    finding = review_acts.Finding(owner, note, EndpointState(state.value) if state else None)
    async with opened(invocation) as instance:
        whose = await lookup.tenant(instance.store, tenant)
        made = await review_acts.review(
            instance.store, actor=actor(), tenant_id=whose.tenant_id, host=host, finding=finding
        )
    stage = "decided" if state else "in review"
    invocation.show(
        {"host": made.host, "stage": stage, "state": state.value if state else None, **_review(made)}
    )


async def reopen(invocation: Invocation, host: HostArgument, tenant: OwnTenantOption) -> None:
    """Make an endpoint new again: its review and the tenant's decision are taken back."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from store import review_acts

    async with opened(invocation) as instance:
        whose = await lookup.tenant(instance.store, tenant)
        await review_acts.reopen(instance.store, actor=actor(), tenant_id=whose.tenant_id, host=host)
    invocation.show({"host": host, "stage": "new"})


_COLUMNS = ("host", "product", "verdict", "state", "stage", "risk", "calls", "users", "owner", "last_seen")


def _document(item: "Item") -> dict[str, object]:
    """An endpoint as a program reads it: bytes, micro-dollars, moments in ISO 8601."""
    entry, review, decision = item.entry, item.review, item.decision
    return {
        "host": item.host,
        "tenant": item.tenant,
        "provider": item.provider,
        "product": entry.product if entry else None,
        "category": entry.kind if entry else None,
        "verdict": item.verdict,
        "score": item.score,
        "evidence": list(item.evidence),
        "state": item.state.value,
        "stage": item.stage.value,
        "decision": {
            "source": decision.source,
            "by": decision.by,
            "at": decision.at.isoformat() if decision.at else None,
            "note": decision.note,
        },
        "owner": review.owner if review else None,
        "review": _review(review) if review else None,
        **{name: getattr(item, name) for name in _COUNTS},
        "cost_micro_dollars": item.cost,
        "data_classes": dict(item.data_classes),
        "private_use": dict(item.private_use),
        "risk": item.risk.score,
        "risk_parts": [
            {"name": part.name, "points": part.points, "reason": part.reason} for part in item.risk.parts
        ],
        "first_seen": item.first_seen.isoformat(),
        "last_seen": item.last_seen.isoformat(),
    }


_COUNTS = ("calls", "refused", "users", "networks", "bytes_up", "bytes_down")


def _whole(found: "Detail") -> dict[str, object]:
    """The same, with who used it and from where, and what the catalogue says."""
    entry = found.item.entry
    catalogued: dict[str, object] | None = None
    if entry is not None:
        catalogued = {
            "pattern": entry.host,
            "operator_country": entry.country,
            "region": entry.region,
            "trains": entry.training.value,
            "evasions": list(entry.evasions),
            "source": entry.source,
            "date": entry.date,
        }
    uses = {"used_by": _uses(found.users), "used_from": _uses(found.networks)}
    return {**_document(found.item), **uses, "catalogue": catalogued}


def _uses(uses: "tuple[Use, ...]") -> list[dict[str, object]]:
    return [
        {
            "name": use.name,
            "calls": use.calls,
            "first_seen": use.first_seen.isoformat(),
            "last_seen": use.last_seen.isoformat(),
        }
        for use in uses
    ]


def _review(review: "Review") -> dict[str, object]:
    return {
        "owner": review.owner,
        "note": review.note,
        "reviewed_by": review.reviewed_by,
        "started_at": review.started_at.isoformat(),
        "updated_at": review.updated_at.isoformat(),
    }


def _plain(value: object) -> object:
    """Nested values in one line each, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items() if inner is not None) or None
    if isinstance(value, list):
        return "; ".join(str(_plain(each)) for each in value) or None
    return value
