"""One worker of a crowd, as a process of its own: many calls at once against the same limits.

Reads ``{"url", "tenant", "calls", "cost", "used", "budget", "lease_s"}`` from standard input, says ``ready``,
starts at the next line, and prints what it was granted and refused, and by how much calls outran what they
held. With ``"hangs": true`` no call ends. With ``"steps": N`` each is a stream without a ceiling: it holds
``cost`` at a time, up to N times, and where it is refused one more has flowed already, which is the worst.
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

    async def stream(reservation: ExchangeId, held: int) -> int:
        """What has flowed when the stream ends."""
        for _ in range(int(order["steps"]) - 1):
            answer = await limiter.top_up(reservation, tokens=0, cost=MicroDollars(held + int(order["cost"])))
            if not isinstance(answer, Granted):
                return held + int(order["cost"])
            held = answer.cost
        return held

    async def call() -> int | None:
        demand = Demand(
            ExchangeId(uuid4()),
            tenant,
            (limit,),
            BERLIN,
            0,
            MicroDollars(int(order["cost"])),
            int(order.get("lease_s", 60)),
        )
        answer = await limiter.reserve(demand)
        if not isinstance(answer, Granted):
            return None
        await asyncio.sleep(3600 if order.get("hangs") else 0)
        used = await stream(demand.reservation, answer.cost) if "steps" in order else int(order["used"])
        settled = await limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(used))
        return settled.overshoot_cost

    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    overshoots = [
        each
        for each in await asyncio.gather(*(call() for _ in range(int(order["calls"]))))
        if each is not None
    ]
    await client.aclose()
    return {
        "granted": len(overshoots),
        "refused": int(order["calls"]) - len(overshoots),
        "overshoot": sum(overshoots),
        "overshoot_of_one": max(overshoots, default=0),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(json.loads(sys.stdin.readline())))), flush=True)
