"""Several workers, hundreds of calls at once, one budget: what fits is admitted and nothing beyond."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from policy.limits import Granted, Window
from store.limiter_plan import keys_of
from tests.store.limiting import Tenant

WORKERS = 3


async def start(valkey_url: str, tenant: Tenant, order: dict[str, Any]) -> asyncio.subprocess.Process:
    """A worker that has its order and waits for the word."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.limiter_crowd", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = {**order, "url": valkey_url, "tenant": str(tenant.id)}
    process.stdin.write(json.dumps(line).encode() + b"\n")
    assert await process.stdout.readline() == b"ready\n"
    return process


@dataclass(frozen=True)
class Result:
    """Of all workers together; ``totals`` are spent and held as seen at many instants meanwhile."""

    granted: int
    overshoot: int
    overshoot_of_one: int
    totals: list[int]


async def race(valkey_url: str, tenant: Tenant, order: dict[str, Any]) -> Result:
    """Let the workers loose on one budget, and look at it until they have done."""
    shares = [order["calls"] // WORKERS + (index < order["calls"] % WORKERS) for index in range(WORKERS)]
    processes = await asyncio.gather(
        *(start(valkey_url, tenant, {**order, "calls": share}) for share in shares)
    )
    finished = asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    totals = []
    while not finished.done():
        totals += await counted(tenant)
        await asyncio.sleep(0)
    found = [json.loads(output) for output, _ in await finished]
    return Result(
        sum(each["granted"] for each in found),
        sum(each["overshoot"] for each in found),
        max(each["overshoot_of_one"] for each in found),
        totals + await counted(tenant),
    )


async def counted(tenant: Tenant) -> list[int]:
    """Spent and held together, once there is anything."""
    state: Any = await tenant.client.hgetall(keys_of(tenant.id)[0])
    return [sum(map(int, text.split()[:2])) for name, text in state.items() if name != b"clock"]


async def test_five_hundred_calls_at_once_share_a_budget_for_a_hundred(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    order = {"calls": 500, "cost": 7_000, "used": 7_000, "budget": 700_000}
    result = await race(valkey_url, tenant, order)
    print(
        f"with a ceiling: granted {result.granted} of 500, at most {max(result.totals)} of {order['budget']} "
        f"micro-dollars at any of {len(result.totals)} instants, overshoot {result.overshoot}"
    )
    assert result.granted == 100
    assert max(result.totals) == order["budget"]
    assert result.overshoot == 0
    await tenant.close()


async def test_streams_without_a_ceiling_overshoot_by_a_step_at_most(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    order = {"calls": 300, "cost": 7_000, "used": 0, "budget": 700_000, "steps": 20}
    result = await race(valkey_url, tenant, order)
    print(
        f"without a ceiling: granted {result.granted} of 300, overshoot {result.overshoot} micro-dollars in "
        f"all and {result.overshoot_of_one} of one stream, whose step is {order['cost']}"
    )
    assert 0 < result.overshoot_of_one <= order["cost"]
    assert result.totals[-1] <= order["budget"] + result.granted * order["cost"]
    assert result.totals[-1] - result.overshoot <= order["budget"]
    await tenant.close()


async def test_what_calls_leave_unused_is_spent_by_others_and_no_more(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    order = {"calls": 500, "cost": 7_000, "used": 4_000, "budget": 700_000}
    result = await race(valkey_url, tenant, order)
    assert 100 < result.granted <= (700_000 - 7_000) // 4_000 + 1
    assert max(result.totals) <= order["budget"]
    assert result.totals[-1] == result.granted * 4_000
    await tenant.close()


async def test_killed_workers_leave_nothing_held_after_one_lease(valkey_url: str) -> None:
    tenant = Tenant(valkey_url)
    limit = tenant.budget(700_000, window=Window.MONTH)
    order = {"calls": 60, "cost": 7_000, "used": 0, "budget": 700_000, "lease_s": 1, "hangs": True}
    workers = [await start(valkey_url, tenant, order) for _ in range(WORKERS)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
    while await counted(tenant) != [order["budget"]]:
        await asyncio.sleep(0.01)
    for worker in workers:
        worker.kill()
        await worker.wait()
    all_of_it = tenant.demand(limit, cost=700_000)
    while not isinstance(await tenant.limiter.reserve(all_of_it), Granted):
        await asyncio.sleep(0.05)
    assert await counted(tenant) == [700_000]
    await tenant.limiter.release(all_of_it.reservation)
    assert await counted(tenant) == [0]
    await tenant.close()
