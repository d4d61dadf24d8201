"""A gateway worker: one process, one event loop, all three doors. Started by the supervisor, never by hand.

Reads its ``Boot`` from standard input, says ``ready`` on standard output, and ends on SIGTERM after the calls
in flight have finished or the time for it is up.
"""

import asyncio
import gc
import signal
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from loguru import logger

from conduit import gateway
from conduit.boot import Boot, announce_ready, receive
from conduit.instance import catalogues_of, vault_of
from policy.limits import Crossed
from policy.thresholds import threshold_incident
from store.account_marks import AccountMarks
from store.door import Store
from store.limiter import Limiter
from store.limiter_rebuild import used_from
from store.snapshot import SnapshotSource
from store.spool import Spool, SpoolError
from store.valkey import connect

# Flows and layers form cycles that only the collector frees. Larger than these, a young collection stops all
# calls for tens of milliseconds; smaller, it costs more in all (measured at 700 calls a second).
GC_THRESHOLD = (10_000, 50, 100)
LAST_SETTLEMENTS_S = 3.0


def main() -> None:
    """Run until told to stop."""
    asyncio.run(serve(receive()))


async def serve(boot: Boot) -> None:
    """Assemble, listen, drain, end."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        store = await Store.open(boot.dsn, boot.claim_key, pooler=boot.settings.database.pooler)
        stack.push_async_callback(store.close)
        snapshots = SnapshotSource(store, catalogues=catalogues_of(boot.settings))
        await snapshots.load()
        spool = Spool(boot.data / "spool", f"worker-{boot.number}")
        stack.callback(spool.close)
        valkey = connect(boot.redis_url)
        limiter = Limiter(
            valkey,
            used=used_from(store),
            on_crossed=lambda crossed: tell_of_threshold(spool, crossed),
        )
        vault = vault_of(boot.data, boot.settings)
        background = [asyncio.create_task(work) for work in (snapshots.run(), limiter.run(), vault.run())]
        engine = gateway.engine(
            gateway.configuration(boot.settings, boot.data),
            snapshots=snapshots,
            vault=vault,
            shared=gateway.Shared(limiter, AccountMarks(valkey)),
            spool=spool,
            workers=boot.workers,
        )
        await engine.start()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        announce_ready()
        await stopping.wait()
        if not await engine.drain(boot.settings.drain_s):
            logger.warning("{} calls were cut at the end of the drain", engine.calls_in_flight)
        await engine.stop()
        await limiter.drain(within_s=LAST_SETTLEMENTS_S)
        for task in background:
            task.cancel()


def tell_of_threshold(spool: Spool, crossed: Crossed) -> None:
    """Record that a limit's threshold was crossed. Where it cannot be, the reconciliation tells of it."""
    try:
        spool.append_event(threshold_incident(crossed, datetime.now(UTC)))
    except SpoolError as problem:
        logger.warning("the threshold of a limit was not recorded: {}", problem)


if __name__ == "__main__":
    main()
