"""``conduit tenant``: the organisations that share an instance."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group


class DegradedModeName(StrEnum):
    """The modes of ``store.tenants.DegradedMode``."""

    CLOSED = "closed"
    LOCAL_ALLOWANCE = "local_allowance"


def register(application: typer.Typer) -> None:
    tenant = group("tenant", "Organisations that share the instance.", application)
    command(tenant, "create")(create)
    command(tenant, "list")(show)
    command(tenant, "set")(change)
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


async def change(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    degraded_mode: Annotated[
        DegradedModeName, typer.Option(help="While limits cannot be counted: refuse, or an allowance.")
    ],
    allowance_usd: Annotated[
        str | None, typer.Option(help="US dollars an hour that may then pass, over all workers.")
    ] = None,
) -> None:
    """Say what becomes of a tenant's calls while the store of its limits (Valkey) is lost."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from policy.money import parse_dollars
    from store import tenant_acts

    if (degraded_mode is DegradedModeName.LOCAL_ALLOWANCE) is (allowance_usd is None):
        raise typer.BadParameter("--allowance-usd belongs to --degraded-mode local_allowance")
    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant)
        changed = await tenant_acts.set_allowance(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            allowance=parse_dollars(allowance_usd) if allowance_usd is not None else None,
        )
    invocation.show(_document(changed))


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
        "degraded_mode": tenant.degraded_mode.value,
        "degraded_allowance_micro_dollars": tenant.degraded_allowance,
        "enabled": tenant.enabled,
        "created_at": tenant.created_at.isoformat(),
    }
