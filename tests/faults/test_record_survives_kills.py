"""kill -9 of workers and shipper, PostgreSQL stopped in between: every acknowledged call has one event."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text
from uuid_utils.compat import uuid7

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from policy.identifiers import TenantId
from store import tenants
from store.claim import Purpose
from store.door import Store
from store.migrate import upgrade
from store.roles import RoleSecrets
from store.shipper import Shipper
from store.spool import Bounds, Spool
from store.verify import verify_record

KILLS = int(os.environ.get("CONDUIT_TEST_KILLS", "30"))
BOUNDS = Bounds(segment_bytes=16 * 1024, ballast_bytes=16 * 1024)


def test_every_acknowledged_call_has_exactly_one_event(short_path: Path) -> None:
    chance = random.Random(200)
    server = EmbeddedPostgres(DataFolder(short_path))
    server.start()
    try:
        roles = upgrade(server.owner_url)
        tenant = asyncio.run(a_tenant(roles))
        spool, acknowledged = short_path / "spool", list[list[str]]()
        shipper = forked(lambda: ship(roles, spool))
        for number in range(KILLS):
            acknowledged.append(killed_while_recording(spool, tenant, after=chance.randrange(1, 120)))
            if chance.random() < 0.4:
                killed(shipper)
                shipper = forked(lambda: ship(roles, spool))
            if number % 10 == 5:
                restart(server)
        killed(shipper)
        found = asyncio.run(what_is_recorded(roles, spool, tenant))
    finally:
        server.stop()
    assert_each_once_and_in_order(found, acknowledged)


def assert_each_once_and_in_order(found: list[str], acknowledged: list[list[str]]) -> None:
    assert max(Counter(found).values()) == 1
    places = {identity: place for place, identity in enumerate(found)}
    for calls in acknowledged:
        order = [places[identity] for identity in calls]
        assert order == sorted(order)


async def a_tenant(roles: RoleSecrets) -> TenantId:
    store = await Store.open(roles.console_dsn, roles.claim_key)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        tenant = await tenants.create(session, name=f"tenant {uuid4()}", region="eu")
    await store.close()
    return tenant.tenant_id


async def what_is_recorded(roles: RoleSecrets, spool: Path, tenant: TenantId) -> list[str]:
    """Ship what is left, verify the chain, and give the ids of all events in their order."""
    gateway = await Store.open(roles.gateway_dsn, roles.claim_key)
    auditor = await Store.open(roles.auditor_dsn, roles.claim_key)
    shipper = Shipper(gateway, spool)
    while await shipper.ship_once():
        pass
    verified = await verify_record(auditor, tenant, trusted=())
    async with gateway.tenant(tenant) as session:
        found = await session.scalars(text("SELECT id::text FROM conduit.event ORDER BY sequence"))
        identities = list(found)
        counted = await session.scalar(text("SELECT count(*) FROM conduit.usage"))
    await gateway.close()
    await auditor.close()
    assert verified.events == len(identities) == counted
    return identities


async def ship(roles: RoleSecrets, spool: Path) -> None:
    while True:
        try:
            store = await Store.open(roles.gateway_dsn, roles.claim_key)
        except Exception:
            await asyncio.sleep(0.05)
            continue
        await Shipper(store, spool).run(asyncio.Event())


def forked(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work())  # type: ignore[arg-type]
        finally:
            os._exit(1)
    return child


def killed(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def restart(server: EmbeddedPostgres) -> None:
    """SIGQUIT is PostgreSQL's immediate shutdown: no goodbye, recovery from the log at the next start."""
    if server.pid is not None:
        os.kill(server.pid, signal.SIGQUIT)
    server.stop()
    server.start()


def killed_while_recording(spool: Path, tenant: TenantId, *, after: int) -> list[str]:
    """What a recording process had acknowledged when it was killed, some time after ``after`` calls."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            record_for_ever(spool, tenant, sending)
        finally:
            os._exit(1)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        data = pipe.read(36 * after)
        killed(child)
        data += pipe.read()
    return [data[i : i + 36].decode() for i in range(0, len(data), 36)]


def record_for_ever(directory: Path, tenant: TenantId, acknowledge: int) -> None:
    spool = Spool(directory, "worker", bounds=BOUNDS)
    while True:
        event = {
            "schema": 1,
            "id": str(uuid7()),
            "at": "2026-11-24T08:00:00.000000Z",
            "kind": "call",
            "decision": "allow",
            "tenant_id": str(tenant),
            "input_tokens": 1,
        }
        spool.append({"type": "admitted", "event": event})
        os.write(acknowledge, event["id"].encode())
        spool.append_event({**event, "outcome": "finished"})
