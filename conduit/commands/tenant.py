"""``conduit tenant``: the organisations that share an instance."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group

if TYPE_CHECKING:
    from conduit.instance import Instance


class Choice(StrEnum):
    """What a tenant says about TLS to unknown hosts, as ``store.tenant_acts.DecryptUnknown``."""

    ON = "on"
    OFF = "off"
    DEFAULT = "default"


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
    region: Annotated[str, typer.Option(help="Where it is at home: eu, us, gb, …")] = "eu",
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
        DegradedModeName | None,
        typer.Option(help="While limits cannot be counted: refuse, or an allowance."),
    ] = None,
    allowance_usd: Annotated[
        str | None, typer.Option(help="US dollars an hour that may then pass, over all workers.")
    ] = None,
    data_residency: Annotated[
        str | None, typer.Option(help="Regions that its data may be processed in: eu,gb; or any.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Where its budgets' days and months turn, such as Europe/Berlin.")
    ] = None,
    decrypt_unknown: Annotated[
        Choice | None,
        typer.Option(help="Look inside its TLS to hosts outside the catalogue; default: as configured."),
    ] = None,
    never_decrypt: Annotated[
        str | None,
        typer.Option(help="Hosts that are then left alone beside those of all: a.example,*.b; or none."),
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Let its calls through, or stop them all.")
    ] = None,
) -> None:
    """Change a tenant's settings: only those that are given, one after the other."""
    from conduit import lookup
    from conduit.instance import actor
    from policy.money import parse_dollars
    from store import tenant_acts

    local = degraded_mode is DegradedModeName.LOCAL_ALLOWANCE
    if local is (allowance_usd is None):
        raise typer.BadParameter("--allowance-usd belongs to --degraded-mode local_allowance")
    given = (degraded_mode, data_residency, time_zone, decrypt_unknown, never_decrypt, enabled)
    if all(each is None for each in given):
        raise typer.BadParameter("say what to change")
    async with lookup.opened_for(invocation, tenant) as (instance, changed):
        regions = None if data_residency is None else await _regions(instance, data_residency)
        how: dict[str, Any] = {"actor": actor(), "tenant_id": changed.tenant_id}
        if degraded_mode is not None:
            allowance = parse_dollars(allowance_usd) if allowance_usd is not None else None
            changed = await tenant_acts.set_allowance(instance.store, **how, allowance=allowance)
        if regions is not None:
            changed = await tenant_acts.set_residency(instance.store, **how, regions=regions)
        if time_zone is not None:
            changed = await tenant_acts.set_time_zone(instance.store, **how, time_zone=time_zone)
        if decrypt_unknown is not None or never_decrypt is not None:
            unknown = tenant_acts.DecryptUnknown(decrypt_unknown.value) if decrypt_unknown else None
            never = _words(never_decrypt) if never_decrypt is not None else None
            changed = await tenant_acts.set_decryption(instance.store, **how, unknown=unknown, never=never)
        if enabled is not None:
            changed = await tenant_acts.set_tenant_enabled(instance.store, **how, enabled=enabled)
    invocation.show(_document(changed))


def _words(text: str) -> list[str]:
    named = [word.strip() for word in text.split(",") if word.strip()]
    return [] if named == ["none"] else named


async def _regions(instance: "Instance", text: str) -> list[str]:
    """The regions of a list, or ``any``; raises ``InvalidRecord``."""
    from conduit.instance import catalogues_of
    from store.claim import Purpose
    from store.tenant_acts import checked_residency

    named = [word.strip().lower() for word in text.split(",") if word.strip()]
    if named == ["any"]:
        return []
    async with instance.store.platform(Purpose.REPORTING) as session:
        return checked_residency(named, await catalogues_of(instance.settings).in_force(session))


async def delete(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="Name or id of the tenant.")],
    yes: Annotated[bool, typer.Option("--yes", help="Really: there is no way back.")] = False,
) -> None:
    """Delete a tenant with all its rows and show the proof. Ask again, by its id, if it was killed."""
    from conduit import lookup
    from conduit.instance import actor
    from store.erasure import delete_tenant

    async with lookup.opened_for(invocation, name) as (instance, tenant):
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
        "data_residency": list(tenant.data_residency),
        "degraded_mode": tenant.degraded_mode.value,
        "degraded_allowance_micro_dollars": tenant.degraded_allowance,
        "decrypt_unknown": tenant.decrypt_unknown,
        "never_decrypted": list(tenant.never_decrypted),
        "enabled": tenant.enabled,
        "created_at": tenant.created_at.isoformat(),
    }
