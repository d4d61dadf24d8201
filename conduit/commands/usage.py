"""``conduit usage``: how much was used, by whom."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from conduit.command import Invocation, command


def register(application: typer.Typer) -> None:
    command(application, "usage")(show)


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
    user: Annotated[str | None, typer.Option(help="Name or id of a user of the tenant.")] = None,
    since: Annotated[str, typer.Option(help="From when: 24h, 30d, or 2026-11-01.")] = "30d",
) -> None:
    """Show requests, tokens and micro-dollars: in all, and for each user."""
    from conduit import lookup
    from conduit.instance import opened
    from store import members, usage

    if user is not None and tenant is None:
        raise typer.BadParameter("--user needs --tenant")
    now = datetime.now(UTC)
    start = lookup.moment(since, now=now, forward=False)
    rows: list[dict[str, Any]] = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            member = await lookup.user(instance.store, owner.tenant_id, user) if user else None
            async with instance.store.tenant(owner.tenant_id) as session:
                names = {item.id: item.name for item in await members.every(session)}
                totals = await usage.totals(
                    session,
                    since=start,
                    until=now,
                    grouping=usage.Grouping.USER,
                    member_id=member.id if member else None,
                )
            rows += [{"tenant": owner.name, "user": names.get(_user(t)), **_sums(t)} for t in totals]
    whole = {name: sum(row[name] for row in rows) for name in _SUMS}
    if invocation.json:
        invocation.show_json({"since": start.isoformat(), "until": now.isoformat(), **whole, "users": rows})
    else:
        invocation.show([*rows, {"tenant": "all", **whole}] if rows else [])


_SUMS = ("requests", "input_tokens", "output_tokens", "tokens", "micro_dollars", "unpriced")


def _user(total: Any) -> Any:
    return total.subject


def _sums(total: Any) -> dict[str, int]:
    return {
        "requests": total.requests,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "tokens": total.input_tokens + total.output_tokens,
        "micro_dollars": total.cost_micro_dollars,
        "unpriced": total.unpriced,
    }
