"""``conduit price``: what models cost where it is not what the list says, and which discounts there are."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group

if TYPE_CHECKING:
    from store.tenants import Tenant

OfTenant = Annotated[str | None, typer.Option("--tenant", help="For this tenant; for all without it.")]
From = Annotated[
    str | None,
    typer.Option("--from", help="Begins: 2026-12-01 (the tenant's midnight), or RFC 3339.  [default: now]"),
]
Until = Annotated[str | None, typer.Option(help="Ends before this; never without it.")]
ModelName = Annotated[str, typer.Option(help="As requests name it; a final * stands for any rest.")]
_HISTORY = "Calls that were charged before stay as they are; `conduit usage reprice` shows the difference."
_COLUMNS = (
    "id",
    "tenant",
    "kind",
    "provider",
    "model",
    "input_usd_per_million",
    "output_usd_per_million",
    "discount_percent",
    "since",
    "until",
)


def register(application: typer.Typer) -> None:
    price = group("price", "What models cost, and discounts.", application)
    command(price, "set")(override)
    command(price, "discount")(discount)
    command(price, "list")(show)
    command(price, "quote")(quote)
    command(price, "remove")(remove)


async def override(
    invocation: Invocation,
    provider: Annotated[str, typer.Option(help="Its id, such as openai.")],
    model: ModelName,
    input_usd_per_million: Annotated[str, typer.Option(help="US dollars for a million input tokens.")],
    output_usd_per_million: Annotated[str, typer.Option(help="US dollars for a million output tokens.")],
    cached_input_usd_per_million: Annotated[
        str | None, typer.Option(help="For input read from a cache.  [default: as input]")
    ] = None,
    cache_write_usd_per_million: Annotated[
        str | None, typer.Option(help="For input written to a cache.  [default: as input]")
    ] = None,
    request_usd: Annotated[str, typer.Option(help="For each request besides.")] = "0",
    since: From = None,
    until: Until = None,
    tenant: OfTenant = None,
) -> None:
    """Override the list price of a model, for all tenants or for one. Of several, the last begun applies."""
    from policy.price_rules import OverridePrices
    from store.prices import NewRule

    prices = OverridePrices(
        input=_price(input_usd_per_million),
        output=_price(output_usd_per_million),
        cached_input=_optional_price(cached_input_usd_per_million),
        cache_write=_optional_price(cache_write_usd_per_million),
        request=_price(request_usd),
    )
    # The period is filled in once the tenant's time zone is known.
    await _set(invocation, NewRule(provider, model, datetime.now(UTC), prices=prices), (since, until), tenant)


async def discount(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    percent: Annotated[str, typer.Option(help="Off the price, such as 12.5; at most 100.")],
    provider: Annotated[str | None, typer.Option(help="At this provider; at all without it.")] = None,
    model: ModelName = "*",
    since: From = None,
    until: Until = None,
) -> None:
    """Give a tenant a discount. Of several, the most specific applies, then the last begun; none add up."""
    from policy.money import BASIS_POINT, parse_exact
    from store.prices import NewRule

    new = NewRule(provider, model, datetime.now(UTC), discount=parse_exact(percent, BASIS_POINT))
    await _set(invocation, new, (since, until), tenant)


async def show(invocation: Invocation, tenant: OfTenant = None) -> None:
    """List overrides and discounts, and of which day the list of prices is that they stand above."""
    from conduit import lookup
    from conduit.instance import opened
    from policy import price_data
    from store import prices
    from store.claim import Purpose

    async with opened(invocation) as instance:
        owners = await lookup.every_tenant(instance.store, tenant)
        async with instance.store.platform(Purpose.REPORTING) as session:
            found = await prices.every(session)
    names = {owner.tenant_id: owner.name for owner in owners}
    rules = [_document(rule, names) for rule in found if _is_shown(rule, names)]
    data = price_data.edition()
    if invocation.json:
        invocation.show_json({"price_data": data, "rules": rules})
    else:
        invocation.show(rules, columns=_COLUMNS)
        invocation.say(f"All else by genai-prices {data['version']} of {data['date']}.")


async def quote(
    invocation: Invocation,
    provider: Annotated[str, typer.Option(help="Its id, such as openai.")],
    model: Annotated[str, typer.Option(help="As a request names it.")],
    tenant: OfTenant = None,
    at: Annotated[str | None, typer.Option(help="At this moment.  [default: now]")] = None,
) -> None:
    """Show what a million tokens cost a tenant, and which price and discount that is."""
    from conduit import lookup
    from conduit.instance import opened
    from policy import price_data
    from policy.price_rules import terms_of
    from policy.pricing import price_units
    from store import prices, tenants
    from store.claim import Purpose

    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant) if tenant else None
        async with instance.store.platform(Purpose.REPORTING) as session:
            identity = owner.tenant_id if owner else tenants.PLATFORM
            rules = await prices.in_force_for(session, tenant_id=identity)
    terms, moment = terms_of(rule.as_policy() for rule in rules), _moment(at, owner)
    priced = {
        unit: price_units(provider, model, {unit: 10**6}, moment, terms=terms)
        for unit in ("input_tokens", "output_tokens")
    }
    shown = {f"{unit}_usd_per_million": _dollars(each.amount) for unit, each in priced.items()}
    listed = {f"list_{unit}_usd_per_million": _dollars(each.listed) for unit, each in priced.items()}
    each = priced["input_tokens"]
    invocation.show(
        {
            "provider": provider,
            "model": model,
            "at": moment.isoformat(),
            **shown,
            **listed,
            "discount_percent": _percent(each.discount),
            "price_source": each.source,
            "price_version": each.version,
            "price_data_date": price_data.released().isoformat(),
        }
    )


async def remove(
    invocation: Invocation,
    rule: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    tenant: OfTenant = None,
) -> None:
    """Remove an override or a discount."""
    from conduit import lookup
    from conduit.instance import actor, opened
    from store import price_acts

    rule_id = lookup.by_id(rule, "a price", shown_by="conduit price list")
    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant) if tenant else None
        ended = await price_acts.remove_price(
            instance.store, actor=actor(), tenant_id=owner.tenant_id if owner else None, rule_id=rule_id
        )
    invocation.show(_document(ended, {owner.tenant_id: owner.name} if owner else {}), note=_HISTORY)


async def _set(
    invocation: Invocation, new: Any, period: tuple[str | None, str | None], tenant: str | None
) -> None:
    from dataclasses import replace

    from conduit import lookup
    from conduit.instance import actor, opened
    from store import price_acts

    async with opened(invocation) as instance:
        owner = await lookup.tenant(instance.store, tenant) if tenant else None
        since, until = period
        ends = _moment(until, owner) if until is not None else None
        made = await price_acts.set_price(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id if owner else None,
            new=replace(new, since=_moment(since, owner), until=ends),
        )
    invocation.show(_document(made, {owner.tenant_id: owner.name} if owner else {}), note=_HISTORY)


def _moment(text: str | None, owner: "Tenant | None") -> datetime:
    """A day is its midnight by the tenant's clocks; in UTC where it is for all tenants."""
    from zoneinfo import ZoneInfo

    if text is None:
        return datetime.now(UTC)
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{text!r} is not a time; write 2026-12-01 or 2026-12-01T12:00:00Z") from None
    zone = ZoneInfo(owner.time_zone) if owner else UTC
    return stated if stated.tzinfo else stated.replace(tzinfo=zone)


