"""Kept content as rows: whether a tenant keeps what is said, and the sealed records for two people to open.

A sealed record is handed out by the database for an approval (migration 0016); nothing here unseals.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store.errors import InvalidRecord
from store.rows import columns, many, one, optional
from store.tables import CLAIMED_TENANT, CONTENT_POLICY, KEPT_CONTENT


@dataclass(frozen=True, slots=True)
class ContentPolicy:
    """Whether content is kept, and how many bytes a direction. ``content_key`` is wrapped."""

    tenant_id: TenantId
    keep: bool
    bytes_max: int
    content_key: bytes = field(repr=False)
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class KeptContent:
    """That the content of a call is kept; ``bytes`` is the size of the sealed record."""

    tenant_id: TenantId
    event_id: UUID
    at: datetime
    bytes: int


@dataclass(frozen=True, slots=True)
class SealedContent:
    """What an approval opens."""

    event_id: UUID
    sealed: bytes = field(repr=False)


_POLICY_COLUMNS = columns(CONTENT_POLICY, ContentPolicy)
_COLUMNS = columns(KEPT_CONTENT, KeptContent)


async def find_policy(session: AsyncSession) -> ContentPolicy | None:
    """What the session's tenant has decided; ``None`` where it never kept anything."""
    query = select(*_POLICY_COLUMNS).where(CONTENT_POLICY.c.tenant_id == CLAIMED_TENANT)
    return await optional(session, ContentPolicy, query)


async def put_policy(
    session: AsyncSession, *, keep: bool, bytes_max: int, content_key: bytes
) -> ContentPolicy:
    """Decide for the session's tenant."""
    stated = {"keep": keep, "bytes_max": bytes_max, "content_key": content_key}
    statement = insert(CONTENT_POLICY).values(tenant_id=CLAIMED_TENANT, **stated)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id"], set_={**stated, "updated_at": func.now()}
    )
    return await one(session, ContentPolicy, replaced.returning(*_POLICY_COLUMNS))


async def latest(session: AsyncSession, *, limit: int) -> list[KeptContent]:
    """The calls whose content is kept, newest first."""
    query = select(*_COLUMNS).order_by(KEPT_CONTENT.c.at.desc(), KEPT_CONTENT.c.event_id).limit(limit)
    return await many(session, KeptContent, query)


async def is_kept(session: AsyncSession, *, event_id: UUID) -> bool:
    """Whether something is kept of the call of this event."""
    query = select(KEPT_CONTENT.c.event_id).where(KEPT_CONTENT.c.event_id == event_id)
    return (await session.execute(query)).first() is not None


async def read(session: AsyncSession, *, approval_id: UUID, reader: str) -> SealedContent | None:
    """The sealed record that an approval names; ``None`` where it is deleted already.

    Raises ``NotApproved`` unless somebody else approved it within the hour, for ``reader``.
    """
    called = func.conduit.read_content(approval_id, reader).table_valued("event_id", "sealed")
    return await optional(session, SealedContent, select(called))


async def keep(session: AsyncSession, tenant: TenantId, records: Sequence[dict[str, Any]]) -> None:
    """Keep sealed records as they came through the spool; for ``SHIPPING``. One that is kept is skipped.

    Raises ``InvalidRecord`` for what is none.
    """
    rows = [_row(tenant, record) for record in records]
    await session.execute(insert(KEPT_CONTENT).on_conflict_do_nothing(), rows)


def _row(tenant: TenantId, record: dict[str, Any]) -> dict[str, Any]:
    try:
        return {
            "tenant_id": tenant,
            "event_id": UUID(record["id"]),
            "at": datetime.fromisoformat(record["at"]),
            "sealed": base64.b64decode(record["sealed"], validate=True),
        }
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InvalidRecord("not a record of kept content") from error
