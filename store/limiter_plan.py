"""The limits of a call written as the limiter's script reads them; made once, used by many calls."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from policy.identifiers import TenantId
from policy.limits import CEILINGS, RATES, SLICES, WINDOWED, Limit, LimitKind, Period, Window, period_of

RATE_MAX = 10**11

_KINDS = {
    LimitKind.REQUESTS_PER_MINUTE: "R",
    LimitKind.TOKENS_PER_MINUTE: "T",
    LimitKind.CONCURRENT: "C",
    LimitKind.TOKENS: "N",
    LimitKind.BUDGET_MICRO_DOLLARS: "B",
}
_SLICE_MS_OF_AN_HOUR = 3_600_000 // SLICES

_PLANS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class WindowCounter:
    """The counter of one windowed limit: what PostgreSQL is asked to sum. ``name`` is the script's.

    ``period`` is ``None`` for a rolling window, which is counted in slices of ``slice_ms``.
    """

    name: str
    limit: Limit
    period: Period | None
    slice_ms: int = 0

    @property
    def slices(self) -> int:
        return SLICES if self.slice_ms else 0

    def period_name(self, number: int) -> str:
        """The name of the period that the script gives by its start or, if rolling, by its number."""
        return self.period.name if self.period is not None else f"{self.limit.hours}h-{number}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The script's arguments for one set of limits, right from ``valid_from_s`` to ``valid_until_s``.

    ``limits`` stand in the order of the script's; ``windows`` are those that count over a window.
    """

    limits: tuple[Limit, ...]
    keys: tuple[str, str, str]
    text: str
    windows: tuple[WindowCounter, ...]
    valid_from_s: float
    valid_until_s: float

    def window_of(self, limit: Limit) -> WindowCounter:
        """The counter of a windowed limit of this plan."""
        return next(window for window in self.windows if window.limit is limit)


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

    Raises ``ValueError`` where a limit is of another tenant, since its state would stand under that one's
    keys, and where a limit counts nothing (``policy.limits.CEILINGS``).
    """
    moment = datetime.fromtimestamp(now_s, UTC)
    kept: dict[str, tuple[Limit, WindowCounter | None]] = {}
    for limit in limits:
        if limit.tenant_id != tenant_id:
            raise ValueError("a limit of another tenant")
        window = _window(limit, moment, zone)
        name = window.name if window is not None else _name(limit, _KINDS[limit.kind])
        if name not in kept or limit.amount < kept[name][0].amount:
            kept[name] = (limit, window)
    entries = [_entry(name, limit, window) for name, (limit, window) in kept.items()]
    windows = tuple(window for _, window in kept.values() if window is not None)
    periods = [window.period for window in windows if window.period is not None]
    return Plan(
        limits=tuple(limit for limit, _ in kept.values()),
        keys=keys_of(tenant_id),
        text=json.dumps(entries, separators=(",", ":")),
        windows=windows,
        valid_from_s=max((period.starts_at.timestamp() for period in periods), default=0.0),
        valid_until_s=min((period.ends_at.timestamp() for period in periods), default=float("inf")),
    )


def _name(limit: Limit, kind: str) -> str:
    """Names what is counted, never how much: changing a limit's amount keeps what was used."""
    if limit.kind in CEILINGS:
        raise ValueError("a ceiling of each call counts nothing")
    subject = f"{kind}:{limit.scope}:{limit.subject.hex}"
    return subject if limit.model is None else f"{subject}:{limit.model}"


def _window(limit: Limit, moment: datetime, zone: ZoneInfo) -> WindowCounter | None:
    if (limit.kind in WINDOWED) is not (limit.window is not None):
        raise ValueError("a budget and a limit of tokens need a window, and only these have one")
    if limit.window is None:
        return None
    if (limit.window is Window.ROLLING) is not (limit.hours is not None):
        raise ValueError("a rolling window has hours, and only a rolling one")
    kind = _KINDS[limit.kind]
    if limit.hours is not None:
        name = f"{_name(limit, kind.lower())}:rolling:{limit.hours}"
        return WindowCounter(name, limit, None, limit.hours * _SLICE_MS_OF_AN_HOUR)
    period = period_of(limit.window, moment, zone)
    return WindowCounter(
        f"{_name(limit, kind)}:{limit.window}:{int(period.starts_at.timestamp())}", limit, period
    )


def _entry(name: str, limit: Limit, window: WindowCounter | None) -> list[str | int]:
    if window is None:
        amount = min(limit.amount, RATE_MAX)
        burst = amount if limit.burst is None else min(limit.burst, RATE_MAX)
        return [name[0], name, amount, burst] if limit.kind in RATES else [name[0], name, amount]
    if window.period is None:
        return [name[0], name, limit.amount, window.slice_ms, window.slices, *limit.thresholds]
    starts_ms, ends_ms = (
        int(end.timestamp()) * 1000 for end in (window.period.starts_at, window.period.ends_at)
    )
    return [name[0], name, limit.amount, starts_ms, ends_ms, *limit.thresholds]
