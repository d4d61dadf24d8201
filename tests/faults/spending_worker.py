"""A process that does with money what a gateway worker does, as fast as it can, until it is killed."""

import asyncio
import json
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from policy.event import timestamp
from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import Demand, Granted, Limit, LimitKind, LimitScope, Window
from policy.money import MicroDollars
from store.limiter import Limiter, Used
from store.limiter_plan import WindowCounter
from store.spool import Bounds, Spool
from store.valkey import connect

AGES_AGO, AGES_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
BOUNDS = Bounds(segment_bytes=16 * 1024, ballast_bytes=16 * 1024)
BUDGET = 10**12
PATIENCE_S = 10.0


async def nothing_used(_: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
    """Of a tenant that is new."""
    return tuple(((0, 0),) for _ in windows)


def budget_of(tenant: TenantId) -> Limit:
    """A budget that nobody uses up."""
    kind, window = LimitKind.BUDGET_MICRO_DOLLARS, Window.MONTH
    return Limit(LimitId(UUID(int=1)), tenant, LimitScope.TENANT, tenant, kind, BUDGET, window)


async def spend(order: dict[str, str]) -> None:
    """Reserve, record, record the end, settle: in the order of ``addons.STEPS``. Says each call on stdout."""
    tenant, chance = TenantId(UUID(order["tenant"])), random.Random(os.getpid())
    limiter = Limiter(connect(order["url"]), used=nothing_used, timeout_s=PATIENCE_S)
    spool = Spool(Path(order["spool"]), "worker", bounds=BOUNDS)
    limit = budget_of(tenant)

    async def one() -> None:
        identity, held = ExchangeId(uuid7()), MicroDollars(chance.randrange(1, 10_000))
        demand = Demand(identity, tenant, (limit,), ZoneInfo("UTC"), 10, held, lease_s=1)
        if not isinstance(await limiter.reserve(demand), Granted):
            raise RuntimeError("the budget is too small")
        event = {
            "schema": 1,
            "id": str(identity),
            "at": timestamp(datetime.now(UTC)),
            "kind": "call",
            "decision": "allow",
            "tenant_id": str(tenant),
            "placeholder_id": str(tenant),  # a budget counts what keys of ours spent
        }
        spool.append({"type": "admitted", "event": event})
        os.write(1, b".")
        await asyncio.sleep(chance.random() / 200)
        cost = chance.randrange(0, 12_000)
        ended = {**event, "outcome": "finished", "input_tokens": 1, "cost_micro_dollars": cost}
        spool.append_event(ended)
        limiter.settle(identity, tokens=1, cost=MicroDollars(cost))

    while True:
        await asyncio.gather(*(one() for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(spend(json.loads(sys.stdin.readline())))
