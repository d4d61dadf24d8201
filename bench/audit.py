"""The record by numbers: append, ship, verify, search, bytes an event. ``python -m bench.audit --events N``.

A PostgreSQL of its own, started out of the wheel in a temporary folder; one tenant; calls of realistic size.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from sqlalchemy import text
from uuid_utils.compat import uuid7

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from policy.identifiers import TenantId, UserId
from store import tenants
from store.checkpoint import SigningKey
from store.claim import Purpose
from store.door import Store
from store.events import Search, latest
from store.export import export_record
from store.migrate import upgrade
from store.roles import RoleSecrets
from store.shipper import Shipper
from store.spool import Bounds, Spool
from store.verify import verify_export, verify_record

RESULTS = Path(__file__).parent / "results"
USERS = [str(uuid7()) for _ in range(200)]
SEARCHES = 50
SIZE = text(
    "SELECT pg_total_relation_size('conduit.event') AS event, pg_relation_size('conduit.event') AS body"
)


def call(tenant: TenantId, number: int) -> dict[str, Any]:
    """An event with the facts that a call has."""
    return {
        "schema": 1,
        "id": str(uuid7()),
        "at": f"2026-11-24T08:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1_000_000:06d}Z",
        "kind": "call",
        "tenant_id": str(tenant),
        "tenant": "bench",
        "user_id": USERS[number % len(USERS)],
        "user": f"user-{number % len(USERS)}",
        "team": "research",
        "placeholder_id": USERS[number * 7 % len(USERS)],
        "identity_sources": ["placeholder", "network"],
        "mode": "gateway",
        "source_address": "10.20.30.40",
        "provider": "openai",
        "host": "api.openai.com",
        "port": 443,
        "path": "/v1/chat/completions",
        "method": "POST",
        "shape": "openai-chat",
        "region": "us",
        "operation": "chat",
        "model": "gpt-5-mini",
        "stream": True,
        "endpoint_state": "sanctioned",
        "verdict": "ai",
        "score": 100,
        "evidence": ["catalogue"],
        "decision": "allow",
        "snapshot_version": 41,
        "input_tokens": 812,
        "output_tokens": 377,
        "cost_micro_dollars": 957,
        "estimated": False,
        "status": 200,
        "outcome": "finished",
        "bytes_up": 4120,
        "bytes_down": 20871,
        "first_byte_us": 412_000,
        "total_us": 3_918_000,
    }


def append_all(spool: Spool, tenant: TenantId, events: int, progress: Progress) -> dict[str, float]:
    """Two records a call, as a worker writes them; microseconds for each append, and appends a second."""
    taken_ns = []
    for number in progress.track(range(events), description="append"):
        event = call(tenant, number)
        for kind in ("admitted", "ended"):
            begun = time.perf_counter_ns()
            spool.append({"type": kind, "event": event})
            taken_ns.append(time.perf_counter_ns() - begun)
    cuts = statistics.quantiles(taken_ns, n=100)
    return {
        "append_p50_us": cuts[49] / 1000,
        "append_p99_us": cuts[98] / 1000,
        "appends_per_s": len(taken_ns) / (sum(taken_ns) / 1e9),
    }


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def measure(roles: RoleSecrets, folder: Path, events: int, progress: Progress) -> dict[str, float]:
    gateway = await Store.open(roles.gateway_dsn, roles.claim_key)
    console = await Store.open(roles.console_dsn, roles.claim_key)
    async with console.platform(Purpose.ADMINISTRATION) as session:
        tenant = (await tenants.create(session, name=f"bench {uuid4()}", region="eu")).tenant_id
    spool = Spool(folder / "spool", "bench", bounds=Bounds(bytes_max=16 * 1024**3))
    figures = append_all(spool, tenant, events, progress)
    ship_s = await timed(lambda: ship(gateway, folder / "spool", events, progress))
    spool.close()
    path, key = folder / "export.jsonl", SigningKey.generate()
    stages = progress.add_task("verify", total=4)
    verify_s = await timed(lambda: verify_record(console, tenant, trusted=()))
    progress.update(stages, advance=1, description="export")
    export_s = await timed(lambda: export_record(console, tenant, path=path, key=key))
    progress.update(stages, advance=1, description="verify offline")
    offline_s = await timed(lambda: asyncio.to_thread(verify_export, path, pinned=[key.verifier]))
    progress.update(stages, advance=1, description="search")
    figures |= await database_figures(console, tenant, events)
    progress.update(stages, advance=1, description="done")
    await gateway.close()
    await console.close()
    return figures | {
        "events": events,
        "ship_events_per_s": events / ship_s,
        "verify_live_events_per_s": events / verify_s,
        "export_events_per_s": events / export_s,
        "verify_offline_events_per_s": events / offline_s,
    }


async def ship(store: Store, directory: Path, events: int, progress: Progress) -> None:
    shipper, task = Shipper(store, directory), progress.add_task("ship", total=events)
    while await shipper.ship_once():
        progress.update(task, completed=shipper.shipped_events)


async def database_figures(store: Store, tenant: TenantId, events: int) -> dict[str, float]:
    async with store.tenant(tenant) as session:
        size = (await session.execute(SIZE)).one()
    searches = [await timed(lambda user=user: search(store, tenant, UUID(user))) for user in USERS[:SEARCHES]]
    return {
        "bytes_per_event": size.event / events,
        "bytes_per_event_without_indexes": size.body / events,
        "search_by_person_p50_ms": statistics.median(searches) * 1000,
        "search_by_person_max_ms": max(searches) * 1000,
    }


async def search(store: Store, tenant: TenantId, user: UUID) -> None:
    """What the command, the API and the page ask."""
    wanted = Search(user_id=UserId(user))
    async with store.tenant(tenant) as session:
        if not await latest(session, limit=100, search=wanted):
            raise RuntimeError("the search found nothing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    events = parser.parse_args().events
    folder = Path(tempfile.mkdtemp(prefix="conduit-bench-"))
    server = EmbeddedPostgres(DataFolder(folder))
    server.start()
    try:
        with Progress(
            *Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeRemainingColumn()
        ) as bar:
            figures = asyncio.run(measure(upgrade(server.owner_url), folder, events, bar))
    finally:
        server.stop()
        shutil.rmtree(folder)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "audit.json").write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:34} {value:14,.1f}")


if __name__ == "__main__":
    main()
