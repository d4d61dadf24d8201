"""Which sources of identity a tenant takes for enough, by host (``policy.sufficiency``)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from policy.exchange import IdentitySource
from policy.identifiers import TenantId
from store.rows import columns, many, one
from store.tables import CLAIMED_TENANT, SUFFICIENCY_RULE


@dataclass(frozen=True, slots=True)
class SufficiencyRule:
    """Each of ``sources`` is enough alone for ``host``: a name, ``*.name``, or ``*`` for every host."""

    tenant_id: TenantId
    host: str
    sources: tuple[IdentitySource, ...]
    updated_at: datetime


_COLUMNS = columns(SUFFICIENCY_RULE, SufficiencyRule)


async def put(session: AsyncSession, *, host: str, sources: Collection[IdentitySource]) -> SufficiencyRule:
    """Say what is enough for a host; an earlier rule for it is replaced."""
    listed = sorted(source.value for source in set(sources))
    statement = insert(SUFFICIENCY_RULE).values(tenant_id=CLAIMED_TENANT, host=host, sources=listed)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id", "host"], set_={"sources": listed, "updated_at": func.now()}
    )
    return await one(session, SufficiencyRule, replaced.returning(*_COLUMNS))


async def clear(session: AsyncSession, *, host: str) -> SufficiencyRule:
    """Take a rule back, so that a wider one or any source counts; raises ``NotFound``."""
    statement = delete(SUFFICIENCY_RULE).where(SUFFICIENCY_RULE.c.host == host)
    return await one(session, SufficiencyRule, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[SufficiencyRule]:
    """Every rule of the tenant, by host."""
    return await many(session, SufficiencyRule, select(*_COLUMNS).order_by(SUFFICIENCY_RULE.c.host))
