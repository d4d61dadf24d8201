"""The hash chain of each tenant's events, and of the platform's own.

Each event's canonical text is a leaf of a Merkle tree (``store.merkle``) and a link of a chain::

    leaf  = SHA-256(0x00 || text)                       RFC 6962, 2.1
    chain = SHA-256(0x02 || chain before || leaf)
    chain before the first = SHA-256("apiconduit chain 1" || 0x00 || tenant id, 16 bytes)

0x02 keeps a link from passing for a leaf or an inner node; the tenant in the origin keeps one tenant's
chain from passing for another's. The chain names the first altered event; the tree's root, signed in
checkpoints (``store.checkpoint``), shows that the chain itself was not rewritten.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.event import PLATFORM_TENANT
from policy.identifiers import TenantId
from store.canonical import canonical
from store.merkle import Frontier, leaf_hash

PLATFORM = TenantId(UUID(PLATFORM_TENANT))
# Written beside an event in an export, so no event may use these names itself.
RESERVED_NAMES = frozenset({"sequence", "chain", "leaf"})
SEARCH_IDS = ("user_id", "placeholder_id", "credential_id")
SEARCH_TEXTS = ("host", "model", "reason", "outcome")

LOCK_HEAD = text(
    "SELECT sequence, chain, frontier FROM conduit.chain_head WHERE tenant_id = :tenant FOR UPDATE"
)
START_HEAD = text(
    "INSERT INTO conduit.chain_head (tenant_id, sequence, chain, frontier)"
    " VALUES (:tenant, 0, :chain, '') ON CONFLICT DO NOTHING"
)
ADVANCE_HEAD = text(
    "UPDATE conduit.chain_head SET sequence = :sequence, chain = :chain, frontier = :frontier,"
    " updated_at = now() WHERE tenant_id = :tenant"
)
KNOWN_IDS = text("SELECT id FROM conduit.event WHERE tenant_id = :tenant AND id = ANY(:ids)")
LEAVES = text(
    "SELECT leaf FROM conduit.event WHERE tenant_id = :tenant AND sequence > :after AND sequence <= :last"
    " ORDER BY sequence LIMIT :limit"
)
COLUMNS = {
    "sequence": "bigint",
    "id": "uuid",
    "at": "timestamptz",
    "kind": "text",
    "body": "text",
    "leaf": "bytea",
    "chain": "bytea",
    **dict.fromkeys(SEARCH_IDS, "uuid"),
    **dict.fromkeys(SEARCH_TEXTS, "text"),
}
INSERT_EVENTS = text(
    f"INSERT INTO conduit.event (tenant_id, {', '.join(COLUMNS)})"  # noqa: S608 - names from above
    f" SELECT :tenant, * FROM unnest({', '.join(f'CAST(:{n} AS {t}[])' for n, t in COLUMNS.items())})"
)


class EventInvalid(ValueError):
    """The event lacks an id, a time or a kind, belongs to another tenant, or uses a reserved name."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: the number of its last event (0 for none), its last link, the tree's edge."""

    sequence: int
    chain: bytes
    frontier: Frontier


def origin(tenant: TenantId) -> bytes:
    """The link before a tenant's first."""
    return hashlib.sha256(b"apiconduit chain 1\x00" + tenant.bytes).digest()


def link(previous: bytes, leaf: bytes) -> bytes:
    """The link of an event after ``previous``."""
    return hashlib.sha256(b"\x02" + previous + leaf).digest()


def tenant_of(event: Mapping[str, Any]) -> TenantId:
    """Whose chain an event belongs to; without ``tenant_id``, the platform's. Raises ``EventInvalid``."""
    stated = event.get("tenant_id")
    return PLATFORM if stated is None else TenantId(_identity(stated))


