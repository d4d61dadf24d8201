"""``conduit user``: the people and machines that calls are attributed to."""

from typing import Annotated, Any

import typer

from conduit.command import Invocation, MayBeEmpty, command, group


def register(application: typer.Typer) -> None:
    user = group("user", "People and machines that calls are attributed to.", application)
    command(user, "create")(create)
    command(user, "list")(show)
    command(user, "set")(change)


async def create(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="Its name, unique in the tenant.")],
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    role: Annotated[str, typer.Option(help="A word for what it is; it grants nothing.")] = "member",
    team: Annotated[str | None, typer.Option(help="Its team, created with it if need be.")] = None,
    cost_centre: Annotated[str | None, typer.Option(help="Where its use is charged to.")] = None,
) -> None:
    """Create a user of a tenant."""
    from conduit import lookup
    from conduit.instance import actor
    from store import member_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        user = await member_acts.create_user(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            new=member_acts.NewUser(name, role, team, cost_centre),
        )
    invocation.show(_document(user, owner.name))


async def change(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    name: Annotated[str, typer.Option(help="Name or id of the user.")],
    team: Annotated[
        str | None, MayBeEmpty, typer.Option(help='Its team from now on, made if need be; "" for none.')
    ] = None,
    cost_centre: Annotated[
        str | None, MayBeEmpty, typer.Option(help='Where it is charged to; "" for none.')
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Let its calls through, or stop them all.")
    ] = None,
) -> None:
    """Change a user: only what is given. Usage and events keep the team and cost centre of their time."""
    from conduit import lookup
    from conduit.instance import actor
    from store import member_acts

    if (team, cost_centre, enabled) == (None, None, None):
        raise typer.BadParameter("say what to change")
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        user = await lookup.user(instance.store, owner.tenant_id, name)
        changed = await member_acts.change_user(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            user_id=user.id,
            change=member_acts.UserChange(team, cost_centre, enabled),
        )
    invocation.show(_document(changed, owner.name))


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
) -> None:
    """List users."""
    from conduit import lookup
    from conduit.instance import opened
    from store import members

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                found += [_document(user, owner.name) for user in await members.every(session)]
    invocation.show(found)


def _document(user: Any, tenant: str) -> dict[str, object]:
    return {
        "id": str(user.id),
        "name": user.name,
        "tenant": tenant,
        "role": user.role,
        "cost_centre": user.cost_centre,
        "enabled": user.enabled,
        "created_at": user.created_at.isoformat(),
    }
