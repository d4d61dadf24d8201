"""The cost of one admission, and how little it depends on the number of limits. ``python -m bench.limiter``.

A Valkey of its own, started out of the wheel in a temporary folder; one worker, one call after the other.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from conduit.data_folder import DataFolder
from conduit.embedded_valkey import EmbeddedValkey
from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import (
    DEFAULT_THRESHOLDS,
    Demand,
    Granted,
    Limit,
    LimitKind,
    LimitScope,
    Window,
)
from policy.money import MicroDollars
from store.limiter import Limiter, Used
from store.limiter_plan import WindowCounter
from store.valkey import connect

RESULTS = Path(__file__).parent / "results"
LIMITS = (1, 2, 4, 8, 12)
ROUNDS = 5
AMPLE = 10**10


@dataclass(frozen=True)
class Cost:
    """Microseconds a call, of the best of several rounds; ``server_us`` is Valkey's own count."""

    limits: int
    reserve_us: float
    reserve_cpu_us: float
    reserve_and_settle_us: float
    reserve_and_settle_cpu_us: float
    reserve_server_us: float
    round_trips_a_reserve: float


async def nothing_used(_: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
    return tuple(() for _ in windows)


def limits_of(tenant: TenantId, count: int) -> tuple[Limit, ...]:
    """Limits of every kind, scope by scope: a rate of each, calls at once, rolling tokens, a daily budget."""
    kinds = (
        (LimitKind.REQUESTS_PER_MINUTE, None, None),
        (LimitKind.BUDGET_MICRO_DOLLARS, Window.DAY, None),
        (LimitKind.TOKENS, Window.ROLLING, 24),
        (LimitKind.TOKENS_PER_MINUTE, None, None),
        (LimitKind.CONCURRENT, None, None),
    )
    every = [
        Limit(
            LimitId(uuid4()),
            tenant,
            scope,
            tenant if scope is LimitScope.TENANT else uuid4(),
            kind,
            AMPLE,
            window,
            hours=hours,
            thresholds=DEFAULT_THRESHOLDS if window else (),
        )
        for scope in LimitScope
        for kind, window, hours in kinds
    ]
    return tuple(every[:count])


class Bench:
    def __init__(self, url: str, calls: int) -> None:
        self._client = connect(url)
        self._limiter = Limiter(self._client, used=nothing_used, timeout_s=5.0)
        self._calls = calls

    async def measure(self, count: int) -> Cost:
        tenant = TenantId(uuid4())
        limits = limits_of(tenant, count)
        await self._reserve(tenant, limits)
        await self._client.config_resetstat()
        reserving = [await self._round(tenant, limits, settling=False) for _ in range(ROUNDS)]
        stats = await self._client.info("commandstats")
        both = [await self._round(tenant, limits, settling=True) for _ in range(ROUNDS)]
        evaluated = stats["cmdstat_evalsha"]
        return Cost(
            limits=count,
            reserve_us=_best(reserving, 0),
            reserve_cpu_us=_best(reserving, 1),
            reserve_and_settle_us=_best(both, 0),
            reserve_and_settle_cpu_us=_best(both, 1),
            reserve_server_us=round(evaluated["usec_per_call"], 1),
            round_trips_a_reserve=evaluated["calls"] / (ROUNDS * self._calls),
        )

    async def _round(
        self, tenant: TenantId, limits: tuple[Limit, ...], *, settling: bool
    ) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self._calls):
            reservation = await self._reserve(tenant, limits)
            if settling:
                await self._limiter.settle(reservation, tokens=500, cost=MicroDollars(900))
        scale = 1_000_000 / self._calls
        return (time.perf_counter() - wall) * scale, (time.process_time() - cpu) * scale

    async def _reserve(self, tenant: TenantId, limits: tuple[Limit, ...]) -> ExchangeId:
        demand = Demand(ExchangeId(uuid4()), tenant, limits, ZoneInfo("UTC"), 1000, MicroDollars(2000))
        if not isinstance(await self._limiter.reserve(demand), Granted):
            raise TypeError("the benchmark measures calls that are granted")
        return demand.reservation

    async def close(self) -> None:
        await self._client.aclose()


def _best(rounds: list[tuple[float, float]], index: int) -> float:
    return round(min(times[index] for times in rounds), 1)


async def run(url: str, calls: int) -> list[Cost]:
    bench = Bench(url, calls)
    costs = [await bench.measure(count) for count in LIMITS]
    await bench.close()
    return costs


def report(costs: list[Cost]) -> None:
    print("limits  reserve  (cpu)  reserve+settle  (cpu)  in Valkey  round trips    [microseconds a call]")
    for cost in costs:
        print(
            f"{cost.limits:6}  {cost.reserve_us:7}  {cost.reserve_cpu_us:5}"
            f"  {cost.reserve_and_settle_us:14}  {cost.reserve_and_settle_cpu_us:5}"
            f"  {cost.reserve_server_us:9}  {cost.round_trips_a_reserve:11}"
        )
    wall, server = (
        getattr(costs[-1], name) / getattr(costs[0], name) for name in ("reserve_us", "reserve_server_us")
    )
    print(f"12 limits cost {wall:.2f} times what 1 does, and {server:.2f} times in Valkey")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls a round")
    folder = Path(tempfile.mkdtemp(prefix="conduit-bench-"))
    server = EmbeddedValkey(DataFolder(folder))
    calls = parser.parse_args().calls
    try:
        server.start()
        costs = asyncio.run(run(server.url, calls))
    finally:
        server.stop()
        shutil.rmtree(folder)
    report(costs)
    median = statistics.median(cost.reserve_us for cost in costs)
    document = {"calls": calls, "median_reserve_us": median, "costs": [asdict(cost) for cost in costs]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "limiter.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
