"""``conduit accounts``: with whose accounts the products of vendors may be used."""

from typing import Annotated, Any

import typer

from conduit.command import Invocation, command, group

Tenant = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
Product = Annotated[str, typer.Argument(help="Such as chatgpt; `conduit accounts products` lists all.")]


def register(application: typer.Typer) -> None:
    accounts = group("accounts", "Whose accounts vendors' products are used with.", application)
    command(accounts, "set")(state)
    command(accounts, "list")(show)
    command(accounts, "clear")(clear)
    command(accounts, "products")(products)


async def state(
    invocation: Invocation,
    product: Product,
    tenant: Tenant,
    allow: Annotated[str, typer.Option(help="Ids of workspaces or organisations, or domains, with commas.")],
) -> None:
    """Allow these accounts of a product alone: its restriction header is set on every decrypted request."""
    from conduit import lookup
    from conduit.instance import actor, restrictions
    from store import endpoint_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        stated = await endpoint_acts.state_accounts(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            product=product,
            stated=[text for text in allow.split(",") if text.strip()],
            restrictions=restrictions(),
        )
    invocation.show(_document(stated, owner.name))


async def show(invocation: Invocation, tenant: Tenant) -> None:
    """List the accounts that a tenant has stated to be its own."""
    from conduit import lookup
    from store import accounts

    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        found = await accounts.every(session)
    invocation.show([_document(each, owner.name) for each in found])


async def clear(invocation: Invocation, product: Product, tenant: Tenant) -> None:
    """Let any account of a product be used again."""
    from conduit import lookup
    from conduit.instance import actor
    from store import endpoint_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        ended = await endpoint_acts.clear_accounts(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, product=product
        )
    invocation.show(_document(ended, owner.name))


def products(invocation: Invocation) -> None:
    """List the products that have a restriction header, and where it counts."""
    from conduit.instance import restrictions

    invocation.show(
        [
            {"product": each.product, "header": each.header, "hosts": list(each.hosts), "source": each.source}
            for each in restrictions()
        ]
    )


def _document(stated: Any, tenant: str) -> dict[str, object]:
    return {
        "tenant": tenant,
        "product": stated.product,
        "accounts": list(stated.accounts),
        "updated_at": stated.updated_at.isoformat(),
    }
