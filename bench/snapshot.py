"""The policy snapshot by numbers: load, memory, reload, and whether look-ups mind the number of tenants.

    .venv/bin/python -m bench.snapshot [--tenants 1000] [--placeholders 100]

Look-ups are timed in alternating blocks on a small and the large snapshot of the same run, as a call makes
them. Prints a line each and writes ``bench/results/snapshot.json``.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median
from uuid import uuid4

from sqlalchemy import text

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from policy.snapshot import PolicySnapshot
from store import placeholders, tenants
from store.claim import Purpose
from store.door import Store
from store.migrate import upgrade
from store.snapshot import SnapshotSource

RESULTS = Path(__file__).parent / "results" / "snapshot.json"
SMALL_TENANTS, RELOADS, LOADS, BLOCKS, LOOKUPS = 10, 9, 3, 60, 2000

FURNISH = """
WITH member AS (INSERT INTO conduit.member (tenant_id, id, name)
    SELECT conduit.tenant(), gen_random_uuid(), 'user ' || n FROM generate_series(1, 10) n RETURNING id),
credential AS (INSERT INTO conduit.credential (tenant_id, id, provider, name, hosts)
    VALUES (conduit.tenant(), gen_random_uuid(), 'openai', 'main', '{api.openai.com}') RETURNING id),
network AS (INSERT INTO conduit.network (tenant_id, id, network)
    VALUES (conduit.tenant(), gen_random_uuid(), set_masklen('10.0.0.0'::inet + :number * 256, 24)::cidr)),
lim AS (INSERT INTO conduit.limit_rule (tenant_id, id, scope, kind, amount)
    VALUES (conduit.tenant(), gen_random_uuid(), 'tenant', 'requests_per_minute', 60)),
rule AS (INSERT INTO conduit.endpoint_rule (tenant_id, host, state)
    VALUES (conduit.tenant(), 'chat.example', 'blocked'))
SELECT m.id AS member, c.id AS credential FROM member m, credential c
"""
PLACEHOLDERS = """
INSERT INTO conduit.placeholder (tenant_id, id, member_id, credential_id, digest)
SELECT conduit.tenant(), gen_random_uuid(), (CAST(:members AS uuid[]))[1 + n % 10], :credential,
    sha256(convert_to(gen_random_uuid()::text, 'UTF8')) FROM generate_series(1, :count) n
"""


async def furnish(store: Store, first: int, last: int, count: int) -> None:
    """Tenants with numbers in ``[first, last)``, each with ``count`` placeholders."""
    for number in range(first, last):
        async with store.platform(Purpose.ADMINISTRATION) as session:
            tenant = await tenants.create(session, name=f"tenant {number} {uuid4()}", region="eu")
        async with store.tenant(tenant.tenant_id) as session:
            made = (await session.execute(text(FURNISH), {"number": number})).all()
            values = {
                "members": [row.member for row in made],
                "credential": made[0].credential,
                "count": count,
            }
            await session.execute(text(PLACEHOLDERS), values)


async def load(source: SnapshotSource) -> float:
    """Median seconds of a whole load."""
    times = []
    for _ in range(LOADS):
        began = time.perf_counter()
        await source.load()
        times.append(time.perf_counter() - began)
    return median(times)


async def reload(store: Store, source: SnapshotSource) -> float:
    """Median seconds from the commit of a revocation until the snapshot shows it."""
    times = []
    running = asyncio.create_task(source.run())
    current = await source.newer_than(source.current.version - 1)
    for _ in range(RELOADS):
        live = [each for each in random.sample(list(current.placeholders.values()), 50) if not each.revoked]
        async with store.tenant(live[0].tenant_id) as session:
            await placeholders.revoke(session, placeholder_id=live[0].id)
        began = time.perf_counter()
        current = await source.newer_than(current.version)
        if not current.placeholders[live[0].digest].revoked:
            raise RuntimeError("a newer version does not show the revocation")
        times.append(time.perf_counter() - began)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return median(times)


def look_up(snapshot: PolicySnapshot, picks: list[tuple[bytes, IPv4Address]]) -> float:
    """Microseconds for what one call reads of the policy."""
    began = time.perf_counter_ns()
    for digest, address in picks:
        found = snapshot.placeholders[digest]
        snapshot.tenants[found.tenant_id]
        snapshot.users[found.user_id]
        snapshot.credentials[found.credential_id]
        snapshot.tenant_at(address)
        snapshot.limits_for(found.tenant_id, found.user_id, found.id, None)
        snapshot.endpoint_state(found.tenant_id, "api.openai.com")
    return (time.perf_counter_ns() - began) / len(picks) / 1000


def compare(small: PolicySnapshot, large: PolicySnapshot) -> tuple[float, float]:
    """The least disturbed block of each; in both, as many callers of as many tenants call."""
    best = [float("inf"), float("inf")]
    for _ in range(BLOCKS):
        for which, snapshot in enumerate((small, large)):
            chosen = set(random.sample(list(snapshot.tenants), SMALL_TENANTS))
            callers = [each.digest for each in snapshot.placeholders.values() if each.tenant_id in chosen]
            addresses = [IPv4Address("10.0.0.1") + random.randrange(SMALL_TENANTS) * 256 for _ in range(10)]
            picks = [(random.choice(callers), random.choice(addresses)) for _ in range(LOOKUPS)]
            best[which] = min(best[which], look_up(snapshot, picks))
    return best[0], best[1]


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


async def measure(owner_url: str, tenant_count: int, placeholder_count: int) -> dict[str, float]:
    """All of it, on one database."""
    secrets = upgrade(owner_url)
    console = await Store.open(secrets.console_dsn, secrets.claim_key)
    gateway = await Store.open(secrets.gateway_dsn, secrets.claim_key)
    await furnish(console, 0, SMALL_TENANTS, placeholder_count)
    source = SnapshotSource(gateway)
    small_load = await load(source)
    small = source.current
    small_reload = await reload(console, source)
    await furnish(console, SMALL_TENANTS, tenant_count, placeholder_count)
    before = resident_mib()
    large = await source.load()
    memory = resident_mib() - before
    large_load = await load(source)
    large_reload = await reload(console, source)
    few_us, many_us = compare(small, large)
    await console.close()
    await gateway.close()
    return {
        "load_small_s": small_load,
        "load_large_s": large_load,
        "reload_small_s": small_reload,
        "reload_large_s": large_reload,
        "memory_large_mib": memory,
        "look_up_small_us": few_us,
        "look_up_large_us": many_us,
        "look_up_ratio": many_us / few_us,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--placeholders", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="conduit-bench-") as folder:
        server = EmbeddedPostgres(DataFolder(Path(folder)))
        server.start()
        try:
            found = asyncio.run(measure(server.owner_url, options.tenants, options.placeholders))
        finally:
            server.stop()
    print(
        f"{SMALL_TENANTS} (small) and {options.tenants} (large) tenants,"
        f" {options.placeholders} placeholders each"
    )
    for name, value in found.items():
        print(f"{name:20} {value:9.3f}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**vars(options), **found}, indent=2) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
