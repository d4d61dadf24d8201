"""``conduit identity``: which sources of identity are enough, and who held an address."""

from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group

Tenant = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
Host = Annotated[str, typer.Argument(help="A host, '*.name' for all below it, or '*' for every host.")]


def register(application: typer.Typer) -> None:
    identity = group("identity", "What says who is calling, and how much of it is enough.", application)
    command(identity, "set")(require)
    command(identity, "list")(show)
    command(identity, "clear")(clear)
    command(identity, "holder")(holder)


async def require(
    invocation: Invocation,
    host: Host,
    tenant: Tenant,
    sources: Annotated[
        str, typer.Option(help="Each enough alone, with commas; such as placeholder,token,certificate.")
    ],
) -> None:
    """Call for one of these sources where the tenant calls a host; the most exact rule counts."""
    from conduit import lookup
    from conduit.instance import actor
    from store import sufficiency_acts

    wanted = _sources(sources)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        made = await sufficiency_acts.require_sources(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, host=host, sources=wanted
        )
    invocation.show(_document(made, owner.name))


async def show(invocation: Invocation, tenant: Tenant) -> None:
    """List what a tenant takes for enough; the operator's own rules stand in the settings."""
    from conduit import lookup
    from store import sufficiency

    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        found = await sufficiency.every(session)
    invocation.show([_document(each, owner.name) for each in found])


async def clear(invocation: Invocation, host: Host, tenant: Tenant) -> None:
    """Take a tenant's rule for a host back: a wider one counts, or any source."""
    from conduit import lookup
    from conduit.instance import actor
    from store import sufficiency_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        ended = await sufficiency_acts.clear_sources(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, host=host
        )
    invocation.show(_document(ended, owner.name))


async def holder(
    invocation: Invocation,
    address: Annotated[str, typer.Argument(help="Such as 10.8.0.7.")],
    tenant: Tenant,
    at: Annotated[
        str | None, typer.Option(help="Such as 2026-11-03T10:00:00Z or 2h (ago); now, if left out.")
    ] = None,
) -> None:
    """Name who held an address at a moment, however long ago."""
    from datetime import UTC, datetime

    from conduit import lookup
    from store import address_sessions

    now = datetime.now(UTC)
    moment = lookup.moment(at, now=now, forward=False) if at is not None else now
    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        held = await address_sessions.holder(session, address=lookup.address(address), at=moment)
    invocation.show([_held(held, owner.name)] if held is not None else [])


def _sources(text: str) -> list[Any]:
    from policy.exchange import IdentitySource

    try:
        return [IdentitySource(word.strip()) for word in text.split(",") if word.strip()]
    except ValueError as error:
        known = ", ".join(source.value for source in IdentitySource)
        raise CommandFailed(f"{error}; sources are {known}") from error


def _document(rule: Any, tenant: str) -> dict[str, object]:
    return {
        "tenant": tenant,
        "host": rule.host,
        "sources": [str(source) for source in rule.sources],
        "updated_at": rule.updated_at.isoformat(),
    }


def _held(session: Any, tenant: str) -> dict[str, object]:
    return {
        "tenant": tenant,
        "address": str(session.address),
        "user": session.user_name,
        "source": session.source,
        "started_at": session.started_at.isoformat(),
        "expires_at": session.expires_at.isoformat(),
    }
