"""Everything that one placeholder touched: the answer to "this one has leaked".

Counted from the record, which names hosts, models, addresses and refusals; the money is from the usage rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import PlaceholderId
from policy.money import MicroDollars
from store.tables import EVENT, USAGE

# The body is canonical JSON: within a string a quote is escaped, so this text is the field and nothing else.
_ADDRESS = func.substring(EVENT.c.body, '"source_address":"([^"]*)"')
_JA4 = func.substring(EVENT.c.body, '"ja4":"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Touched:
    """One host, model, address, TLS client, reason or outcome: in how many events, from when to when."""

    value: str
    events: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Trace:
    """What a placeholder touched. ``events`` counts refusals too; ``requests`` are the calls that used any.

    ``unpriced`` is how many of those have no known price: ``cost_micro_dollars`` lacks them. ``ja4`` are the
    fingerprints of the TLS clients that it came by.
    """

    placeholder_id: PlaceholderId
    events: int
    refused: int
    first_at: datetime | None
    last_at: datetime | None
    hosts: tuple[Touched, ...]
    models: tuple[Touched, ...]
    addresses: tuple[Touched, ...]
    ja4: tuple[Touched, ...]
    reasons: tuple[Touched, ...]
    outcomes: tuple[Touched, ...]
    requests: int
    input_tokens: int
    output_tokens: int
    cost_micro_dollars: MicroDollars
    unpriced: int


async def trace(session: AsyncSession, *, placeholder_id: PlaceholderId) -> Trace:
    """Trace a placeholder of the session's tenant; one that was never used has touched nothing."""
    event = EVENT.c
    seen = (_ADDRESS.label("address"), _JA4.label("ja4"))
    described = (event.host, event.model, *seen, event.reason, event.outcome)
    query = select(
        *described,
        func.count().label("events"),
        func.min(event.at).label("first_at"),
        func.max(event.at).label("last_at"),
    )
    query = query.where(event.placeholder_id == placeholder_id).group_by(*described)
    rows = (await session.execute(query)).all()
    used = (await session.execute(_usage(placeholder_id))).one()
    return Trace(
        placeholder_id=placeholder_id,
        events=sum(row.events for row in rows),
        refused=sum(row.events for row in rows if row.reason is not None),
        first_at=min((row.first_at for row in rows), default=None),
        last_at=max((row.last_at for row in rows), default=None),
        hosts=_touched(rows, "host"),
        models=_touched(rows, "model"),
        addresses=_touched(rows, "address"),
        ja4=_touched(rows, "ja4"),
        reasons=_touched(rows, "reason"),
        outcomes=_touched(rows, "outcome"),
        requests=used.requests,
        input_tokens=int(used.input_tokens),
        output_tokens=int(used.output_tokens),
        cost_micro_dollars=MicroDollars(int(used.cost)),
        unpriced=used.unpriced,
    )


def _usage(placeholder_id: PlaceholderId) -> Any:
    used = USAGE.c
    return select(
        func.count().label("requests"),
        func.coalesce(func.sum(used.input_tokens), 0).label("input_tokens"),
        func.coalesce(func.sum(used.output_tokens), 0).label("output_tokens"),
        func.coalesce(func.sum(used.cost_micro_dollars), 0).label("cost"),
        (func.count() - func.count(used.cost_micro_dollars)).label("unpriced"),
    ).where(used.placeholder_id == placeholder_id)


def _touched(rows: Iterable[Row[Any]], name: str) -> tuple[Touched, ...]:
    found: dict[str, Touched] = {}
    for row in rows:
        value = getattr(row, name)
        if value is None:
            continue
        so_far = found.get(value, Touched(value, 0, row.first_at, row.last_at))
        found[value] = Touched(
            value,
            so_far.events + row.events,
            min(so_far.first_at, row.first_at),
            max(so_far.last_at, row.last_at),
        )
    return tuple(sorted(found.values(), key=lambda item: (-item.events, item.value)))
