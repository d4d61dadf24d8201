"""The housekeeping beside the calls: each duty does its work, and none ends because a run failed."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from conduit.duties_process import Isolation, every, prepare_months, reap
from store import tenants
from store.canary import Breach, Canary, CanaryResult
from store.claim import Purpose
from store.door import Store
from store.limiter import Limiter
from store.limiter_rebuild import used_from
from store.valkey import connect


async def test_months_ahead_get_their_partitions(store: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("SET ROLE conduit_owner")
        query = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'conduit.usage'::regclass"
        before = owner.execute(query).fetchone()
        last = owner.execute("SELECT to_char(now() + interval '3 months', 'YYYY_MM')").fetchone()
        assert last is not None
        owner.execute(f"DROP TABLE conduit.usage_{last[0]}".encode())
        await prepare_months(store)
        assert owner.execute(query).fetchone() == before


async def test_leases_of_every_tenant_are_reaped(store: Store, valkey_url: str) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await tenants.create(session, name=f"tenant {uuid4()}", region="eu")
    await reap(store, Limiter(connect(valkey_url), used=used_from(store)))


async def test_isolation_of_the_real_database_is_published(store: Store, tmp_path: Path) -> None:
    result = await Canary(store).run_once()
    await Isolation(store, tmp_path / "isolation.json").report(result)
    assert json.loads((tmp_path / "isolation.json").read_text())["held"] is True
    assert REGISTRY.get_sample_value("conduit_isolation_held") == 1


async def test_breach_is_published_and_recorded(store: Store, tmp_path: Path) -> None:
    breach = Breach(f"function {uuid4()}", "showed the other tenant's row")
    result = CanaryResult(datetime.now(UTC), probes=2, breaches=(breach,))
    await Isolation(store, tmp_path / "isolation.json").report(result)
    assert json.loads((tmp_path / "isolation.json").read_text())["held"] is False
    assert REGISTRY.get_sample_value("conduit_isolation_held") == 0
    async with store.tenant(tenants.PLATFORM) as session:
        query = text(
            "SELECT count(*) FROM conduit.event WHERE kind = 'incident' AND body LIKE '%isolation.breach%'"
            ' AND body LIKE \'%"severity":"alarm"%\' AND body LIKE :name'
        )
        assert (await session.execute(query, {"name": f"%{breach.function}%"})).scalar_one() == 1


async def test_duty_goes_on_after_a_run_that_failed() -> None:
    done = asyncio.Event()
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("once")
        done.set()

    duty = asyncio.create_task(every(0, "testing", work))
    await done.wait()
    duty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await duty
    assert REGISTRY.get_sample_value("conduit_duty_failures_total", {"duty": "testing"}) == 1
