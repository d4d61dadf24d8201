"""The inventory of AI endpoints, as it follows from events: what each is, who uses it, and with what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.attribution import UNVAULTED
from policy.event import Event
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from policy.refusals import Reason
from store.derived_values import BIGINT_MAX, count, text_of, unnested

VERDICTS = ("suspect", "ai")
SUMS = ("calls", "refused", "bytes_up", "bytes_down", "cost_micro_dollars")
ENDPOINT_COLUMNS = {
    "host": "text",
    "provider": "text",
    "verdict": "text",
    "score": "integer",
    "evidence": "text",
    **dict.fromkeys(SUMS, "bigint"),
    "first_seen": "timestamptz",
    "last_seen": "timestamptz",
}
USE_COLUMNS = {
    "host": "text",
    "kind": "text",
    "subject": "text",
    "calls": "bigint",
    "first_seen": "timestamptz",
    "last_seen": "timestamptz",
}
# What an inventory counts as one network: smaller parts are one office's, or one customer's of a provider.
NETWORK_PREFIX = {4: 24, 6: 64}

# Evidence travels as one text a host, because unnest would flatten an array of arrays. What has once been
# shown to be an AI endpoint stays one; evidence is the union of what was seen.
UPSERT_ENDPOINTS = text(
    f"""
    INSERT INTO conduit.endpoint_seen AS seen (tenant_id, {", ".join(ENDPOINT_COLUMNS)})
    SELECT :tenant, host, provider, verdict, score, string_to_array(evidence, E'\\n'), calls, refused,
        bytes_up, bytes_down, cost_micro_dollars, first_seen, last_seen
    FROM unnest({unnested(ENDPOINT_COLUMNS)}) AS fresh ({", ".join(ENDPOINT_COLUMNS)})
    ON CONFLICT (tenant_id, host) DO UPDATE SET
        provider = coalesce(excluded.provider, seen.provider),
        verdict = CASE WHEN 'ai' IN (seen.verdict, excluded.verdict) THEN 'ai' ELSE 'suspect' END,
        score = greatest(seen.score, excluded.score),
        evidence = ARRAY(
            SELECT item FROM unnest(seen.evidence || excluded.evidence) AS item GROUP BY item ORDER BY item),
        {", ".join(f"{name} = least(seen.{name}::numeric + excluded.{name}, {BIGINT_MAX})" for name in SUMS)},
        first_seen = least(seen.first_seen, excluded.first_seen),
        last_seen = greatest(seen.last_seen, excluded.last_seen)
    """  # noqa: S608 - names and types from above
)
KNOWN_HOSTS = text(
    "SELECT host, verdict FROM conduit.endpoint_seen WHERE tenant_id = :tenant AND host = ANY(:hosts)"
)
UPSERT_USE = text(
    f"""
    INSERT INTO conduit.endpoint_use AS used (tenant_id, {", ".join(USE_COLUMNS)})
    SELECT :tenant, * FROM unnest({unnested(USE_COLUMNS)})
    ON CONFLICT (tenant_id, host, kind, subject) DO UPDATE SET
        calls = used.calls + excluded.calls,
        first_seen = least(used.first_seen, excluded.first_seen),
        last_seen = greatest(used.last_seen, excluded.last_seen)
    """  # noqa: S608 - names and types from above
)

_Row = dict[str, Any]


async def record_endpoints(
    session: AsyncSession, tenant: TenantId, events: Sequence[Mapping[str, Any]]
) -> list[Event]:
    """Add to the inventory, and return an incident for each shadow endpoint that is new to the tenant."""
    seen = [(row, event) for event in events if (row := _endpoint(event)) is not None]
    if not seen:
        return []
    rows = _summed(row for row, _ in seen)
    uses = _used((row, use) for row, event in seen for use in _uses(event))
    hosts = [row["host"] for row in rows]
    known = await session.execute(KNOWN_HOSTS, {"tenant": tenant, "hosts": hosts})
    before = {(row.host, row.verdict) for row in known}
    await session.execute(UPSERT_ENDPOINTS, {"tenant": tenant, **_columns(rows, ENDPOINT_COLUMNS)})
    if uses:
        await session.execute(UPSERT_USE, {"tenant": tenant, **_columns(uses, USE_COLUMNS)})
    return list(_discoveries(tenant, seen, before))


def _discoveries(
    tenant: TenantId, seen: Sequence[tuple[_Row, Mapping[str, Any]]], before: set[tuple[str, str]]
) -> Iterator[Event]:
    """One incident a host, at the first call that shows it to be AI and not sanctioned."""
    told: set[str] = set()
    for row, event in seen:
        host, state = row["host"], text_of(event.get("endpoint_state"))
        if state is None or state == EndpointState.SANCTIONED or row["verdict"] != "ai":
            continue
        if host in told or (host, "ai") in before:
            continue
        told.add(host)
        detail: dict[str, int | str] = {
            "host": host,
            "state": state,
            "score": row["score"],
            "evidence": row["evidence"].replace("\n", ", "),
            "provider": row["provider"] or "unknown",
            "user": text_of(event.get("user")) or "unknown",
        }
        yield incident(
            "endpoint.discovered",
            row["first_seen"],
            severity=Severity.WARNING,
            whose=tenant,
            once=host,
            detail=detail,
        )


def _endpoint(event: Mapping[str, Any]) -> _Row | None:
    """What one event says about an AI endpoint, if it is about one."""
    host, verdict = text_of(event.get("host")), event.get("verdict")
    if not host or len(host) > 253 or verdict not in VERDICTS:
        return None
    moment = datetime.fromisoformat(str(event["at"]))
    evidence = event.get("evidence")
    return {
        "host": host,
        "provider": text_of(event.get("provider")),
        "verdict": verdict,
        "score": min(count(event.get("score")), 100),
        "evidence": "\n".join(_line(item) for item in evidence) if isinstance(evidence, list) else "",
        "calls": 1,
        "refused": int(event.get("decision") == "deny"),
        "bytes_up": count(event.get("bytes_up")),
        "bytes_down": count(event.get("bytes_down")),
        "cost_micro_dollars": count(event.get("cost_micro_dollars")),
        "first_seen": moment,
        "last_seen": moment,
    }


def _uses(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who used it, from where, and what was noteworthy about it: kind and subject."""
    user, address = text_of(event.get("user_id")), text_of(event.get("source_address"))
    if user:
        yield "user", user[:200]
    if address and (network := _network(address)):
        yield "network", network
    findings = event.get("findings")
    if event.get("reason") == Reason.UNVAULTED_KEY or (isinstance(findings, list) and UNVAULTED in findings):
        yield "private", "key"
    for finding in {each for each in findings if isinstance(each, str)} if isinstance(findings, list) else ():
        kind, _, name = (text_of(finding) or "").partition(":")
        if kind in _FINDINGS and name:
            yield _FINDINGS[kind], f"account {name}"[:200] if kind == "private_account" else name[:200]


