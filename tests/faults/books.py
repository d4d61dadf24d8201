"""What Valkey has of a tenant's money and leases, read from beside the product."""

from typing import Any

import redis

from policy.identifiers import TenantId
from store.limiter_plan import keys_of


def books(valkey_url: str, tenant: TenantId) -> tuple[int, int]:
    """What Valkey has of the tenant's budgets: micro-dollars spent, and micro-dollars held."""
    with redis.Redis.from_url(valkey_url) as client:
        state: Any = client.hgetall(keys_of(tenant)[0])
    budgets = [text.split() for name, text in state.items() if name.startswith(b"B:")]
    return sum(int(each[0]) for each in budgets), sum(int(each[1]) for each in budgets)


def let_leases_fall_due(valkey_url: str, tenant: TenantId) -> int:
    """Age every lease of the tenant as if its time had passed unrenewed; how many there are."""
    with redis.Redis.from_url(valkey_url) as client:
        leases = keys_of(tenant)[1]
        held: Any = client.zrange(leases, 0, -1)
        if held:
            client.zadd(leases, dict.fromkeys(held, 1), xx=True)
        return len(held)
