"""The process that moves the workers' records to PostgreSQL and signs checkpoints of them.

One for an instance. Reads its ``Boot`` from standard input, says ``ready`` on standard output, and on
SIGTERM ships what the workers have left and signs a last round.
"""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from loguru import logger
from prometheus_client import Counter, Gauge

from conduit import witnesses
from conduit.boot import Boot, announce_ready, receive
from store.checkpoint import pinned_keys, signing_key
from store.checkpointer import Checkpointer
from store.door import Store
from store.errors import StoreUnavailable
from store.shipper import BACKOFF_MAX_S, POLL_INTERVAL_S, Shipper, wait
from store.witness import HeldCheckpoints

CONNECTIONS = 2
FIGURES_INTERVAL_S = 1.0

PENDING = Gauge(
    "conduit_spool_pending_bytes",
    "Records that wait for the database. Calls are refused when the spool is full.",
    multiprocess_mode="livemostrecent",
)
WAITING = Gauge(
    "conduit_spool_waiting_seconds",
    "Since when some records have been waiting for the database.",
    multiprocess_mode="livemostrecent",
)
SHIPPED = Counter("conduit_events_shipped", "Events written to the database.")
UNWITNESSED = Gauge(
    "conduit_checkpoints_unwitnessed",
    "Records whose newest checkpoint some witness has not taken yet.",
    multiprocess_mode="livemostrecent",
)

FAILING = Gauge(
    "conduit_witness_failing",
    "1 where a witness did not take the checkpoints that it was last offered.",
    ["witness"],
    multiprocess_mode="livemostrecent",
)


def main() -> None:
    """Run until told to stop."""
    asyncio.run(serve(receive()))


async def serve(boot: Boot) -> None:
    """Ship and sign until SIGTERM."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    spool, audit = boot.data / "spool", boot.data / "audit"
    key = signing_key(audit)
    # Ready without the database: what waits in the spool waits here too.
    announce_ready()
    store = await _open_store(boot, stopping)
    if store is None:
        return
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            checkpointer = Checkpointer(
                store,
                key,
                HeldCheckpoints(audit / "held", pinned_keys(audit / "checkpoint.pub")),
                witnesses=witnesses.of(boot.settings.audit, boot.data, client),
                interval_s=boot.settings.audit.checkpoint_interval_s,
            )
            async with _turn(spool, stopping) as ours:
                if ours:
                    shipper = Shipper(store, spool)
                    await asyncio.gather(
                        shipper.run(stopping),
                        checkpointer.run(stopping),
                        _show(shipper, checkpointer, stopping),
                    )
                    # What was shipped last is signed too, so that none of it can be cut off unnoticed.
                    await checkpointer.try_round(last=True)
    finally:
        await store.close()


async def _show(shipper: Shipper, checkpointer: Checkpointer, stopping: asyncio.Event) -> None:
    """Keep the figures for monitoring fresh."""
    counted = 0
    while not stopping.is_set():
        figures = await asyncio.to_thread(shipper.figures)
        PENDING.set(figures.pending_bytes)
        WAITING.set(figures.waiting_s)
        SHIPPED.inc(figures.shipped_events - counted)
        counted = figures.shipped_events
        UNWITNESSED.set(checkpointer.unwitnessed)
        for name, failing in checkpointer.failing.items():
            FAILING.labels(name).set(failing)
        await wait(stopping, FIGURES_INTERVAL_S)


async def _open_store(boot: Boot, stopping: asyncio.Event) -> Store | None:
    """The store as soon as the database answers; ``None`` if told to stop before."""
    backoff_s = POLL_INTERVAL_S
    while not stopping.is_set():
        try:
            return await Store.open(
                boot.dsn, boot.claim_key, pool_size=CONNECTIONS, pooler=boot.settings.database.pooler
            )
        except StoreUnavailable as error:
            logger.warning("records wait in the spool: {}", error)
            await wait(stopping, backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
    return None


@asynccontextmanager
async def _turn(spool: Path, stopping: asyncio.Event) -> AsyncIterator[bool]:
    """Wait until no other shipper is at the spool, such as the one that this process replaces.

    False if it was told to stop before its turn came.
    """
    descriptor = _turn_file(spool)
    try:
        while not (ours := _locked(descriptor)) and not stopping.is_set():
            await wait(stopping, POLL_INTERVAL_S)
        yield ours
    finally:
        os.close(descriptor)


def _turn_file(spool: Path) -> int:
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(spool / ".shipper", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
