"""``conduit network`` and ``conduit network-rules``: whose networks they are, and how traffic reaches us."""

from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, command, group

TenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
NetworkArgument = Annotated[str, typer.Argument(help="Such as 10.20.0.0/16.", metavar="CIDR")]


def register(application: typer.Typer) -> None:
    network = group("network", "Source networks that belong to a tenant.", application)
    command(network, "add")(add)
    command(network, "list")(show)
    command(network, "remove")(remove)
    command(application, "network-rules")(rules)


async def add(invocation: Invocation, cidr: NetworkArgument, tenant: TenantOption) -> None:
    """Register a source network: calls from it belong to the tenant."""
    from conduit import lookup
    from conduit.instance import actor
    from store import network_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        added = await network_acts.add_network(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, network=lookup.network(cidr)
        )
    invocation.show({"id": str(added.id), "tenant": owner.name, "network": str(added.network)})


async def remove(invocation: Invocation, cidr: NetworkArgument, tenant: TenantOption) -> None:
    """Take a source network away from the tenant."""
    from conduit import lookup
    from conduit.instance import actor
    from store import network_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        removed = await network_acts.remove_network(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, network=lookup.network(cidr)
        )
    invocation.show({"id": str(removed.id), "tenant": owner.name, "network": str(removed.network)})


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
) -> None:
    """List source networks."""
    from conduit import lookup
    from conduit.instance import opened
    from store import networks

    found: list[dict[str, object]] = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                found += [
                    {"id": str(item.id), "tenant": owner.name, "network": str(item.network)}
                    for item in await networks.every(session)
                ]
    invocation.show(found)


def rules(
    invocation: Invocation,
    interface: Annotated[str | None, typer.Option(help="Interface that clients come in by.")] = None,
    pac: Annotated[bool, typer.Option("--pac", help="Print a proxy auto-configuration file.")] = False,
) -> None:
    """Print the nftables ruleset for a gateway machine, or the PAC file for its clients."""
    from conduit.instance import CATALOGUE_FOLDER, settings_of
    from conduit.network_rules import check, nftables
    from policy.proxy_configuration import proxy_configuration
    from store.catalogue import load_catalogue

    settings = settings_of(invocation)
    if pac:
        catalogue = load_catalogue(CATALOGUE_FOLDER / "ai_endpoints.csv")
        text = proxy_configuration(catalogue, str(settings.console.proxy or settings.listen.proxy))
    elif interface is None:
        raise CommandFailed("name the interface that clients come in by: --interface IF")
    else:
        text = nftables(interface, settings.listen.transparent)
        check(text)
    if invocation.json:
        invocation.show_json({"kind": "pac" if pac else "nftables", "text": text})
    else:
        print(text, end="")
