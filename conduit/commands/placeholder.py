"""``conduit placeholder``: what developers' machines hold instead of keys."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group


def register(application: typer.Typer) -> None:
    placeholder = group("placeholder", "What machines hold instead of keys.", application)
    command(placeholder, "issue")(issue)
    command(placeholder, "list")(show)
    command(placeholder, "revoke")(revoke)


async def issue(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    user: Annotated[str, typer.Option(help="Name or id of the user who will hold it.")],
    credential: Annotated[str, typer.Option(help="Credential, or pool of credentials, that it stands for.")],
    expires: Annotated[str | None, typer.Option(help="When it ends: 90d, 12h, or 2026-12-31.")] = None,
    models: Annotated[str | None, typer.Option(help="Models that it may be used for, with commas.")] = None,
    cidr: Annotated[str | None, typer.Option(help="Networks it may be used from, with commas.")] = None,
    honeytoken: Annotated[
        bool, typer.Option("--honeytoken", help="A decoy: nobody should use it; its use raises an alarm.")
    ] = False,
) -> None:
    """Issue a placeholder. It is printed once, and kept nowhere."""
    from conduit import lookup
    from conduit.instance import actor
    from store import placeholder_acts
    from store.placeholders import Binding

    now = datetime.now(UTC)
    expires_at = lookup.moment(expires, now=now, forward=True) if expires else None
    if expires_at is not None and expires_at <= now:
        raise CommandFailed(f"{expires} is over already")
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        holder = await lookup.user(instance.store, owner.tenant_id, user)
        credential_id, pool = await lookup.credential_or_pool(instance.store, owner.tenant_id, credential)
        issued = await placeholder_acts.issue_placeholder(
            instance.store,
            instance.vault,
            actor=actor(),
            tenant_id=owner.tenant_id,
            binding=Binding(
                member_id=holder.id,
                credential_id=credential_id,
                pool=pool,
                models=frozenset(_words(models)),
                networks=tuple(lookup.network(text) for text in _words(cidr)),
                expires_at=expires_at,
                honeytoken=honeytoken,
            ),
        )
    with issued.text.revealed() as text:
        invocation.show_json({"id": str(issued.record.id), "placeholder": text})
    invocation.say("This is the only time that the placeholder is shown.")


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
) -> None:
    """List placeholders; what they are is not kept."""
    from conduit import lookup
    from conduit.instance import opened
    from store import credentials, members, placeholders

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                users = {item.id: item.name for item in await members.every(session)}
                keys: dict[Any, str] = {item.id: item.name for item in await credentials.every(session)}
                found += [
                    _document(item, owner.name, users[item.member_id], keys.get(item.credential_id))
                    for item in await placeholders.every(session)
                ]
    invocation.show(found, columns=("id", "tenant", "user", "credential", "pool", "expires_at", "revoked"))


async def revoke(
    invocation: Invocation,
    placeholder: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    tenant: Annotated[str | None, typer.Option(help="Name or id of its tenant.")] = None,
) -> None:
    """End a placeholder."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from store import placeholder_acts

    async with opened(invocation) as instance:
        found = await lookup.placeholder(instance.store, tenant, placeholder)
        revoked = await placeholder_acts.revoke_placeholder(
            instance.store, actor=actor(), tenant_id=found.tenant_id, placeholder_id=found.id
        )
    invocation.show({"id": str(revoked.id), "revoked": True})


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _document(placeholder: Any, tenant: str, user: str, credential: str | None) -> dict[str, object]:
    return {
        "id": str(placeholder.id),
        "tenant": tenant,
        "user": user,
        "credential": credential,
        "pool": placeholder.pool,
        "models": sorted(placeholder.models),
        "networks": [str(network) for network in placeholder.networks],
        "honeytoken": placeholder.honeytoken,
        "created_at": placeholder.created_at.isoformat(),
        "expires_at": placeholder.expires_at.isoformat() if placeholder.expires_at else None,
        "revoked": placeholder.revoked_at is not None,
    }