def _price(text: str) -> int:
    from policy.money import MICRO_DOLLAR, parse_exact

    return parse_exact(text, MICRO_DOLLAR)


def _optional_price(text: str | None) -> int | None:
    return None if text is None else _price(text)


def _is_shown(rule: Any, names: dict[Any, str]) -> bool:
    from store import tenants

    return rule.tenant_id == tenants.PLATFORM or rule.tenant_id in names


def _document(rule: Any, names: dict[Any, str]) -> dict[str, object]:
    return {
        "id": str(rule.id),
        "tenant": names.get(rule.tenant_id),
        "kind": rule.kind.value,
        "provider": rule.provider,
        "model": rule.model,
        "input_usd_per_million": _dollars(rule.input),
        "output_usd_per_million": _dollars(rule.output),
        "cached_input_usd_per_million": _dollars(rule.cached_input),
        "cache_write_usd_per_million": _dollars(rule.cache_write),
        "request_usd": _dollars(rule.request),
        "discount_percent": _percent(rule.discount),
        "since": rule.since.isoformat(),
        "until": rule.until.isoformat() if rule.until else None,
    }


def _dollars(amount: int | None) -> str | None:
    from policy.money import MicroDollars, to_dollars

    return None if amount is None else f"{to_dollars(MicroDollars(amount)):f}"


def _percent(basis_points: int | None) -> str | None:
    from policy.money import BASIS_POINT

    return None if basis_points is None else f"{basis_points * BASIS_POINT:f}"
