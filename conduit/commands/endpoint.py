"""``conduit endpoint`` and ``conduit discovery``: which AI endpoints are used, and which may be."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from conduit.command import Invocation, command, group
from conduit.commands import exception

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name or id of the tenant.")]


class StateName(StrEnum):
    """The states of an endpoint, as ``policy.exchange.EndpointState``."""

    SANCTIONED = "sanctioned"
    MONITORED = "monitored"
    COACHED = "coached"
    BLOCKED = "blocked"


def register(application: typer.Typer) -> None:
    endpoint = group("endpoint", "Decisions about AI endpoints.", application)
    command(endpoint, "list")(show)
    command(endpoint, "set")(set_state)
    exception.register(endpoint)
    discovery = group("discovery", "AI endpoints that were seen.", application)
    command(discovery, "list")(inventory)


async def set_state(
    invocation: Invocation,
    host: Annotated[str, typer.Argument(help="Such as chat.example.com.")],
    state: Annotated[StateName, typer.Option(help="What is decided about it.")],
    tenant: TenantOption = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Decide about a host: for one tenant, or for all that have no decision of their own."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from policy.exchange import EndpointState
    from store import endpoint_acts

    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant) if tenant else None
        rule = await endpoint_acts.set_endpoint_state(
            instance.store,
            actor=actor(),
            host=host,
            state=EndpointState(state.value),
            tenant_id=owner.tenant_id if owner else None,
            note=note,
        )
    invocation.show(_document(rule, owner.name if owner else None))


async def show(invocation: Invocation, tenant: TenantOption = None) -> None:
    """List the decisions; without a tenant those for all, and every tenant's."""
    from conduit import lookup
    from conduit.instance import opened
    from store import endpoints
    from store.claim import Purpose

    found = []
    async with opened(invocation) as instance:
        if tenant is None:
            async with instance.store.platform(Purpose.ADMINISTRATION) as session:
                found += [_document(rule, None) for rule in await endpoints.platform_rules(session)]
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                found += [_document(rule, owner.name) for rule in await endpoints.rules(session)]
    invocation.show(found)


async def inventory(invocation: Invocation, tenant: TenantOption = None) -> None:
    """List the AI endpoints that calls went to, last seen first."""
    from conduit import lookup
    from conduit.instance import opened
    from store import overview
    from store.claim import Purpose

    async with opened(invocation) as instance:
        stated = instance.settings.endpoints
        defaults = overview.Defaults(stated.default_catalogued, stated.default_unknown)
        if tenant is None:
            async with instance.store.platform(Purpose.REPORTING) as session:
                seen = await overview.endpoints(session, defaults=defaults)
        else:
            owner = await lookup.tenant(instance.store, tenant)
            async with instance.store.tenant(owner.tenant_id) as session:
                seen = await overview.endpoints(session, defaults=defaults)
    invocation.show([_seen(item) for item in seen], columns=_COLUMNS)


_COLUMNS = ("host", "provider", "verdict", "score", "state", "calls", "last_seen", "evidence")


def _seen(item: Any) -> dict[str, object]:
    return {
        "host": item.host,
        "provider": item.provider,
        "verdict": item.verdict,
        "score": item.score,
        "evidence": list(item.evidence),
        "state": str(item.state),
        "calls": item.calls,
        "first_seen": item.first_seen.isoformat(),
        "last_seen": item.last_seen.isoformat(),
    }


def _document(rule: Any, tenant: str | None) -> dict[str, object]:
    return {
        "host": rule.host,
        "state": rule.state.value,
        "tenant": tenant,
        "note": rule.note,
        "updated_at": rule.updated_at.isoformat(),
    }
