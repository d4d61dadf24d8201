"""``conduit vault``: rotating and destroying the keys that protect the providers' keys."""

import sys
from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, command, group

TenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]


def register(application: typer.Typer) -> None:
    vault = group("vault", "The keys that protect the providers' keys.", application)
    command(vault, "rotate-kek")(rotate_kek)
    command(vault, "rotate-tenant")(rotate_tenant)
    command(vault, "shred-tenant")(shred_tenant)


async def rotate_kek(invocation: Invocation) -> None:
    """Wrap every tenant's data key by a new key-encryption key; calls go on. Ask again if it was killed."""
    from conduit.instance import actor, opened
    from store.key_custody import KeyCustody

    async with opened(invocation) as instance:
        custody = KeyCustody(instance.store, instance.vault)
        rewrapped = await custody.rotate_kek(actor=actor(), keys=instance.vault.rotating_keys())
    invocation.show({"tenants": rewrapped}, note="Copies of the earlier key file open nothing any more.")


async def rotate_tenant(invocation: Invocation, tenant: TenantOption) -> None:
    """Seal a tenant's credentials under a new data key; calls go on. Ask again if it was killed."""
    from conduit import lookup
    from conduit.instance import actor
    from store.key_custody import KeyCustody

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        custody = KeyCustody(instance.store, instance.vault)
        resealed = await custody.rotate_tenant(actor=actor(), tenant_id=owner.tenant_id)
    invocation.show({"tenant": owner.name, "credentials": resealed})


async def shred_tenant(
    invocation: Invocation,
    tenant: TenantOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy a tenant's data key, for good: no credential of it can be opened ever again."""
    from conduit import lookup
    from conduit.instance import actor
    from store.key_custody import KeyCustody

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        if not yes:
            _ask(owner.name)
        custody = KeyCustody(instance.store, instance.vault)
        shredded = await custody.shred_tenant(actor=actor(), tenant_id=owner.tenant_id)
    invocation.show(
        {"tenant": owner.name, "envelopes": shredded.envelopes, "unopenable": shredded.unopenable},
        note="Backups still hold the data key wrapped; `conduit vault rotate-kek` makes them worthless too.",
    )


def _ask(name: str) -> None:
    if not sys.stdin.isatty():
        raise CommandFailed(f"what seals the credentials of {name!r} cannot be brought back; say --yes")
    if input(f"Type {name!r} to destroy its data key for good: ") != name:
        raise CommandFailed("nothing was destroyed")
