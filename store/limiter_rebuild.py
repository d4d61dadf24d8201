"""What a window has used, summed from PostgreSQL's usage rows: asked when Valkey does not know it.

Valkey is a cache of the truth of money. After a loss, a flush or a failover that lost writes, and when a
limit is new, no window serves before its sum has been read here and told to the script.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from policy.identifiers import TenantId
from policy.limits import CEILINGS
from store import limits
from store.consumption import Consumption, consumed
from store.door import Store
from store.limiter import Limiter, Used, UsedBy
from store.limiter_plan import WindowCounter


def used_from(store: Store) -> UsedBy:
    """A function that sums a tenant's windows, in tokens or micro-dollars and in their order.

    It raises a ``StoreError`` where the database is away: the calls that wait for it are then refused.
    """

    async def used(tenant_id: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
        now = datetime.now(UTC)
        async with store.tenant(tenant_id) as session:
            return tuple([await consumed(session, _consumption(window, now)) for window in windows])

    return used


async def reconcile(store: Store, limiter: Limiter, tenant_id: TenantId, zone: ZoneInfo) -> None:
    """``Limiter.reconcile`` for all limits that the tenant has; for the instance's housekeeping."""
    async with store.tenant(tenant_id) as session:
        rules = await limits.every(session)
    counted = tuple(rule.limit for rule in rules if rule.kind not in CEILINGS)
    await limiter.reconcile(tenant_id, counted, zone)


def _consumption(window: WindowCounter, now: datetime) -> Consumption:
    limit, period = window.limit, window.period
    if period is not None:
        return Consumption(
            limit.scope, limit.subject, limit.kind, limit.model, period.starts_at, period.ends_at
        )
    newest = int(now.timestamp() * 1000) // window.slice_ms
    since = datetime.fromtimestamp((newest - window.slices - 1) * window.slice_ms / 1000, UTC)
    until = now + timedelta(days=1)  # a worker's clock may be ahead of this one
    return Consumption(
        limit.scope, limit.subject, limit.kind, limit.model, since, until, window.slice_ms, newest
    )
