"""What the analyst's page reads of usage and events."""

from datetime import UTC, datetime, timedelta

from policy.identifiers import TenantId
from policy.money import MicroDollars
from store import overview, usage
from store.claim import Purpose
from store.door import Store
from tests.store.test_usage import a_row

BIGINT_MAX = 2**63 - 1
DAY = timedelta(days=1)


async def test_a_provider_that_lies_about_its_tokens_does_not_take_the_page_away(
    gateway: Store, tenant: TenantId
) -> None:
    """Together they are more than a bigint holds."""
    cost = MicroDollars(BIGINT_MAX)
    rows = [a_row(tenant, input_tokens=BIGINT_MAX, cost_micro_dollars=cost) for _ in range(2)]
    async with gateway.platform(Purpose.SHIPPING) as session:
        await usage.add(session, rows=rows)
    now = datetime.now(UTC)
    async with gateway.tenant(tenant) as session:
        found = await overview.totals(session, since=now - DAY, until=now + DAY)
    assert (found.input_tokens, found.cost) == (2 * BIGINT_MAX, 2 * BIGINT_MAX)
