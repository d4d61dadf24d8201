"""``conduit credential``: the providers' keys, which come in on standard input and never go out again."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, MayBeEmpty, command, group, read_secret

TenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
NameOption = Annotated[str, typer.Option("--name", help="Name or id of the credential.")]
PoolOption = Annotated[
    str | None, typer.Option(help="Those of one pool, provider and hosts stand for each other.")
]
KeyIdOption = Annotated[
    str | None, typer.Option(help="The id by which the provider's usage reports know the key.")
]
WEIGHT = "Its share of the pool's calls, 0 to 1000; 0 is a spare."


class Purpose(StrEnum):
    """As ``store.credentials.Purpose``, which is not loaded for a command's help."""

    CALLS = "calls"
    USAGE = "usage"


def register(application: typer.Typer) -> None:
    credential = group("credential", "Providers' keys, kept in the vault.", application)
    command(credential, "add")(add)
    command(credential, "list")(show)
    command(credential, "set")(change)
    command(credential, "check-usage")(check_usage)
    command(credential, "rotate")(rotate)
    command(credential, "revoke")(revoke)


async def add(
    invocation: Invocation,
    tenant: TenantOption,
    provider: Annotated[str, typer.Option(help="Whose key it is: openai, anthropic, google, …")],
    name: Annotated[str, typer.Option(help="A name for it, unique in the tenant.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Host that it may be sent to; the provider's own without it.")
    ] = None,
    pool: PoolOption = None,
    weight: Annotated[int, typer.Option(min=0, max=1000, help=WEIGHT)] = 1,
    purpose: Annotated[
        Purpose, typer.Option(help="calls, or usage: an administrator's key that reads usage reports.")
    ] = Purpose.CALLS,
    key_id: KeyIdOption = None,
) -> None:
    """Keep a provider's key; it is read from standard input."""
    secret = read_secret("the provider's key")

    from conduit import lookup
    from conduit.instance import actor
    from conduit.provider_hosts import provider_hosts
    from store import credential_acts, credentials
    from vault.secret import Secret

    options = credentials.Options(weight, pool, credentials.Purpose(purpose), key_id)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        hosts = host or provider_hosts(instance.settings, provider)
        added = await credential_acts.add_credential(
            instance.store,
            instance.vault,
            actor=actor(),
            tenant_id=owner.tenant_id,
            new=credential_acts.NewCredential(provider, name, hosts, Secret(secret), options),
        )
    invocation.show(_document(added, owner.name))


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
) -> None:
    """List credentials, without their secrets, and what their providers say of them."""
    from conduit import lookup
    from conduit.instance import opened
    from store import credentials

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                found += [_document(item, owner.name) for item in await credentials.every(session)]
    columns = ("name", "tenant", "provider", "hosts", "pool", "weight", "health", "version", "revoked", "id")
    invocation.show(found, columns=columns)


async def change(
    invocation: Invocation,
    tenant: TenantOption,
    name: NameOption,
    pool: Annotated[PoolOption, MayBeEmpty] = None,
    weight: Annotated[int | None, typer.Option(min=0, max=1000, help=WEIGHT)] = None,
    key_id: Annotated[KeyIdOption, MayBeEmpty] = None,
) -> None:
    """State pool, weight or the provider's id anew; "" takes pool or id away, what is not named stays."""
    from conduit import lookup
    from conduit.instance import actor
    from store import credential_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        found = await lookup.credential(instance.store, owner.tenant_id, name)
        changed = await credential_acts.change_credential(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            credential_id=found.id,
            change=credential_acts.CredentialChange(weight, pool, key_id),
        )
    invocation.show(_document(changed, owner.name))


async def rotate(invocation: Invocation, tenant: TenantOption, name: NameOption) -> None:
    """Put a new key in place of the old one; it is read from standard input. Calls in flight go on."""
    secret = read_secret("the new key")

    from conduit import lookup
    from conduit.instance import actor
    from store import credential_acts
    from vault.secret import Secret

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        found = await lookup.credential(instance.store, owner.tenant_id, name)
        rotated = await credential_acts.rotate_credential(
            instance.store,
            instance.vault,
            actor=actor(),
            tenant_id=owner.tenant_id,
            credential_id=found.id,
            secret=Secret(secret),
        )
    invocation.show(_document(rotated, owner.name))


async def revoke(invocation: Invocation, tenant: TenantOption, name: NameOption) -> None:
    """End a credential and destroy its key; its placeholders are refused from then on."""
    from conduit import lookup
    from conduit.instance import actor
    from store import credential_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        found = await lookup.credential(instance.store, owner.tenant_id, name)
        revoked = await credential_acts.revoke_credential(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, credential_id=found.id
        )
    invocation.show(_document(revoked, owner.name))


async def check_usage(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
) -> None:
    """Compare metered usage with the providers' reports now; findings are recorded as incidents."""
    from datetime import UTC, datetime

    from conduit import lookup
    from conduit.instance import opened
    from conduit.usage_check import usage_checker

    found: list[dict[str, object]] = []
    async with opened(invocation) as instance:
        store, settings = instance.store, instance.settings
        async with usage_checker(store, instance.vault, instance.folder, settings) as checker:
            for owner in await lookup.every_tenant(store, tenant):
                for outcome in await checker.check(owner.tenant_id, now=datetime.now(UTC)):
                    found += _findings(outcome, owner.name)
    columns = (
        "tenant",
        "credential",
        "day",
        "metered_tokens",
        "reported_tokens",
        "surplus_tokens",
        "finding",
    )
    invocation.show(found, columns=columns)
    if problems := {str(each["problem"]) for each in found if each["finding"] == "unchecked"}:
        raise CommandFailed("; ".join(sorted(problems)))


def _findings(outcome: Any, tenant: str) -> list[dict[str, object]]:
    """A row for each credential and day, and for what could not be compared."""
    key = {"tenant": tenant, "provider": outcome.key.provider}
    rows = [
        key
        | {
            "credential": item.credential.name,
            "provider_key_id": item.credential.provider_key_id,
            "day": item.day.isoformat(),
            "metered_tokens": item.metered,
            "reported_tokens": item.reported,
            "surplus_tokens": item.reported - item.metered,
            "estimated_calls": item.estimated,
            "finding": item.finding.value,
        }
        for item in outcome.compared
    ]
    rows += [key | {"credential": each.name, "finding": "key_id_not_stated"} for each in outcome.unstated]
    rows += [key | {"credential": each.name, "finding": "no_whole_day_yet"} for each in outcome.waiting]
    if outcome.failure is not None:
        rows.append(
            key | {"credential": outcome.key.name, "finding": "unchecked", "problem": outcome.failure}
        )
    return rows


def _document(credential: Any, tenant: str) -> dict[str, object]:
    return {
        "id": str(credential.id),
        "name": credential.name,
        "tenant": tenant,
        "provider": credential.provider,
        "hosts": list(credential.hosts),
        "version": credential.version,
        "created_at": credential.created_at.isoformat(),
        "rotated_at": credential.rotated_at.isoformat() if credential.rotated_at else None,
        "purpose": credential.purpose.value,
        "pool": credential.pool,
        "weight": credential.weight,
        "provider_key_id": credential.provider_key_id,
        "health": "refused" if credential.health.refused else "good",
        "refused_at": credential.refused_at.isoformat() if credential.refused_at else None,
        "refused_status": credential.refused_status,
        "accepted_at": credential.accepted_at.isoformat() if credential.accepted_at else None,
        "revoked": credential.revoked_at is not None,
    }
