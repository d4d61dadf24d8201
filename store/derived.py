"""What follows from events: usage rows, which are the truth of money, and the inventory of AI endpoints.

Written in the transaction that writes the events themselves, for exactly the events it appended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.event import Event
from policy.identifiers import TenantId
from policy.price_rules import DISCOUNT_MAX
from store.derived_endpoints import record_endpoints
from store.derived_health import record_health
from store.derived_values import count, text_of, unnested, uuid_of

TOKEN_KINDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
USAGE_COLUMNS = {
    "id": "uuid",
    "at": "timestamptz",
    "team_id": "uuid",
    "member_id": "uuid",
    "placeholder_id": "uuid",
    "credential_id": "uuid",
    "provider": "text",
    "model": "text",
    **dict.fromkeys(TOKEN_KINDS, "bigint"),
    "cost_micro_dollars": "bigint",
    "estimated": "boolean",
    "outcome": "text",
    "list_micro_dollars": "bigint",
    "discount_basis_points": "integer",
    "price_source": "text",
    "price_version": "text",
    "cost_centre": "text",
}

# Names and types from above, never from outside.
INSERT_USAGE = text(
    f"INSERT INTO conduit.usage (tenant_id, {', '.join(USAGE_COLUMNS)})"  # noqa: S608
    f" SELECT :tenant, * FROM unnest({unnested(USAGE_COLUMNS)})"
)


async def record_derived(
    session: AsyncSession, tenant: TenantId, events: Sequence[Mapping[str, Any]]
) -> list[Event]:
    """Write the usage rows and the inventory that follow from one tenant's freshly appended events.

    Returns incidents about what was seen for the first time, for the caller to append in its transaction.
    """
    usage = [_usage(event) for event in events if is_usage(event)]
    if usage:
        columns = {name: [row[name] for row in usage] for name in USAGE_COLUMNS}
        await session.execute(INSERT_USAGE, {"tenant": tenant, **columns})
    await record_health(session, tenant, events)
    return await record_endpoints(session, tenant, events)


def is_usage(event: Mapping[str, Any]) -> bool:
    """Whether an event counts as use: a call that was let through, also if it was cut later on.

    A refusal before the wire used nothing and costs nothing.
    """
    return event.get("kind") == "call" and (event.get("decision") == "allow" or "input_tokens" in event)


def _usage(event: Mapping[str, Any]) -> dict[str, Any]:
    cost, listed = event.get("cost_micro_dollars"), event.get("list_micro_dollars")
    return {
        "id": UUID(str(event["id"])),
        "at": datetime.fromisoformat(str(event["at"])),
        "team_id": uuid_of(event.get("team_id")),
        "member_id": uuid_of(event.get("user_id")),
        "placeholder_id": uuid_of(event.get("placeholder_id")),
        "credential_id": uuid_of(event.get("credential_id")),
        "provider": text_of(event.get("provider")),
        "model": text_of(event.get("model")),
        **{kind: count(event.get(kind)) for kind in TOKEN_KINDS},
        "cost_micro_dollars": None if cost is None else count(cost),
        "estimated": bool(event.get("estimated", False)),
        "outcome": text_of(event.get("outcome")) or "failed",
        "list_micro_dollars": None if listed is None else count(listed),
        "discount_basis_points": min(count(event.get("discount_basis_points")), DISCOUNT_MAX),
        "price_source": text_of(event.get("price_source")),
        "price_version": text_of(event.get("price_version")),
        "cost_centre": text_of(event.get("cost_centre")),
    }
