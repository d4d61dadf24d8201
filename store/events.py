"""Reading the record. Writing it is ``store.chain``: an event exists only as a link of its tenant's chain."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from store.canonical import canonical
from store.rows import columns, many
from store.tables import EVENT

LIMIT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One link; ``body`` is the exact JSON text that was hashed."""

    tenant_id: TenantId
    sequence: int
    id: UUID
    at: datetime
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Search:
    """Which events; what is ``None`` does not narrow. ``since`` is inclusive, ``until`` is not.

    ``allowed`` is the decision on a call or tunnel. ``source_address``, ``ja4`` and ``finding`` are looked
    for in the body, without an index: narrow them by time.
    """

    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    user_id: UserId | None = None
    placeholder_id: PlaceholderId | None = None
    credential_id: CredentialId | None = None
    host: str | None = None
    model: str | None = None
    reason: str | None = None
    outcome: str | None = None
    allowed: bool | None = None
    source_address: str | None = None
    finding: str | None = None
    ja4: str | None = None


EVERYTHING = Search()
_COLUMNS = columns(EVENT, RecordedEvent)
# In an index of their own up to this length (migration 0007), which the statement has to repeat.
_INDEXED_TEXTS = ("host", "model", "reason")
INDEXED_LENGTH_MAX = 253
_EQUAL = ("kind", "user_id", "placeholder_id", "credential_id", "host", "model", "reason", "outcome")


async def latest(session: AsyncSession, *, limit: int, search: Search = EVERYTHING) -> list[RecordedEvent]:
    """The last ``limit`` events (at most ``LIMIT_MAX``) that match, newest first."""
    query = select(*_COLUMNS).where(*_conditions(search))
    query = query.order_by(EVENT.c.at.desc(), EVENT.c.sequence.desc())
    return await many(session, RecordedEvent, query.limit(min(limit, LIMIT_MAX)))


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    event = EVENT.c
    found: list[ColumnElement[bool]] = [event.body.is_not(None)]
    found += [event[name] == wanted for name in _EQUAL if (wanted := getattr(search, name)) is not None]
    found += [
        func.length(event[name]) <= literal_column(str(INDEXED_LENGTH_MAX))
        for name in _INDEXED_TEXTS
        if 0 < len(getattr(search, name) or "") <= INDEXED_LENGTH_MAX
    ]
    if search.since is not None:
        found.append(event.at >= search.since)
    if search.until is not None:
        found.append(event.at < search.until)
    if search.allowed is not None:
        found += [
            event.kind.in_(("call", "tunnel", "connection")),
            event.reason.is_(None) if search.allowed else event.reason.is_not(None),
        ]
    if search.source_address is not None:
        found.append(_says(f'"source_address":{_text(search.source_address)}'))
    if search.ja4 is not None:
        found.append(_says(f'"ja4":{_text(search.ja4)}'))
    if search.finding is not None:
        listed = func.substring(event.body, r'"findings":\[([^]]*)\]')
        # Who looks for a class of data names it as the inventory does, without what the event puts before it.
        words = (search.finding, f"data:{search.finding}")
        found.append(or_(*(func.strpos(listed, _text(word)) > 0 for word in words)))
    return found


def _says(fragment: str) -> ColumnElement[bool]:
    """Whether a body holds this text. A quote in it is the body's own: within strings they are escaped."""
    return func.strpos(EVENT.c.body, fragment) > 0


def _text(value: str) -> str:
    """A string as it stands in a body."""
    return canonical({"": value}).decode()[4:-1]
