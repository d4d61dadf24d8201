"""What follows from events: usage rows, which are the truth of money, and the inventory of AI endpoints.

Written in the transaction that writes the events themselves, for exactly the events it appended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from policy.price_rules import DISCOUNT_MAX

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
ENDPOINT_COLUMNS = {
    "host": "text",
    "provider": "text",
    "verdict": "text",
    "score": "integer",
    "evidence": "text",
    "calls": "bigint",
    "bytes_up": "bigint",
    "bytes_down": "bigint",
    "first_seen": "timestamptz",
    "last_seen": "timestamptz",
}
VERDICTS = ("suspect", "ai")
BIGINT_MAX = 2**63 - 1


def _unnested(columns: Mapping[str, str]) -> str:
    return ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())


# Names and types from above, never from outside.
INSERT_USAGE = text(
    f"INSERT INTO conduit.usage (tenant_id, {', '.join(USAGE_COLUMNS)})"  # noqa: S608
    f" SELECT :tenant, * FROM unnest({_unnested(USAGE_COLUMNS)})"
)
# Evidence travels as one text a host, because unnest would flatten an array of arrays. What has once been
# shown to be an AI endpoint stays one; evidence is the union of what was seen.
UPSERT_ENDPOINTS = text(
    f"""
    INSERT INTO conduit.endpoint_seen AS seen (tenant_id, {", ".join(ENDPOINT_COLUMNS)})
    SELECT :tenant, host, provider, verdict, score, string_to_array(evidence, E'\\n'), calls, bytes_up,
        bytes_down, first_seen, last_seen
    FROM unnest({_unnested(ENDPOINT_COLUMNS)}) AS fresh ({", ".join(ENDPOINT_COLUMNS)})
    ON CONFLICT (tenant_id, host) DO UPDATE SET
        provider = coalesce(excluded.provider, seen.provider),
        verdict = CASE WHEN 'ai' IN (seen.verdict, excluded.verdict) THEN 'ai' ELSE 'suspect' END,
        score = greatest(seen.score, excluded.score),
        evidence = ARRAY(
            SELECT item FROM unnest(seen.evidence || excluded.evidence) AS item GROUP BY item ORDER BY item),
        calls = seen.calls + excluded.calls,
        bytes_up = seen.bytes_up + excluded.bytes_up,
        bytes_down = seen.bytes_down + excluded.bytes_down,
        first_seen = least(seen.first_seen, excluded.first_seen),
        last_seen = greatest(seen.last_seen, excluded.last_seen)
    """  # noqa: S608
)


async def record_derived(
    session: AsyncSession, tenant: TenantId, events: Sequence[Mapping[str, Any]]
) -> None:
    """Write the usage rows and the inventory that follow from one tenant's freshly appended events."""
    usage = [_usage(event) for event in events if is_usage(event)]
    if usage:
        columns = {name: [row[name] for row in usage] for name in USAGE_COLUMNS}
        await session.execute(INSERT_USAGE, {"tenant": tenant, **columns})
    endpoints = _endpoints(events)
    if endpoints:
        rows = [endpoints[host] for host in sorted(endpoints)]
        columns = {name: [row[name] for row in rows] for name in ENDPOINT_COLUMNS}
        await session.execute(UPSERT_ENDPOINTS, {"tenant": tenant, **columns})


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
        "member_id": _uuid(event.get("user_id")),
        "placeholder_id": _uuid(event.get("placeholder_id")),
        "credential_id": _uuid(event.get("credential_id")),
        "provider": _text(event.get("provider")),
        "model": _text(event.get("model")),
        **{kind: _count(event.get(kind)) for kind in TOKEN_KINDS},
        "cost_micro_dollars": None if cost is None else _count(cost),
        "estimated": bool(event.get("estimated", False)),
        "outcome": _text(event.get("outcome")) or "failed",
        "list_micro_dollars": None if listed is None else _count(listed),
        "discount_basis_points": min(_count(event.get("discount_basis_points")), DISCOUNT_MAX),
        "price_source": _text(event.get("price_source")),
        "price_version": _text(event.get("price_version")),
        "cost_centre": _text(event.get("cost_centre")),
    }


def _endpoints(events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """One row for each AI endpoint, because one statement may update a row only once."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        host, verdict = _text(event.get("host")), event.get("verdict")
        if not host or len(host) > 253 or verdict not in VERDICTS:
            continue
        row = _endpoint(event, host)
        before = found.get(host)
        found[host] = row if before is None else _joined(before, row)
    return found


def _endpoint(event: Mapping[str, Any], host: str) -> dict[str, Any]:
    moment = datetime.fromisoformat(str(event["at"]))
    evidence = event.get("evidence")
    return {
        "host": host,
        "provider": _text(event.get("provider")),
        "verdict": event["verdict"],
        "score": min(_count(event.get("score")), 100),
        "evidence": "\n".join(_line(item) for item in evidence) if isinstance(evidence, list) else "",
        "calls": 1,
        "bytes_up": _count(event.get("bytes_up")),
        "bytes_down": _count(event.get("bytes_down")),
        "first_seen": moment,
        "last_seen": moment,
    }


def _joined(before: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    evidence = dict.fromkeys((*before["evidence"].split("\n"), *row["evidence"].split("\n")))
    return {
        "host": row["host"],
        "provider": row["provider"] or before["provider"],
        "verdict": max(before["verdict"], row["verdict"], key=VERDICTS.index),
        "score": max(before["score"], row["score"]),
        "evidence": "\n".join(item for item in evidence if item),
        **{name: before[name] + row[name] for name in ("calls", "bytes_up", "bytes_down")},
        "first_seen": min(before["first_seen"], row["first_seen"]),
        "last_seen": max(before["last_seen"], row["last_seen"]),
    }


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _text(value: object) -> str | None:
    """A text as PostgreSQL holds it: without NUL and without halves of surrogate pairs."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _line(value: object) -> str:
    return (_text(value) or "").replace("\n", " ")


def _count(value: object) -> int:
    """A number of tokens, bytes or micro-dollars; what is none counts as nothing."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), BIGINT_MAX)
