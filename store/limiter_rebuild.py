"""What a budget has spent, summed from PostgreSQL's usage rows: asked when Valkey does not know it.

Valkey is a cache of the truth of money. After a loss, a flush or a failover that lost writes, no budget
serves before its sum has been read here and told to the script.
"""

from zoneinfo import ZoneInfo

from policy.identifiers import TenantId
from policy.limits import LimitScope
from policy.money import MicroDollars
from store import limits
from store.door import Store
from store.limiter import Limiter, Spent
from store.limiter_plan import BudgetPeriod
from store.usage import Grouping, Spending, spending

_COLUMNS = {
    LimitScope.TENANT: Grouping.TENANT,
    LimitScope.USER: Grouping.USER,
    LimitScope.PLACEHOLDER: Grouping.PLACEHOLDER,
}


def spent_from(store: Store) -> Spent:
    """A function that sums a tenant's budgets, in micro-dollars and in their order.

    It raises a ``StoreError`` where the database is away: the calls that wait for it are then refused.
    """

    async def spent(tenant_id: TenantId, budgets: tuple[BudgetPeriod, ...]) -> tuple[MicroDollars, ...]:
        async with store.tenant(tenant_id) as session:
            return tuple(
                [
                    await spending(
                        session,
                        Spending(
                            _COLUMNS[budget.scope],
                            budget.subject,
                            budget.period.starts_at,
                            budget.period.ends_at,
                        ),
                    )
                    for budget in budgets
                ]
            )

    return spent


async def reconcile(store: Store, limiter: Limiter, tenant_id: TenantId, zone: ZoneInfo) -> None:
    """``Limiter.reconcile`` for all limits that the tenant has; for the instance's housekeeping."""
    async with store.tenant(tenant_id) as session:
        rules = await limits.every(session)
    await limiter.reconcile(tenant_id, tuple(rule.limit for rule in rules), zone)