async def append(session: AsyncSession, events: Sequence[Mapping[str, Any]]) -> tuple[UUID, ...]:
    """Append events to the chain of the tenant that they all name, in the caller's transaction.

    The session must be that tenant's (``store.tenant``); an event without ``tenant_id`` is the
    platform's. An event whose id the chain already holds is skipped. Returns the ids that were appended.
    The chain stays locked until the transaction ends, so do this last. Raises ``EventInvalid`` or
    ``store.canonical.NotCanonical`` before anything is written.
    """
    if not events:
        return ()
    tenants = {tenant_of(event) for event in events}
    if len(tenants) != 1:
        raise EventInvalid("the events of one call belong to one tenant")
    tenant = tenants.pop()
    rows = {row["id"]: row for row in map(_row, events)}
    head = await _locked_head(session, tenant)
    known = await session.scalars(KNOWN_IDS, {"tenant": tenant, "ids": list(rows)})
    for identity in known:
        del rows[identity]
    if rows:
        await _insert(session, tenant, head, list(rows.values()))
    return tuple(rows)


async def leaves(
    session: AsyncSession, tenant: TenantId, *, after: int, last: int, limit: int
) -> Sequence[bytes]:
    """The leaf hashes behind event ``after``, up to number ``last``; at most ``limit`` of them."""
    place = {"tenant": tenant, "after": after, "last": last, "limit": limit}
    return (await session.scalars(LEAVES, place)).all()


async def _locked_head(session: AsyncSession, tenant: TenantId) -> Head:
    found = (await session.execute(LOCK_HEAD, {"tenant": tenant})).one_or_none()
    if found is None:
        await session.execute(START_HEAD, {"tenant": tenant, "chain": origin(tenant)})
        found = (await session.execute(LOCK_HEAD, {"tenant": tenant})).one()
    return Head(found.sequence, found.chain, Frontier.from_bytes(found.sequence, found.frontier))


async def _insert(session: AsyncSession, tenant: TenantId, head: Head, rows: list[dict[str, Any]]) -> None:
    chain = head.chain
    for sequence, row in enumerate(rows, head.sequence + 1):
        chain = link(chain, row["leaf"])
        row["sequence"], row["chain"] = sequence, chain
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    await session.execute(INSERT_EVENTS, {"tenant": tenant, **columns})
    frontier = head.frontier.appended(columns["leaf"])
    values = {"sequence": frontier.size, "chain": chain, "frontier": frontier.to_bytes()}
    await session.execute(ADVANCE_HEAD, {"tenant": tenant, **values})


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    if RESERVED_NAMES & event.keys():
        raise EventInvalid(f"an event has no field named {', '.join(sorted(RESERVED_NAMES & event.keys()))}")
    body = canonical(event)
    return {
        "id": _identity(event.get("id")),
        "at": _moment(event.get("at")),
        "kind": _kind(event.get("kind")),
        "body": body.decode("utf-8"),
        "leaf": leaf_hash(body),
        **search_columns(event),
    }


def search_columns(event: Mapping[str, Any]) -> dict[str, UUID | str | None]:
    """The parts of an event that are repeated as columns, to be searched.

    They come from the wire, so whatever a column cannot hold is left out of it; the body keeps it.
    """
    found: dict[str, UUID | str | None] = {}
    for name in SEARCH_IDS:
        try:
            found[name] = _identity(event.get(name))
        except EventInvalid:
            found[name] = None
    for name in SEARCH_TEXTS:
        value = event.get(name)
        # PostgreSQL's text holds no NUL, and what is no Unicode has become "?" in the body.
        found[name] = (
            value.replace("\x00", "").encode("utf-8", "replace").decode() if isinstance(value, str) else None
        )
    return found


def _identity(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as error:
        raise EventInvalid("an event's id and tenant_id are UUIDs") from error


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise EventInvalid("an event's time is RFC 3339") from error
    if moment.tzinfo is None:
        raise EventInvalid("an event's time names its offset")
    return moment.astimezone(UTC)


def _kind(value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise EventInvalid("an event has a kind")
    return value
