"""``conduit tenant``: the organisations that share an instance."""

from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group


def register(application: typer.Typer) -> None:
    tenant = group("tenant", "Organisations that share the instance.", application)
    command(tenant, "create")(create)
    command(tenant, "list")(show)
    command(tenant, "delete")(delete)


async def create(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="Its name, unique in the instance.")],
    region: Annotated[str, typer.Option(help="Where its data is to stay: eu, us, …")] = "eu",
    time_zone: Annotated[str, typer.Option(help="Where its budgets' days and months turn.")] = "UTC",
) -> None:
    """Create a tenant, with a data key of its own."""
    from conduit.instance import actor, opened
    from store import tenant_acts

    async with opened(invocation) as instance:
        tenant = await tenant_acts.create_tenant(
            instance.store, instance.vault, actor=actor(), name=name, region=region, time_zone=time_zone
        )
    invocation.show(_document(tenant))


async def show(invocation: Invocation) -> None:
    """List the tenants."""
    from conduit import lookup
    from conduit.instance import opened

    async with opened(invocation) as instance:
        found = await lookup.every_tenant(instance.store, None)
    invocation.show([_document(tenant) for tenant in found])


async def delete(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="Name or id of the tenant.")],
    yes: Annotated[bool, typer.Option("--yes", help="Really: there is no way back.")] = False,
) -> None:
    """Delete a tenant with all its rows and show the proof. Ask again, by its id, if it was killed."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from store.erasure import delete_tenant

    async with opened(invocation) as instance:
        tenant = await lookup.tenant(instance.store, name)
        if not yes:
            raise CommandFailed(f"deleting {tenant.name!r} cannot be undone; say --yes")
        proof = await delete_tenant(instance.store, actor=actor(), tenant_id=tenant.tenant_id)
    invocation.show(
        {
            "tenant": str(proof.tenant_id),
            "rows_left": sum(proof.remaining.values()),
            "tables": sorted(proof.remaining),
            "events": proof.events,
            "chain": proof.chain,
        },
        note="Backups made before hold its rows still; its data key opens nothing any more.",
    )


def _document(tenant: Any) -> dict[str, object]:
    return {
        "id": str(tenant.tenant_id),
        "name": tenant.name,
        "region": tenant.region,
        "time_zone": tenant.time_zone,
        "enabled": tenant.enabled,
        "created_at": tenant.created_at.isoformat(),
    }
