"""What is still to be told to each destination of alerts; for ``Purpose.ADMINISTRATION``.

Incidents are read from the record itself, each tenant's in its order, and what is to be told is kept with
how far that was, in one transaction: a process that dies loses nothing and begins nothing anew. Taking a
message puts off its next attempt, so several instances may work on one database.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.alert import fingerprint, reaches, severity_of
from policy.event import Event
from policy.identifiers import TenantId
from policy.incident import Severity
from store.chain import PLATFORM
from store.rows import many

READ_AT_ONCE = 500
# From so many waiting messages on, incidents are told by action and tenant alone.
FOLDED_FROM = 50


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one destination wants: incidents of ``least`` and graver, of the tenant of this name or of all."""

    destination: str
    least: Severity
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message to be sent now. ``told`` is true where only repetitions of the incident are to be told."""

    tenant_id: TenantId
    id: UUID
    tenant: str
    body: str
    repeats: int
    last_at: datetime
    rounds: int
    attempts: int
    told: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one destination; ``failing_since`` is the oldest message that failed and waits."""

    destination: str
    waiting: int
    attempts: int
    failing_since: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one destination: still to be told, or told lately, when only repetitions are counted.

    ``body`` is the incident's event. ``due_at`` is the next attempt or, once told, the end of the counting.
    """

    tenant_id: TenantId
    id: UUID
    tenant: str
    destination: str
    body: str
    repeats: int
    last_at: datetime
    told_at: datetime | None
    attempts: int
    due_at: datetime
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Fresh:
    tenant_id: TenantId
    sequence: int
    at: datetime
    body: str


# A destination that is new hears of what comes, not of what has been.
_BEGIN = text("""
INSERT INTO conduit.alert_position (tenant_id, destination, sequence)
SELECT t.tenant_id, :destination, coalesce(h.sequence, 0)
FROM conduit.tenant t LEFT JOIN conduit.chain_head h USING (tenant_id)
WHERE t.state = 'active'
  AND NOT EXISTS (SELECT FROM conduit.alert_position p WHERE p.destination = :destination)
ON CONFLICT DO NOTHING
""")
_LOCK = text(
    "SELECT sequence FROM conduit.alert_position WHERE tenant_id = :tenant AND destination = :destination"
    " FOR UPDATE"
)
# By turns of the tenants, so that none waits for another's flood, and what is cut off is each one's latest.
_READ = text("""
SELECT t.tenant_id, fresh.sequence, fresh.at, fresh.body
FROM conduit.tenant t
LEFT JOIN conduit.alert_position p ON p.tenant_id = t.tenant_id AND p.destination = :destination
CROSS JOIN LATERAL (
    SELECT e.sequence, e.at, e.body, row_number() OVER (ORDER BY e.sequence) AS turn FROM conduit.event e
    WHERE e.tenant_id = t.tenant_id AND e.kind = 'incident' AND e.sequence > coalesce(p.sequence, 0)
    ORDER BY e.sequence LIMIT :limit
) fresh
WHERE t.state = 'active' AND (CAST(:name AS text) IS NULL OR lower(t.name) = lower(:name))
ORDER BY fresh.turn, t.tenant_id LIMIT :limit
""")
_ADVANCE = text("""
INSERT INTO conduit.alert_position AS kept (tenant_id, destination, sequence)
SELECT tenant, :destination, sequence
FROM unnest(CAST(:tenants AS uuid[]), CAST(:sequences AS bigint[])) AS read (tenant, sequence)
ON CONFLICT (tenant_id, destination) DO UPDATE SET sequence = excluded.sequence
""")
_COUNT_WAITING = text(
    "SELECT count(*) FROM (SELECT FROM conduit.alert WHERE destination = :destination AND told_at IS NULL"
    " LIMIT :most) waiting"
)
_PUT = text("""
INSERT INTO conduit.alert AS kept
    (tenant_id, id, destination, fingerprint, severity, body, repeats, last_at, due_at)
VALUES (:tenant_id, :id, :destination, :fingerprint, :severity, :body, :repeats, :last_at, now())
ON CONFLICT (tenant_id, destination, fingerprint) DO UPDATE
SET repeats = kept.repeats + excluded.repeats + 1, last_at = greatest(kept.last_at, excluded.last_at)
""")
_FORGET = text(
    "DELETE FROM conduit.alert WHERE destination = :destination AND told_at IS NOT NULL AND repeats = 0"
    " AND due_at <= now()"
)
_CLAIM = text("""
UPDATE conduit.alert a SET attempts = a.attempts + 1, due_at = now() + :lease
FROM (
    SELECT w.tenant_id, w.id, t.name FROM conduit.alert w JOIN conduit.tenant t USING (tenant_id)
    WHERE w.destination = :destination AND w.due_at <= now() AND (w.told_at IS NULL OR w.repeats > 0)
    ORDER BY w.severity DESC, w.due_at, w.id LIMIT 1 FOR UPDATE OF w SKIP LOCKED
) due
WHERE a.tenant_id = due.tenant_id AND a.id = due.id
RETURNING a.tenant_id, a.id, due.name AS tenant, a.body, a.repeats, a.last_at, a.rounds, a.attempts,
    a.told_at IS NOT NULL AS told
