"""``conduit endpoint pinned``: what becomes of clients that pin their provider's certificate."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from conduit.command import CommandFailed, Invocation, command

if TYPE_CHECKING:
    from store.pinned import PinnedBypass

Tenant = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]


def register(endpoint: typer.Typer) -> None:
    """Add the commands to the group ``endpoint``."""
    command(endpoint, "pinned")(decide)
    command(endpoint, "bypasses")(show)


async def decide(
    invocation: Invocation,
    host: Annotated[str, typer.Argument(help="Such as chat.example.com.")],
    tenant: Tenant,
    bypass: Annotated[bool, typer.Option("--bypass/--block", help="Pass its TLS unread, or refuse it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the record. For --bypass.")] = "",
    expires: Annotated[str, typer.Option(help="When it ends: 7d, 12h, or 2026-12-31. For --bypass.")] = "",
) -> None:
    """Let clients that pin a certificate pass to a host unread, for a reason and a time; or block them again.

    Only the host's name and the volume are known then. A host that is blocked or coached is still refused.
    """
    from conduit import lookup
    from conduit.instance import actor
    from store import pinned_acts

    if bypass and not (reason and expires):
        raise CommandFailed("--bypass takes --reason and --expires")
    until = lookup.moment(expires, now=datetime.now(UTC), forward=True) if bypass else None
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        if until is not None:
            kept = await pinned_acts.bypass_pinned(
                instance.store,
                actor=actor(),
                tenant_id=owner.tenant_id,
                new=pinned_acts.NewBypass(host, reason, until),
            )
        else:
            kept = await pinned_acts.block_pinned(
                instance.store, actor=actor(), tenant_id=owner.tenant_id, host=host
            )
    invocation.show({**_document(kept, owner.name), "pinned": "bypass" if bypass else "block"})


async def show(invocation: Invocation, tenant: Tenant) -> None:
    """List the hosts to which clients that pin a certificate pass unread, those that are over included."""
    from conduit import lookup
    from store import pinned

    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        found = await pinned.every(session)
    invocation.show([_document(each, owner.name) for each in found])


def _document(kept: "PinnedBypass", tenant: str) -> dict[str, object]:
    return {
        "tenant": tenant,
        "host": kept.host,
        "reason": kept.reason,
        "approved_by": kept.approved_by,
        "created_at": kept.created_at.isoformat(),
        "expires_at": kept.expires_at.isoformat(),
    }
