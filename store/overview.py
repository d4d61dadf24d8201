"""What the analyst's page shows, read from events, usage and the inventory of endpoints.

No statement names a tenant: a tenant's session sees its own rows and a platform session for reporting sees
all, because the database's policies say so. Nothing here writes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.money import MicroDollars
from store import inventory
from store.inventory import Defaults, Item

ENDPOINTS_MAX = 200
RANKED_MAX = 8
EVENTS_MAX = 25


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a period. ``refused`` are among ``calls``; ``unpriced`` calls have no known cost.

    ``saved`` is what discounts took off.
    """

    calls: int
    refused: int
    input_tokens: int
    output_tokens: int
    cost: MicroDollars
    saved: MicroDollars
    unpriced: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls of one step of the period that begins at ``at``; ``refused`` are among ``calls``."""

    at: datetime
    calls: int
    refused: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a ranking: a count or micro-dollars, and its share of the largest in per cent."""

    name: str
    amount: int
    share: int


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """An AI endpoint of the inventory. ``state`` is what is in force, ``mixed`` where tenants differ."""

    host: str
    provider: str | None
    verdict: str
    score: int
    evidence: tuple[str, ...]
    calls: int
    first_seen: datetime
    last_seen: datetime
    state: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event as a page shows it; absent facts are ``None``."""

    sequence: int
    id: UUID
    at: datetime
    kind: str
    tenant: str | None
    who: str | None
    what: str | None
    model: str | None
    decision: str | None
    reason: str | None
    outcome: str | None
    tokens: int | None
    cost: MicroDollars | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page shows, read in one transaction."""

    totals: Totals
    buckets: tuple[Bucket, ...]
    refusals: tuple[Ranked, ...]
    models: tuple[Ranked, ...]
    spenders: tuple[Ranked, ...]
    endpoints: tuple[EndpointSeen, ...]
    events: tuple[EventLine, ...]


_CALLS = text("""
    SELECT count(*) AS calls, count(*) FILTER (WHERE outcome = 'refused') AS refused
    FROM conduit.event WHERE kind = 'call' AND at >= :since AND at < :until""")

_USAGE = text("""
    SELECT coalesce(sum(input_tokens), 0) AS input_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens,
           coalesce(sum(cost_micro_dollars), 0) AS cost,
           coalesce(sum(list_micro_dollars - cost_micro_dollars), 0) AS saved,
           count(*) FILTER (WHERE cost_micro_dollars IS NULL) AS unpriced
    FROM conduit.usage WHERE at >= :since AND at < :until""")

_BUCKETS = text("""
    SELECT step.at, coalesce(found.calls, 0) AS calls, coalesce(found.refused, 0) AS refused
    FROM generate_series(CAST(:since AS timestamptz), CAST(:until AS timestamptz) - CAST(:step AS interval),
                         CAST(:step AS interval)) AS step(at)
    LEFT JOIN (
        SELECT date_bin(CAST(:step AS interval), at, CAST(:since AS timestamptz)) AS at, count(*) AS calls,
               count(*) FILTER (WHERE outcome = 'refused') AS refused
        FROM conduit.event WHERE kind = 'call' AND at >= :since AND at < :until GROUP BY 1
    ) AS found ON found.at = step.at ORDER BY step.at""")

_REFUSALS = text("""
    SELECT reason AS name, count(*) AS amount FROM conduit.event
    WHERE kind IN ('call', 'tunnel', 'connection') AND outcome = 'refused' AND reason IS NOT NULL
          AND at >= :since AND at < :until
    GROUP BY reason ORDER BY amount DESC, name""")  # a closed list of two dozen

_MODELS = text("""
    SELECT coalesce(model, 'unknown model') AS name, sum(cost_micro_dollars) AS amount
    FROM conduit.usage WHERE at >= :since AND at < :until
    GROUP BY 1 HAVING sum(cost_micro_dollars) > 0 ORDER BY amount DESC, name LIMIT :most""")

_USERS = text("""
    SELECT coalesce(member.name, 'no user') AS name, sum(usage.cost_micro_dollars) AS amount
    FROM conduit.usage LEFT JOIN conduit.member
         ON member.tenant_id = usage.tenant_id AND member.id = usage.member_id
    WHERE usage.at >= :since AND usage.at < :until
    GROUP BY 1 HAVING sum(usage.cost_micro_dollars) > 0 ORDER BY amount DESC, name LIMIT :most""")

_TENANTS = text("""
    SELECT tenant.name AS name, sum(usage.cost_micro_dollars) AS amount
    FROM conduit.usage JOIN conduit.tenant USING (tenant_id)
    WHERE usage.at >= :since AND usage.at < :until
    GROUP BY 1 HAVING sum(usage.cost_micro_dollars) > 0 ORDER BY amount DESC, name LIMIT :most""")

