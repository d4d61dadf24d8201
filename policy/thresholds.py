"""Thresholds of limits as incidents, told once for each limit, period and threshold."""

from datetime import datetime

from policy.event import Event
from policy.incident import Severity, incident
from policy.limits import Crossed


def threshold_incident(crossed: Crossed, at: datetime) -> Event:
    """The incident ``limit.threshold``. The amount is in the unit of the kind: tokens or micro-dollars."""
    limit = crossed.limit
    detail: dict[str, int | str] = {
        "limit_id": str(limit.id),
        "scope": limit.scope.value,
        "subject_id": str(limit.subject),
        "kind": limit.kind.value,
        "amount": limit.amount,
        "window": limit.window.value if limit.window else "",
        "period": crossed.period,
        "percent": crossed.percent,
    }
    if limit.model is not None:
        detail["model"] = limit.model
    return incident(
        "limit.threshold",
        at,
        severity=Severity.WARNING if crossed.percent == 100 else Severity.NOTICE,
        whose=limit.tenant_id,
        once=f"{limit.id} {crossed.period} {crossed.percent}",
        detail=detail,
    )
