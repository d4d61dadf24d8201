"""``conduit coaching``: how the page looks on which people state why they use a coached endpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conduit.command import Invocation, access_to, command, group

if TYPE_CHECKING:
    from store.branding import KeptBranding

Tenant = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]


def register(application: typer.Typer) -> None:
    coaching = group("coaching", "The page before coached endpoints.", application)
    command(coaching, "set")(change)
    command(coaching, "show")(show)
    command(coaching, "clear")(clear)


async def change(
    invocation: Invocation,
    tenant: Tenant,
    name: Annotated[str, typer.Option(help="The organisation's name on the page.")] = "",
    colour: Annotated[str, typer.Option(help="Its colour, #rrggbb.")] = "#0f766e",
    logo: Annotated[Path | None, typer.Option(help="PNG, JPEG or WebP of at most 32 KiB.")] = None,
    contact: Annotated[str, typer.Option(help="Whom to ask.")] = "",
    alternative: Annotated[str, typer.Option(help="What to use instead.")] = "",
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long a stated reason holds.")] = 8,
) -> None:
    """Say how the page looks; what was said before is replaced."""
    from conduit import lookup
    from conduit.instance import actor
    from policy.branding import Branding
    from store import branding_acts

    image = b""
    if logo is not None:
        with access_to(logo, "read"):
            image = logo.read_bytes()
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        made = await branding_acts.set_branding(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            branding=Branding(name, colour, image, contact, alternative, hours),
        )
    invocation.show(_document(made, owner.name))


async def show(invocation: Invocation, tenant: Tenant) -> None:
    """Show what a tenant has said about its page."""
    from conduit import lookup
    from store import branding

    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        found = await branding.find(session)
    invocation.show(_document(found, owner.name) if found else {"tenant": owner.name, "name": None})


async def clear(invocation: Invocation, tenant: Tenant) -> None:
    """Show the plain page again."""
    from conduit import lookup
    from conduit.instance import actor
    from store import branding_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        ended = await branding_acts.clear_branding(instance.store, actor=actor(), tenant_id=owner.tenant_id)
    invocation.show(_document(ended, owner.name))


def _document(kept: "KeptBranding", tenant: str) -> dict[str, object]:
    return {
        "tenant": tenant,
        "name": kept.name,
        "colour": kept.colour,
        "logo_bytes": len(kept.logo),
        "contact": kept.contact,
        "alternative": kept.alternative,
        "hours": kept.hours,
        "updated_at": kept.updated_at.isoformat(),
    }
