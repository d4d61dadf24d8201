"""What the signed claim costs, against a plain setting, in one run on one PostgreSQL.

    .venv/bin/python -m bench.claim [--url postgresql://owner@host/database]

Two tables of the same rows and index differ in their policy alone. Blocks of both alternate, so that what
else the machine does falls on both. Prints a table and writes ``bench/results/claim.json``.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from store.claim import tenant_claim
from store.migrate import upgrade

BLOCKS, TRANSACTIONS, STATEMENTS = 60, 50, 100
RESULTS = Path(__file__).parent / "results" / "claim.json"

TABLES = """
SET ROLE conduit_owner;
CREATE TABLE conduit.{name} (tenant_id uuid, id uuid, body text, PRIMARY KEY (tenant_id, id));
INSERT INTO conduit.{name} SELECT '{tenant}', gen_random_uuid(), 'x' FROM generate_series(1, 20);
INSERT INTO conduit.{name} SELECT gen_random_uuid(), gen_random_uuid(), 'x' FROM generate_series(1, 20000);
ANALYZE conduit.{name};
ALTER TABLE conduit.{name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON conduit.{name} USING (tenant_id = (SELECT {condition}));
GRANT SELECT ON conduit.{name} TO conduit_console;
RESET ROLE;
"""
CONDITIONS = {
    "plain": "nullif(current_setting('conduit.plain', true), '')::uuid",
    "claimed": "conduit.tenant()",
}


def measure(owner_url: str) -> dict[str, dict[str, float]]:
    """Microseconds per transaction and per statement for both policies, of the least disturbed block."""
    secrets, tenant = upgrade(owner_url), uuid4()
    with psycopg.connect(owner_url, autocommit=True) as owner:
        for name, condition in CONDITIONS.items():
            owner.execute(TABLES.format(name=f"bench_{name}", tenant=tenant, condition=condition))
        try:
            with psycopg.connect(secrets.console_dsn, autocommit=True) as connection:
                return _measure(connection, tenant, secrets.claim_key)
        finally:
            for name in CONDITIONS:
                owner.execute(f"SET ROLE conduit_owner; DROP TABLE conduit.bench_{name}; RESET ROLE")


def _measure(connection: psycopg.Connection, tenant: UUID, key: bytes) -> dict[str, dict[str, float]]:
    def enter(name: str) -> None:
        if name == "plain":
            connection.execute("SELECT set_config('conduit.plain', %s, true)", [str(tenant)])
            return
        claim = tenant_claim(
            key, tenant, expires_at=int(time.time()) + 60, backend=connection.info.backend_pid
        )
        connection.execute("SELECT set_config('conduit.claim', %s, true)", [claim])

    def read(name: str) -> None:
        if len(connection.execute(f"SELECT id, body FROM conduit.bench_{name}").fetchall()) != 20:
            raise RuntimeError("the tenant has 20 rows")

    def transaction(name: str) -> None:
        with connection.transaction():
            enter(name)
            read(name)

    def statements(name: str) -> float:
        with connection.transaction():
            enter(name)
            return _timed(lambda: read(name), STATEMENTS)

    whole: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    single: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    for _ in range(BLOCKS):
        for name in CONDITIONS:
            whole[name].append(_timed(lambda name=name: transaction(name), TRANSACTIONS))
            single[name].append(statements(name))
    return {
        "transaction_us": {name: min(times) for name, times in whole.items()},
        "statement_us": {name: min(times) for name, times in single.items()},
    }


def _timed(act: Callable[[], object], times: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(times):
        act()
    return (time.perf_counter_ns() - began) / times / 1000


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="an owner's URL; without it, an embedded PostgreSQL is started")
    url = parser.parse_args().url
    if url:
        report(measure(url))
        return
    with tempfile.TemporaryDirectory(prefix="conduit-bench-") as folder:
        server = EmbeddedPostgres(DataFolder(Path(folder)))
        server.start()
        try:
            report(measure(server.owner_url))
        finally:
            server.stop()


def report(found: dict[str, dict[str, float]]) -> None:
    """One line for each unit, with the ratio of claimed to plain."""
    for unit, times in found.items():
        ratio = times["claimed"] / times["plain"]
        extra = times["claimed"] - times["plain"]
        print(
            f"{unit:15} plain {times['plain']:7.1f}   claimed {times['claimed']:7.1f}"
            f"   +{extra:5.1f}   ratio {ratio:.3f}"
        )
        times["ratio"] = ratio
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
