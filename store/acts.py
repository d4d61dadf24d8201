"""The event of an act: somebody changed something in the control plane. It says who, what, to what, how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from policy.event import SCHEMA, Event, timestamp
from policy.identifiers import TenantId
from store import chain

type Detail = Mapping[str, str | int | bool | Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``via`` is the door: ``command line``, ``console`` or ``api``."""

    name: str
    via: str
    address: str | None = None


def act_event(
    actor: Actor, action: str, *, tenant_id: TenantId | None, target: str, detail: Detail, at: datetime
) -> Event:
    """The event; without ``tenant_id`` it is the platform's. What is ``None`` in ``detail`` is left out."""
    event: Event = {
        "schema": SCHEMA,
        "id": str(uuid7()),
        "at": timestamp(at),
        "kind": "act",
        "tenant_id": str(tenant_id) if tenant_id else None,
        "action": action,
        "actor": actor.name,
        "via": actor.via,
        "source_address": actor.address,
        "target": target,
        "detail": {name: value for name, value in detail.items() if value is not None} or None,
    }
    return {name: value for name, value in event.items() if value is not None}


async def record(
    session: AsyncSession,
    actor: Actor,
    action: str,
    *,
    tenant_id: TenantId | None,
    target: str | UUID,
    **detail: str | int | bool | Sequence[str] | None,
) -> None:
    """Append an act to its chain, in the transaction of the change itself; do it last (``chain.append``)."""
    event = act_event(
        actor, action, tenant_id=tenant_id, target=str(target), detail=detail, at=datetime.now(UTC)
    )
    await chain.append(session, [event])
