"""``conduit limit``: how much may be used, by whom, in which time."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group


class WindowName(StrEnum):
    """The windows of a budget, as ``policy.limits.Window``."""

    DAY = "day"
    MONTH = "month"


def register(application: typer.Typer) -> None:
    limit = group("limit", "How much may be used.", application)
    command(limit, "set")(set_limits)
    command(limit, "list")(show)
    command(limit, "remove")(remove)


async def set_limits(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    user: Annotated[str | None, typer.Option(help="For this user of it alone.")] = None,
    placeholder: Annotated[str | None, typer.Option(help="For this placeholder alone (its id).")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=0)] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=0)] = None,
    concurrent: Annotated[int | None, typer.Option(min=0, help="Calls at the same time.")] = None,
    budget_usd: Annotated[str | None, typer.Option(help="US dollars, such as 12.50.")] = None,
    window: Annotated[WindowName | None, typer.Option(help="Of the budget.")] = None,
) -> None:
    """Set limits of a tenant, or of a user or placeholder of it. What is not named stays as it is."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from policy.limits import LimitKind
    from store import limit_acts

    changes = _changes(
        {
            LimitKind.REQUESTS_PER_MINUTE: requests_per_minute,
            LimitKind.TOKENS_PER_MINUTE: tokens_per_minute,
            LimitKind.CONCURRENT: concurrent,
        },
        budget_usd,
        window,
    )
    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant)
        member = await lookup.user(instance.store, owner.tenant_id, user) if user else None
        held = await lookup.placeholder(instance.store, owner.name, placeholder) if placeholder else None
        rules = await limit_acts.set_limits(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            changes=changes,
            user_id=member.id if member else None,
            placeholder_id=held.id if held else None,
        )
    invocation.show([_document(rule, owner.name) for rule in rules])


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
) -> None:
    """List limits."""
    from conduit import lookup
    from conduit.instance import opened
    from store import limits

    found = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            async with instance.store.tenant(owner.tenant_id) as session:
                found += [_document(rule, owner.name) for rule in await limits.every(session)]
    invocation.show(found)


async def remove(
    invocation: Invocation,
    limit: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
) -> None:
    """Remove a limit."""
    from uuid import UUID

    from conduit import lookup
    from conduit.instance import actor, opened
    from policy.identifiers import LimitId
    from store import limit_acts

    try:
        limit_id = LimitId(UUID(limit))
    except ValueError:
        raise CommandFailed("a limit is named by its id; `conduit limit list` shows them") from None
    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant)
        rule = await limit_acts.remove_limit(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, limit_id=limit_id
        )
    invocation.show(_document(rule, owner.name))


def _changes(amounts: dict[Any, int | None], budget_usd: str | None, window: WindowName | None) -> list[Any]:
    from policy.limits import LimitKind, Window
    from policy.money import parse_dollars
    from store.limit_acts import LimitChange

    if (budget_usd is None) != (window is None):
        raise typer.BadParameter("--budget-usd and --window belong together")
    changes = [LimitChange(kind, amount) for kind, amount in amounts.items() if amount is not None]
    if budget_usd is not None and window is not None:
        amount = parse_dollars(budget_usd)
        changes.append(LimitChange(LimitKind.BUDGET_MICRO_DOLLARS, amount, Window(window.value)))
    if not changes:
        raise typer.BadParameter("name at least one limit to set")
    return changes


def _document(rule: Any, tenant: str) -> dict[str, object]:
    return {
        "id": str(rule.id),
        "tenant": tenant,
        "scope": rule.scope.value,
        "subject": str(rule.placeholder_id or rule.member_id or rule.tenant_id),
        "kind": rule.kind.value,
        "amount": rule.amount,
        "window": rule.budget_window.value if rule.budget_window else None,
    }