# Findings of a call that the inventory counts, and as what.
_FINDINGS = {"data": "data_class", "private_account": "private"}


def _network(address: str) -> str | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return str(ip_network((found, NETWORK_PREFIX[found.version]), strict=False))


def _summed(rows: Iterable[_Row]) -> list[_Row]:
    """One row for each host, in order, because one statement may update a row only once."""
    found: dict[str, _Row] = {}
    for row in rows:
        before = found.get(row["host"])
        found[row["host"]] = row if before is None else _joined(before, row)
    return [found[host] for host in sorted(found)]


def _joined(before: _Row, row: _Row) -> _Row:
    evidence = dict.fromkeys((*before["evidence"].split("\n"), *row["evidence"].split("\n")))
    return {
        "host": row["host"],
        "provider": row["provider"] or before["provider"],
        "verdict": max(before["verdict"], row["verdict"], key=VERDICTS.index),
        "score": max(before["score"], row["score"]),
        "evidence": "\n".join(item for item in evidence if item),
        **{name: min(before[name] + row[name], BIGINT_MAX) for name in SUMS},
        "first_seen": min(before["first_seen"], row["first_seen"]),
        "last_seen": max(before["last_seen"], row["last_seen"]),
    }


def _used(uses: Iterable[tuple[_Row, tuple[str, str]]]) -> list[_Row]:
    found: dict[tuple[str, str, str], _Row] = {}
    for row, (kind, subject) in uses:
        key = (row["host"], kind, subject)
        use = found.setdefault(key, {**row, "kind": kind, "subject": subject, "calls": 0})
        use["calls"] += 1
        use["first_seen"] = min(use["first_seen"], row["first_seen"])
        use["last_seen"] = max(use["last_seen"], row["last_seen"])
    return [found[key] for key in sorted(found)]


def _columns(rows: Sequence[_Row], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}


def _line(value: object) -> str:
    return (text_of(value) or "").replace("\n", " ")
