"""Several workers, hundreds of calls at once, one budget: what fits is admitted and nothing beyond."""

import asyncio
import json
import subprocess
import sys
from typing import Any

from store.limiter_plan import keys_of
from tests.store.limiting import Tenant

WORKERS = 3


async def race(valkey_url: str, tenant: Tenant, order: dict[str, Any]) -> tuple[int, list[int]]:
    """How many calls were granted, and each total of spent and held that was seen meanwhile."""
    processes = []
    for index in range(WORKERS):
        calls = order["calls"] // WORKERS + (index < order["calls"] % WORKERS)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.store.limiter_crowd", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        line = {**order, "calls": calls, "url": valkey_url, "tenant": str(tenant.id)}
        process.stdin.write(json.dumps(line).encode() + b"\n")
        processes.append(process)
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    finished = asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    totals = []
    while not finished.done():
        totals += await counted(tenant)
        await asyncio.sleep(0)
    granted = sum(json.loads(output)["granted"] for output, _ in await finished)
    return granted, totals + await counted(tenant)


async def counted(tenant: Tenant) -> list[int]:
    """Spent and held together, once there is anything."""
    state: Any = await tenant.client.hgetall(keys_of(tenant.id)[0])
    return [sum(map(int, text.split()[:2])) for name, text in state.items() if name != b"clock"]


async def test_five_hundred_calls_at_once_share_a_budget_for_a_hundred(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    order = {"calls": 500, "cost": 7_000, "used": 7_000, "budget": 700_000}
    granted, totals = await race(valkey_url, tenant, order)
    print(
        f"granted {granted} of 500, at most {max(totals)} of {order['budget']} micro-dollars at any instant"
    )
    assert granted == 100
    assert max(totals) == order["budget"]
    await tenant.close()


async def test_what_calls_leave_unused_is_spent_by_others_and_no_more(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    order = {"calls": 500, "cost": 7_000, "used": 4_000, "budget": 700_000}
    granted, totals = await race(valkey_url, tenant, order)
    assert 100 < granted <= (700_000 - 7_000) // 4_000 + 1
    assert max(totals) <= order["budget"]
    assert totals[-1] == granted * 4_000
    await tenant.close()
