"""``conduit tenant``: the organisations that share an instance."""

from typing import Annotated, Any

import typer

from conduit.command import Invocation, command, group


def register(application: typer.Typer) -> None:
    tenant = group("tenant", "Organisations that share the instance.", application)
    command(tenant, "create")(create)
    command(tenant, "list")(show)


async def create(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="Its name, unique in the instance.")],
    region: Annotated[str, typer.Option(help="Where its data is to stay: eu, us, …")] = "eu",
    time_zone: Annotated[str, typer.Option(help="Where its budgets' days and months turn.")] = "UTC",
) -> None:
    """Create a tenant, with a data key of its own."""
    from conduit.instance import actor, opened

    async with opened(invocation) as instance:
        tenant = await instance.operations.create_tenant(
            actor=actor(), name=name, region=region, time_zone=time_zone
        )
    invocation.show(_document(tenant))


async def show(invocation: Invocation) -> None:
    """List the tenants."""
    from conduit import lookup
    from conduit.instance import opened

    async with opened(invocation) as instance:
        found = await lookup.every_tenant(instance.store, None)
    invocation.show([_document(tenant) for tenant in found])


def _document(tenant: Any) -> dict[str, object]:
    return {
        "id": str(tenant.tenant_id),
        "name": tenant.name,
        "region": tenant.region,
        "time_zone": tenant.time_zone,
        "enabled": tenant.enabled,
        "created_at": tenant.created_at.isoformat(),
    }
