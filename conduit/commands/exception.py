"""``conduit endpoint except``: a user or a team that may use an endpoint that is held back."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command

Tenant = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]


def register(endpoint: typer.Typer) -> None:
    """Add the commands to the group ``endpoint``."""
    command(endpoint, "except")(add)
    command(endpoint, "exceptions")(show)
    command(endpoint, "unexcept")(end)


async def add(
    invocation: Invocation,
    host: Annotated[str, typer.Argument(help="Such as chat.example.com.")],
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why; it stands in the record.")],
    expires: Annotated[str, typer.Option(help="When it ends: 7d, 12h, or 2026-12-31.")],
    user: Annotated[str | None, typer.Option(help="Name or id of the user.")] = None,
    team: Annotated[str | None, typer.Option(help="Name of the team.")] = None,
) -> None:
    """Except one user, or one team, from the state of an endpoint, for a reason and a time."""
    from conduit import lookup
    from conduit.instance import actor
    from store import endpoint_acts
    from store.endpoints import ExceptionSubject

    if (user is None) == (team is None):
        raise CommandFailed("name either --user or --team")
    expires_at = lookup.moment(expires, now=datetime.now(UTC), forward=True)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        if user is not None:
            subject = ExceptionSubject(
                member_id=(await lookup.user(instance.store, owner.tenant_id, user)).id
            )
        else:
            subject = ExceptionSubject(
                team_id=(await lookup.team(instance.store, owner.tenant_id, team or "")).id
            )
        made = await endpoint_acts.except_subject(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            new=endpoint_acts.NewException(host, subject, reason, expires_at),
        )
    invocation.show(_document(made, owner.name))


async def show(invocation: Invocation, tenant: Tenant) -> None:
    """List the exceptions of a tenant, those that are over included."""
    from conduit import lookup
    from store import endpoints

    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        found = await endpoints.exceptions(session)
    invocation.show([_document(each, owner.name) for each in found])


async def end(
    invocation: Invocation,
    exception: Annotated[str, typer.Argument(help="Id of the exception.")],
    tenant: Tenant,
) -> None:
    """End an exception before its time."""
    from conduit import lookup
    from conduit.instance import actor
    from store import endpoint_acts

    identity = lookup.by_id(exception, "an exception", shown_by="conduit endpoint exceptions")
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        ended = await endpoint_acts.end_exception(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, exception_id=identity
        )
    invocation.show(_document(ended, owner.name))


def _document(made: Any, tenant: str) -> dict[str, object]:
    return {
        "id": str(made.id),
        "tenant": tenant,
        "host": made.host,
        "user_id": str(made.member_id) if made.member_id else None,
        "team_id": str(made.team_id) if made.team_id else None,
        "reason": made.reason,
        "approved_by": made.approved_by,
        "created_at": made.created_at.isoformat(),
        "expires_at": made.expires_at.isoformat(),
    }
