"""The housekeeping beside the calls: each duty does its work, and none ends because a run failed."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from conduit.duties_process import Isolation, every, for_each_tenant, prepare_months, reap, reconcile_all
from conduit.worker import tell_of_threshold
from policy.identifiers import LimitId, TenantId
from policy.limit_setting import LimitSetting
from policy.limits import Crossed, Limit, LimitKind, LimitScope, Window, period_of
from policy.thresholds import threshold_incident
from store import events, limits, tenants, usage
from store.canary import Breach, Canary, CanaryResult
from store.chain import append
from store.claim import Purpose
from store.door import Store
from store.frames import START, Frame, read
from store.limiter import Limiter
from store.limiter_rebuild import used_from
from store.roles import RoleSecrets
from store.spool import Spool
from store.valkey import connect
from tests.store.test_usage import a_row


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


async def test_a_threshold_is_recorded_once_whoever_tells_of_it(
    store: Store, role_secrets: RoleSecrets, valkey_url: str
) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        # Whose windows nobody can reckon; the others' do not wait for it.
        await tenants.create(session, name=f"odd {uuid4()}", region="eu", time_zone="Mars/Olympus")
        tenant = (await tenants.create(session, name=f"tenant {uuid4()}", region="eu")).tenant_id
    async with store.tenant(tenant) as session:
        setting = LimitSetting(LimitKind.TOKENS, 100, Window.WEEK)
        limit = (await limits.put(session, setting=setting)).limit
    shipping = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    async with shipping.platform(Purpose.SHIPPING) as session:
        used = a_row(tenant, at=datetime.now(UTC), input_tokens=60, output_tokens=25)
        await usage.add(session, rows=[used])
    await shipping.close()
    crossings: list[Crossed] = []
    limiter = Limiter(connect(valkey_url), used=used_from(store), on_crossed=crossings.append)
    week = period_of(Window.WEEK, datetime.now(UTC), ZoneInfo("UTC")).name
    by_a_worker = threshold_incident(Crossed(limit, 50, week), datetime.now(UTC))
    async with store.tenant(tenant) as session:
        await append(session, [by_a_worker])
    for _ in range(2):
        await reconcile_all(store, limiter, crossings)
    async with store.tenant(tenant) as session:
        found = await events.latest(session, limit=10, search=events.Search(kind="incident"))
    told = [json.loads(event.body) for event in found]
    assert [(event["action"], event["detail"]["percent"]) for event in reversed(told)] == [
        ("limit.threshold", 50),
        ("limit.threshold", 80),
    ]
    assert told[-1]["id"] == by_a_worker["id"]


def test_a_worker_records_a_threshold_in_its_spool(tmp_path: Path) -> None:
    tenant = TenantId(uuid4())
    kind = LimitKind.BUDGET_MICRO_DOLLARS
    limit = Limit(LimitId(uuid4()), tenant, LimitScope.TENANT, tenant, kind, 5, Window.DAY, model="gpt-4*")
    spool = Spool(tmp_path, "test")
    tell_of_threshold(spool, Crossed(limit, 100, "2026-11-24"))
    (frame,) = read(spool.directory, START, final=True)
    assert isinstance(frame, Frame)
    event = frame.record["event"]
    assert (event["tenant_id"], event["severity"]) == (str(tenant), "warning")
    assert event["detail"]["model"] == "gpt-4*"
    spool.close()
    tell_of_threshold(spool, Crossed(limit, 100, "2026-11-24"))  # cannot be recorded, and harms no call


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


async def test_no_tenants_turn_waits_for_anothers(store: Store) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        made = [await tenants.create(session, name=f"tenant {uuid4()}", region="eu") for _ in range(3)]
    turns: list[TenantId] = []

    async def work(tenant: tenants.Tenant) -> None:
        turns.append(tenant.tenant_id)
        if tenant.tenant_id in {each.tenant_id for each in made}:
            raise ValueError("odd")

    await for_each_tenant(store, "turns", work)
    assert {each.tenant_id for each in made} <= set(turns)
    assert REGISTRY.get_sample_value("conduit_duty_failures_total", {"duty": "turns"}) == 3


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
