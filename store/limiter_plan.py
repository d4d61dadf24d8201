"""The limits of a call written as the limiter's script reads them; made once, used by many calls."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from policy.identifiers import TenantId
from policy.limits import Limit, LimitKind, LimitScope, Period, period_of

RATE_MAX = 10**11

_KINDS = {
    LimitKind.REQUESTS_PER_MINUTE: "R",
    LimitKind.TOKENS_PER_MINUTE: "T",
    LimitKind.CONCURRENT: "C",
    LimitKind.BUDGET_MICRO_DOLLARS: "B",
}

_PLANS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """One budget's subject and current period: what PostgreSQL is asked to sum. ``field`` is the script's."""

    field: str
    scope: LimitScope
    subject: UUID
    period: Period


@dataclass(frozen=True, slots=True)
class Plan:
    """The script's arguments for one set of limits, right from ``valid_from_s`` to ``valid_until_s``."""

    limits: tuple[Limit, ...]
    keys: tuple[str, str, str]
    text: str
    budgets: tuple[BudgetPeriod, ...]
    valid_from_s: float
    valid_until_s: float


class Plans:
    """Remembers plans by the identity of their limits, which a policy snapshot keeps while it lives."""

    def __init__(self) -> None:
        self._plans: dict[tuple[int, ...], tuple[tuple[Limit, ...], ZoneInfo, Plan]] = {}

    def plan(self, tenant_id: TenantId, limits: tuple[Limit, ...], zone: ZoneInfo, now_s: float) -> Plan:
        """The plan at ``now_s`` (seconds since 1970); made anew when a period of it has ended."""
        key = (id(zone), *map(id, limits))
        known = self._plans.get(key)
        if known is not None and known[2].valid_from_s <= now_s < known[2].valid_until_s:
            return known[2]
        if len(self._plans) >= _PLANS_MAX:
            self._plans.clear()
        plan = make_plan(tenant_id, limits, zone, now_s)
        # The limits and the zone are kept, so that the identities in the key cannot be given to others.
        self._plans[key] = (limits, zone, plan)
        return plan


def keys_of(tenant_id: TenantId) -> tuple[str, str, str]:
    """The script's keys for a tenant. The hash tag in braces puts them in one slot of a cluster."""
    tag = f"conduit:{{{tenant_id.hex}}}"
    return f"{tag}:state", f"{tag}:leases", f"{tag}:holdings"


def make_plan(tenant_id: TenantId, limits: tuple[Limit, ...], zone: ZoneInfo, now_s: float) -> Plan:
    """Write the limits as JSON. Of two limits that count the same thing, the smaller is kept.

    Raises ``ValueError`` where a limit is of another tenant: its state would stand under that one's keys.
    """
    moment = datetime.fromtimestamp(now_s, UTC)
    kept: dict[str, tuple[Limit, Period | None]] = {}
    for limit in limits:
        if limit.tenant_id != tenant_id:
            raise ValueError("a limit of another tenant")
        period = period_of(limit.window, moment, zone) if limit.window is not None else None
        field = _field(limit, period)
        if field not in kept or limit.amount < kept[field][0].amount:
            kept[field] = (limit, period)
    entries = [_entry(field, limit, period) for field, (limit, period) in kept.items()]
    budgets = tuple(
        BudgetPeriod(field, limit.scope, limit.subject, period)
        for field, (limit, period) in kept.items()
        if period is not None
    )
    return Plan(
        limits=tuple(limit for limit, _ in kept.values()),
        keys=keys_of(tenant_id),
        text=json.dumps(entries, separators=(",", ":")),
        budgets=budgets,
        valid_from_s=max((b.period.starts_at.timestamp() for b in budgets), default=0.0),
        valid_until_s=min((b.period.ends_at.timestamp() for b in budgets), default=float("inf")),
    )


def _field(limit: Limit, period: Period | None) -> str:
    """Names what is counted, never how much: changing a limit's amount keeps what was used."""
    if (limit.kind is LimitKind.BUDGET_MICRO_DOLLARS) is not (period is not None):
        raise ValueError("a budget needs a window, and only a budget has one")
    stem = f"{_KINDS[limit.kind]}:{limit.scope}:{limit.subject.hex}"
    return stem if period is None else f"{stem}:{limit.window}:{int(period.starts_at.timestamp())}"


def _entry(field: str, limit: Limit, period: Period | None) -> list[str | int]:
    kind = _KINDS[limit.kind]
    if period is None:
        return [kind, field, min(limit.amount, RATE_MAX)]
    starts_ms, ends_ms = (int(end.timestamp()) * 1000 for end in (period.starts_at, period.ends_at))
    return [kind, field, limit.amount, starts_ms, ends_ms]
