"""What passed through undecrypted, as far as it is known: names, connections and bytes, from the record.

The record has one event a connection, written at its end; names that hide or could not be reached are in it
as refused.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, cast, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store.rows import many
from store.tables import EVENT

HOSTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Passed:
    """The connections of one tenant to one host: ``refused`` are among ``connections``, bytes of all.

    ``verdict`` is ``suspect``, or ``ai`` where an AI endpoint passed because its client pins a certificate;
    else ``None``.
    """

    tenant_id: TenantId
    host: str
    connections: int
    refused: int
    bytes_up: int
    bytes_down: int
    verdict: str | None
    first_seen: datetime
    last_seen: datetime


async def tunnels(
    session: AsyncSession, *, since: datetime, until: datetime, most: int = HOSTS_MAX
) -> list[Passed]:
    """By host, of each tenant that the session sees, the most bytes first; ``until`` is not included."""
    event = EVENT.c
    up, down = _number("bytes_up"), _number("bytes_down")
    verdict = func.substring(event.body, '"verdict":"([a-z]*)"')
    query = (
        select(
            event.tenant_id,
            event.host,
            func.count().label("connections"),
            func.count(event.reason).label("refused"),
            up.label("bytes_up"),
            down.label("bytes_down"),
            func.min(verdict).label("verdict"),
            func.min(event.at).label("first_seen"),
            func.max(event.at).label("last_seen"),
        )
        .where(event.kind == "tunnel", event.host.is_not(None), event.body.is_not(None))
        .where(event.at >= since, event.at < until)
        .group_by(event.tenant_id, event.host)
        .order_by((up + down).desc(), event.host, event.tenant_id)
    )
    return await many(session, Passed, query.limit(min(most, HOSTS_MAX)))


def _number(field: str) -> ColumnElement[int]:
    """The sum of a number in canonical bodies: in a string the quotes around the name would be escaped."""
    found = func.substring(EVENT.c.body, f'"{field}":([0-9]{{1,18}})')
    return cast(func.coalesce(func.sum(cast(found, BigInteger)), literal_column("0")), BigInteger)