EVENTS = text("""
    SELECT event.sequence, event.id, event.at, event.kind, event.host, event.model, event.reason,
           event.outcome, event.body AS body
    FROM conduit.event
    WHERE event.body IS NOT NULL AND (CAST(:before AS timestamptz) IS NULL OR event.at < :before)
    ORDER BY event.at DESC, event.id DESC LIMIT :most""")

_LATEST = text("SELECT coalesce(sum(sequence), 0) FROM conduit.chain_head")


async def read(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    step: timedelta,
    defaults: Defaults,
    by_tenant: bool,
) -> Overview:
    """Everything for the page. ``by_tenant`` ranks spend by tenant instead of by user."""
    period: dict[str, Any] = {"since": since, "until": until}
    ranked = {**period, "most": RANKED_MAX}
    buckets = (await session.execute(_BUCKETS, {**period, "step": step})).all()
    refusals = (await session.execute(_REFUSALS, period)).all()
    models = (await session.execute(_MODELS, ranked)).all()
    spenders = (await session.execute(_TENANTS if by_tenant else _USERS, ranked)).all()
    return Overview(
        totals=await totals(session, since=since, until=until),
        buckets=tuple(Bucket(*row) for row in buckets),
        refusals=_ranking(refusals),
        models=_ranking(models),
        spenders=_ranking(spenders),
        endpoints=await endpoints(session, defaults=defaults),
        events=await events(session),
    )


async def endpoints(session: AsyncSession, *, defaults: Defaults) -> tuple[EndpointSeen, ...]:
    """The inventory, last seen first, one line a host, with the state in force."""
    by_host: dict[str, list[Item]] = {}
    for item in await inventory.items(session, defaults=defaults):
        by_host.setdefault(item.host, []).append(item)
    return tuple(_seen(items) for items in list(by_host.values())[:ENDPOINTS_MAX])


async def events(
    session: AsyncSession, *, before: datetime | None = None, most: int = EVENTS_MAX
) -> tuple[EventLine, ...]:
    """The last ``most`` events, newest first; those before ``before``, where given."""
    rows = await session.execute(EVENTS, {"before": before, "most": most})
    return tuple(_line(row) for row in rows)


async def totals(session: AsyncSession, *, since: datetime, until: datetime) -> Totals:
    """The sums of a period alone."""
    period = {"since": since, "until": until}
    calls = (await session.execute(_CALLS, period)).one()
    usage = (await session.execute(_USAGE, period)).one()
    # Sums of whole numbers come as ``Decimal``: together they may be more than a bigint holds.
    return Totals(
        calls=calls.calls,
        refused=calls.refused,
        input_tokens=int(usage.input_tokens),
        output_tokens=int(usage.output_tokens),
        cost=MicroDollars(int(usage.cost)),
        saved=MicroDollars(int(usage.saved)),
        unpriced=usage.unpriced,
    )


async def latest(session: AsyncSession) -> int:
    """A number that grows whenever an event is added to a chain that this session sees."""
    return int((await session.execute(_LATEST)).scalar_one())


def _seen(items: Sequence[Item]) -> EndpointSeen:
    """One host of one or more tenants."""
    surest = max(items, key=lambda item: (item.score, item.last_seen))
    states = {item.state.value for item in items}
    return EndpointSeen(
        host=surest.host,
        provider=next((item.provider for item in items if item.provider), None),
        verdict=min(item.verdict for item in items),
        score=surest.score,
        evidence=surest.evidence,
        calls=sum(item.calls for item in items),
        first_seen=min(item.first_seen for item in items),
        last_seen=max(item.last_seen for item in items),
        state=states.pop() if len(states) == 1 else "mixed",
    )


def _ranking(rows: Sequence[Row[Any]]) -> tuple[Ranked, ...]:
    amounts = [int(row.amount) for row in rows]
    largest = max(amounts, default=0)
    return tuple(
        Ranked(row.name, amount, max(1, amount * 100 // largest))
        for row, amount in zip(rows, amounts, strict=True)
    )


def _line(row: Row[Any]) -> EventLine:
    # Text in the database: jsonb takes no NUL, which a hostile caller can put into a name.
    body = json.loads(row.body)
    tokens = (body.get("input_tokens"), body.get("output_tokens"))
    return EventLine(
        sequence=row.sequence,
        id=row.id,
        at=row.at,
        kind=row.kind,
        tenant=body.get("tenant"),
        who=body.get("user") or body.get("actor"),
        what=row.host or _act(body),
        model=row.model,
        decision=body.get("decision"),
        reason=row.reason,
        outcome=row.outcome,
        tokens=None if tokens == (None, None) else sum(part or 0 for part in tokens),
        cost=body.get("cost_micro_dollars"),
    )


def _act(body: dict[str, Any]) -> str | None:
    """What was done, and to what: its name where the act has one, which says more than an id."""
    if not body.get("action"):
        return None
    detail = body.get("detail") or {}
    return f"{body['action']} {detail.get('name') or body.get('target', '')}".strip()