""")
_DELIVERED = text("""
UPDATE conduit.alert SET told_at = coalesce(told_at, now()), repeats = repeats - :repeats,
    rounds = :rounds + 1,    attempts = 0, problem = NULL, due_at = now() + :window
WHERE tenant_id = :tenant_id AND id = :id AND rounds = :rounds
""")
_FAILED = text(
    "UPDATE conduit.alert SET due_at = now() + :wait, problem = :problem"
    " WHERE tenant_id = :tenant_id AND id = :id AND rounds = :rounds"
)
_STANDINGS = text("""
SELECT destination, count(*) FILTER (WHERE told_at IS NULL OR repeats > 0) AS waiting,
    max(attempts) AS attempts,    min(last_at) FILTER (WHERE problem IS NOT NULL) AS failing_since,
    (array_agg(problem ORDER BY due_at DESC) FILTER (WHERE problem IS NOT NULL))[1] AS problem
FROM conduit.alert GROUP BY destination ORDER BY destination
""")

_DELIVERIES = text("""
SELECT a.tenant_id, a.id, t.name AS tenant, a.destination, a.body, a.repeats, a.last_at, a.told_at,
    a.attempts, a.due_at, a.problem
FROM conduit.alert a JOIN conduit.tenant t USING (tenant_id)
WHERE CAST(:destination AS text) IS NULL OR a.destination = :destination
ORDER BY a.told_at IS NOT NULL, a.last_at DESC, a.id DESC LIMIT :limit
""")


async def take_in(session: AsyncSession, *, subscription: Subscription) -> int:
    """Read the incidents that are new to a destination and keep what is to be told; how many were read."""
    named = {"destination": subscription.destination}
    await session.execute(_BEGIN, named)
    await session.execute(_LOCK, named | {"tenant": PLATFORM})  # one reader at a time
    read = await many(
        session, _Fresh, _READ.bindparams(**named, name=subscription.tenant, limit=READ_AT_ONCE)
    )
    if not read:
        return 0
    waiting = await session.scalar(_COUNT_WAITING, named | {"most": FOLDED_FROM})
    rows = [named | row for row in _grouped(read, subscription.least, int(waiting or 0))]
    if rows:
        await session.execute(_PUT, rows)
    last = {fresh.tenant_id: fresh.sequence for fresh in read}
    await session.execute(_ADVANCE, named | {"tenants": list(last), "sequences": list(last.values())})
    return len(read)


async def claim(session: AsyncSession, *, destination: str, lease: timedelta) -> Message | None:
    """The gravest message that is due, for one attempt; nobody else is given it within ``lease``."""
    await session.execute(_FORGET, {"destination": destination})
    found = await many(session, Message, _CLAIM.bindparams(destination=destination, lease=lease))
    return found[0] if found else None


async def delivered(session: AsyncSession, *, message: Message, window: timedelta) -> None:
    """It has arrived: for as long as ``window``, more of the same are only counted."""
    await session.execute(_DELIVERED, _key(message) | {"repeats": message.repeats, "window": window})


async def failed(session: AsyncSession, *, message: Message, wait: timedelta, problem: str) -> None:
    """It has not: try again after ``wait``. ``problem`` holds no secret."""
    await session.execute(_FAILED, _key(message) | {"wait": wait, "problem": problem[:300]})


async def standings(session: AsyncSession) -> list[Standing]:
    """Every destination that has something to be told or counted, by name."""
    return await many(session, Standing, _STANDINGS)


async def deliveries(session: AsyncSession, *, destination: str | None, limit: int) -> list[Delivery]:
    """The messages of one destination or of all, what waits before what was told, the latest first."""
    return await many(session, Delivery, _DELIVERIES.bindparams(destination=destination, limit=limit))


def _grouped(read: Sequence[_Fresh], least: Severity, waiting: int) -> list[dict[str, object]]:
    """One row for each incident that differs; beyond ``FOLDED_FROM`` of them by action and tenant alone."""
    rows: dict[tuple[TenantId, bytes], dict[str, object]] = {}
    for fresh in read:
        event: Event = json.loads(fresh.body)
        severity = severity_of(event)
        if not reaches(severity, least):
            continue
        whole = (fresh.tenant_id, fingerprint(event, folded=False))
        known = whole in rows or waiting + len(rows) < FOLDED_FROM
        key = whole if known else (fresh.tenant_id, fingerprint(event, folded=True))
        before = rows.get(key)
        if before is not None:
            rows[key] = before | {"repeats": int(str(before["repeats"])) + 1, "last_at": fresh.at}
            continue
        rows[key] = {
            "tenant_id": fresh.tenant_id,
            "id": uuid7(),
            "fingerprint": key[1],
            "severity": list(Severity).index(severity),
            "body": fresh.body,
            "repeats": 0,
            "last_at": fresh.at,
        }
    return list(rows.values())


def _key(message: Message) -> dict[str, object]:
    return {"tenant_id": message.tenant_id, "id": message.id, "rounds": message.rounds}
