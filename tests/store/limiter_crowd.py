"""One worker of a crowd, as a process of its own: many calls at once against the same limits.

Reads ``{"url", "tenant", "calls", "cost", "used", "budget", "lease_s"}`` from standard input, says ``ready``,
starts at the next line, and prints what it was granted and refused. With ``"hangs": true`` no call ends.
"""

import asyncio
import json
import sys
from uuid import UUID, uuid4

from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import Demand, Granted, Limit, LimitKind, LimitScope, Window
from policy.money import MicroDollars
from store.limiter import Limiter, Used
from store.limiter_plan import WindowCounter
from store.valkey import connect
from tests.store.limiting import BERLIN, PATIENCE_S


async def nothing_used(_: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
    return tuple(() for _ in windows)


async def crowd(order: dict[str, int | str]) -> dict[str, int]:
    tenant = TenantId(UUID(str(order["tenant"])))
    limit = Limit(
        LimitId(UUID(int=1)),
        tenant,
        LimitScope.TENANT,
        tenant,
        LimitKind.BUDGET_MICRO_DOLLARS,
        int(order["budget"]),
        Window.MONTH,
    )
    client = connect(str(order["url"]))
    limiter = Limiter(client, used=nothing_used, timeout_s=PATIENCE_S)

    async def call() -> bool:
        demand = Demand(
            ExchangeId(uuid4()),
            tenant,
            (limit,),
            BERLIN,
            0,
            MicroDollars(int(order["cost"])),
            int(order.get("lease_s", 60)),
        )
        granted = isinstance(await limiter.reserve(demand), Granted)
        if granted:
            await asyncio.sleep(3600 if order.get("hangs") else 0)
            await limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(int(order["used"])))
        return granted

    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    granted = sum(await asyncio.gather(*(call() for _ in range(int(order["calls"])))))
    await client.aclose()
    return {"granted": granted, "refused": int(order["calls"]) - granted}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(json.loads(sys.stdin.readline())))), flush=True)
