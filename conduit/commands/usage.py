"""``conduit usage`` and ``conduit invoice``: how much was used, by whom, and what it cost."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conduit.command import Invocation, access_to, by_itself, command, group

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from store.usage import Total


class By(StrEnum):
    """By what usage is summed."""

    USER = "user"
    TEAM = "team"
    MODEL = "model"
    PLACEHOLDER = "placeholder"
    CREDENTIAL = "credential"
    PROVIDER = "provider"
    COST_CENTRE = "cost-centre"


class InvoiceFormat(StrEnum):
    """``csv`` is safe to open in a spreadsheet."""

    CSV = "csv"
    JSON = "json"


_SUMS = (
    "requests",
    "input_tokens",
    "output_tokens",
    "tokens",
    "micro_dollars",
    "list_micro_dollars",
    "correction_micro_dollars",
    "unpriced",
)


def register(application: typer.Typer) -> None:
    usage = group("usage", "How much was used, by whom, and what it cost.", application)
    by_itself(usage)(show)
    command(usage, "reprice")(reprice)
    command(application, "invoice")(invoice)


async def show(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Name or id of the tenant; all without it.")] = None,
    user: Annotated[str | None, typer.Option(help="Name or id of a user of the tenant.")] = None,
    since: Annotated[str, typer.Option(help="From when: 24h, 30d, or 2026-11-01.")] = "30d",
    by: Annotated[By, typer.Option(help="One line for each of these.")] = By.USER,
) -> None:
    """Show requests, tokens and micro-dollars: in all, and for each user, model, placeholder or team."""
    from conduit import lookup
    from conduit.instance import opened
    from policy import price_data
    from store import usage

    if user is not None and tenant is None:
        raise typer.BadParameter("--user needs --tenant")
    now = datetime.now(UTC)
    start = lookup.moment(since, now=now, forward=False)
    grouping = usage.Grouping[by.name]
    rows: list[dict[str, Any]] = []
    async with opened(invocation) as instance:
        for owner in await lookup.every_tenant(instance.store, tenant):
            member = await lookup.user(instance.store, owner.tenant_id, user) if user else None
            async with instance.store.tenant(owner.tenant_id) as session:
                totals = await usage.totals(
                    session,
                    since=start,
                    until=now,
                    grouping=grouping,
                    member_id=member.id if member else None,
                )
                rows += [{"tenant": owner.name, **row} for row in await _named(session, totals, by)]
    whole = {name: sum(row[name] for row in rows) for name in _SUMS}
    if invocation.json:
        period = {"since": start.isoformat(), "until": now.isoformat(), "by": by.value}
        named = {"price_data": price_data.edition(), f"{by.value.replace('-', '_')}s": rows}
        invocation.show_json({**period, **whole, **named})
    else:
        invocation.show([*rows, {"tenant": "all", **whole}] if rows else [])


async def _named(session: "AsyncSession", totals: "list[Total]", by: By) -> list[dict[str, Any]]:
    """Sums with people's words for what they are of; a team is the one in which the user was then."""
    from store import members, teams

    if by not in (By.USER, By.TEAM):
        name = by.value.replace("-", "_")
        return [{name: _text(total.subject), **_sums(total)} for total in totals]
    known = await members.every(session) if by is By.USER else await teams.every(session)
    names: dict[Any, str] = {item.id: item.name for item in known}
    return [{by.value: names.get(total.subject), **_sums(total)} for total in totals]


def _text(subject: object) -> str | None:
    return None if subject is None else str(subject)


def _sums(total: "Total") -> dict[str, int]:
    return {
        "requests": total.requests,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "tokens": total.input_tokens + total.output_tokens,
        "micro_dollars": total.cost_micro_dollars,
        "list_micro_dollars": total.list_micro_dollars,
        "correction_micro_dollars": total.correction_micro_dollars,
        "unpriced": total.unpriced,
    }


async def reprice(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    since: Annotated[str, typer.Option(help="From when: 24h, 30d, or 2026-11-01.")],
    until: Annotated[str | None, typer.Option(help="Until when, such as 2026-12-01.  [default: now]")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the differences as corrections.")] = False,
) -> None:
    """Show what calls would cost by today's price rules for their time. No usage row is ever changed.

    With --apply each difference becomes a correction of today, in the invoice of this month.
    """
    from conduit import lookup
    from conduit.instance import actor
    from store import repricing

    now = datetime.now(UTC)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        outcome = await repricing.reprice(
            instance.store,
            actor=actor(),
            tenant_id=owner.tenant_id,
            since=lookup.moment(since, now=now, forward=False),
            until=lookup.moment(until, now=now, forward=False) if until else now,
            apply=apply,
        )
    rows = [
        {**asdict(each), "difference": each.difference}
        for each in sorted(outcome.differences.values(), key=lambda item: item.difference)
    ]
    if invocation.json:
        whole = {"calls": outcome.calls, "changed": outcome.changed, "applied": apply}
        invocation.show_json({**whole, "difference_micro_dollars": outcome.difference, "differences": rows})
    else:
        invocation.show(rows)
    done = "corrected" if apply else "would be corrected (say --apply)"
    invocation.say(f"{outcome.changed} of {outcome.calls} calls {done}: {outcome.difference} micro-dollars")


async def invoice(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")],
    month: Annotated[str, typer.Option(help="Such as 2026-11, by the clocks of the tenant's time zone.")],
    kind: Annotated[
        InvoiceFormat, typer.Option("--format", help="Of the file; csv is safe in a spreadsheet.")
    ] = InvoiceFormat.CSV,
    out: Annotated[Path | None, typer.Option(help="File to write instead of standard output.")] = None,
) -> None:
    """Write what a tenant used in a month: a line for each user and model, in whole micro-dollars."""
    from conduit import lookup
    from store import invoices

    first = _first_of(month)
    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        period = invoices.month_of(first, owner.time_zone)
        async with instance.store.tenant(owner.tenant_id) as session:
            found = await invoices.lines(session, period=period)
    made = invoices.invoice(owner, first, found)
    as_csv = kind is InvoiceFormat.CSV and not invocation.json
    _write(invoices.as_csv(made) if as_csv else _document(asdict(made)), out)
    owed = made.cost_micro_dollars
    if out is not None and invocation.json:
        invocation.show_json(
            {"tenant": owner.name, "file": str(out), "lines": len(found), "micro_dollars": owed}
        )
    invocation.say(f"{len(found)} lines, {owed} micro-dollars")
    if made.unpriced:
        invocation.say(f"calls without a known price, not in the sum: {made.unpriced}")


def _first_of(month: str) -> date:
    from store import invoices

    try:
        return invoices.read_month(month)
    except ValueError:
        raise typer.BadParameter(f"{month!r} is not a month, such as 2026-11") from None


def _document(invoice_of: dict[str, Any]) -> str:
    import json

    return json.dumps(invoice_of, default=_text_of, ensure_ascii=False) + "\n"


def _text_of(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    with access_to(out, "written"):
        out.write_text(text, newline="")
