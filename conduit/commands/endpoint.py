"""``conduit endpoint``: which AI endpoints may be used."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from conduit.command import Invocation, command, group
from conduit.commands import exception, pinned

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
    command(endpoint, "clear")(clear_state)
    exception.register(endpoint)
    pinned.register(endpoint)


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
        owner = await lookup.tenant(instance.store, tenant) if tenant is not None else None
        rule = await endpoint_acts.set_endpoint_state(
            instance.store,
            actor=actor(),
            host=host,
            state=EndpointState(state.value),
            tenant_id=owner.tenant_id if owner else None,
            note=note,
        )
    invocation.show(_document(rule, owner.name if owner else None))


async def clear_state(
    invocation: Invocation,
    host: Annotated[str, typer.Argument(help="Such as chat.example.com.")],
    tenant: TenantOption = None,
) -> None:
    """Take a decision back: a tenant's, or the one for all; what was in force without it is so again."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from store import endpoint_acts

    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant) if tenant is not None else None
        rule = await endpoint_acts.clear_endpoint_state(
            instance.store, actor=actor(), host=host, tenant_id=owner.tenant_id if owner else None
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


def _document(rule: Any, tenant: str | None) -> dict[str, object]:
    return {
        "host": rule.host,
        "state": rule.state.value,
        "tenant": tenant,
        "note": rule.note,
        "updated_at": rule.updated_at.isoformat(),
    }
