"""``conduit limit``: how much may be used, by whom, in which time."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from conduit.command import Invocation, command, group


class WindowName(StrEnum):
    """The windows of budgets and limits of tokens, as ``policy.limits.Window``."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ROLLING = "rolling"


def register(application: typer.Typer) -> None:
    limit = group("limit", "How much may be used.", application)
    command(limit, "set")(set_limits)
    command(limit, "list")(show)
    command(limit, "remove")(remove)


async def set_limits(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    team: Annotated[str | None, typer.Option(help="For this team of it alone.")] = None,
    user: Annotated[str | None, typer.Option(help="For this user of it alone.")] = None,
    placeholder: Annotated[str | None, typer.Option(help="For this placeholder alone (its id).")] = None,
    model: Annotated[str | None, typer.Option(help="For this model, or all that begin so: gpt-4*")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=0, help="Freed steadily.")] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=0, help="Input and output, freed steadily.")
    ] = None,
    burst: Annotated[
        int | None, typer.Option(min=1, help="Of the rate, at once.  [default: a minute's]")
    ] = None,
    concurrent: Annotated[int | None, typer.Option(min=0, help="Calls at the same time.")] = None,
    tokens: Annotated[int | None, typer.Option(min=0, help="Input and output, in the window.")] = None,
    budget_usd: Annotated[str | None, typer.Option(help="US dollars in the window, such as 12.50.")] = None,
    window: Annotated[WindowName | None, typer.Option(help="Of --tokens and --budget-usd.")] = None,
    rolling_hours: Annotated[int | None, typer.Option(min=1, help="Length of --window rolling.")] = None,
    alert_at: Annotated[
        str | None, typer.Option(help="Percents of the window's amount, or none.  [default: 50,80,100]")
    ] = None,
    max_input_tokens: Annotated[int | None, typer.Option(min=0, help="Of each call.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=0, help="Of each call.")] = None,
    max_usd_per_call: Annotated[str | None, typer.Option(help="US dollars, such as 0.25.")] = None,
) -> None:
    """Set limits of a tenant, or of a team, user or placeholder of it. What is not named stays as it is."""
    from conduit import lookup
    from conduit.instance import actor
    from policy.limits import LimitKind
    from store import limit_acts
    from store.limits import LimitSubject

    amounts = {
        LimitKind.REQUESTS_PER_MINUTE: requests_per_minute,
        LimitKind.TOKENS_PER_MINUTE: tokens_per_minute,
        LimitKind.CONCURRENT: concurrent,
        LimitKind.TOKENS: tokens,
        LimitKind.BUDGET_MICRO_DOLLARS: _micro_dollars(budget_usd),
        LimitKind.INPUT_TOKENS_PER_CALL: max_input_tokens,
        LimitKind.OUTPUT_TOKENS_PER_CALL: max_output_tokens,
        LimitKind.MICRO_DOLLARS_PER_CALL: _micro_dollars(max_usd_per_call),
    }
    settings = _settings(amounts, window, rolling_hours, burst, _thresholds(alert_at))
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        group_ = await lookup.team(instance.store, owner.tenant_id, team) if team else None
        member = await lookup.user(instance.store, owner.tenant_id, user) if user else None
        held = await lookup.placeholder(instance.store, owner.name, placeholder) if placeholder else None
        subject = LimitSubject(
            group_.id if group_ else None, member.id if member else None, held.id if held else None, model
        )
        rules = await limit_acts.set_limits(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, settings=settings, subject=subject
        )
    invocation.show([_document(rule, owner.name) for rule in rules], columns=_COLUMNS)


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
    invocation.show(found, columns=_COLUMNS)


async def remove(
    invocation: Invocation,
    limit: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
) -> None:
    """Remove a limit."""
    from conduit import lookup
    from conduit.instance import actor
    from policy.identifiers import LimitId
    from store import limit_acts

    limit_id = LimitId(lookup.by_id(limit, "a limit", shown_by="conduit limit list"))
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        rule = await limit_acts.remove_limit(
            instance.store, actor=actor(), tenant_id=owner.tenant_id, limit_id=limit_id
        )
    invocation.show(_document(rule, owner.name))


def _micro_dollars(text: str | None) -> int | None:
    from policy.money import parse_dollars

    return None if text is None else parse_dollars(text)


def _thresholds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return () if text == "none" else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter("--alert-at takes percents such as 50,80,100, or none") from None


def _settings(
    amounts: dict[Any, int | None],
    window: WindowName | None,
    rolling_hours: int | None,
    burst: int | None,
    thresholds: tuple[int, ...] | None,
) -> list[Any]:
    """The limits that were named. An option that none of them takes is a mistake, not to be passed over."""
    from policy.limit_setting import InvalidLimit, LimitSetting, check
    from policy.limits import RATES, WINDOWED, Window

    named = {kind: amount for kind, amount in amounts.items() if amount is not None}
    if not named:
        raise typer.BadParameter("name at least one limit to set")
    if burst is not None and len(RATES & named.keys()) != 1:
        raise typer.BadParameter("--burst is of one rate: --requests-per-minute or --tokens-per-minute")
    of_windows = (window, rolling_hours, thresholds)
    if not WINDOWED & named.keys() and any(option is not None for option in of_windows):
        raise typer.BadParameter("--window, --rolling-hours and --alert-at are of --tokens or --budget-usd")
    settings = [
        LimitSetting(kind, amount, Window(window.value) if window else None, rolling_hours, None, thresholds)
        if kind in WINDOWED
        else LimitSetting(kind, amount, burst=burst if kind in RATES else None)
        for kind, amount in named.items()
    ]
    try:
        for setting in settings:
            check(setting)
    except InvalidLimit as problem:
        raise typer.BadParameter(str(problem)) from None
    return settings


_COLUMNS = ("id", "tenant", "scope", "subject", "model", "kind", "amount", "window")


def _document(rule: Any, tenant: str) -> dict[str, object]:
    limit = rule.limit
    return {
        "id": str(limit.id),
        "tenant": tenant,
        "scope": limit.scope.value,
        "subject": str(limit.subject),
        "model": limit.model,
        "kind": limit.kind.value,
        "amount": limit.amount,
        "window": limit.window.value if limit.window else None,
        "rolling_hours": limit.hours,
        "burst": limit.burst,
        "alert_at": list(limit.thresholds) if limit.window else None,
    }
