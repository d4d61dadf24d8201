"""kill -9 of workers under load: nothing stays held after one lease, and both books have the same sum.

The product's own workers are killed ``CONDUIT_TEST_WORKER_KILLS`` times (100 take a quarter of an hour);
without it that is left out, and processes that do what a worker does with money are killed instead.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from conduit.embedded_valkey import EmbeddedValkey
from policy.identifiers import TenantId
from store.door import Store
from store.limiter import Limiter
from store.limiter_rebuild import reconcile, used_from
from store.migrate import upgrade
from store.roles import RoleSecrets, read_secrets
from store.shipper import Shipper
from store.usage import Grouping, totals
from store.valkey import connect
from tests.faults.books import books
from tests.faults.spending_worker import AGES_AGO, AGES_AHEAD, PATIENCE_S, budget_of
from tests.faults.test_lost_parts import processes, running, until
from tests.faults.test_record_survives_kills import a_tenant
from tests.standins.office import Office
from tests.standins.recordings import load

KILLS = int(os.environ.get("CONDUIT_TEST_KILLS", "6"))
WORKER_KILLS = int(os.environ.get("CONDUIT_TEST_WORKER_KILLS", "0"))
CALLERS = 6


@asynccontextmanager
async def at_the_books(roles: RoleSecrets, valkey_url: str) -> AsyncIterator[tuple[Store, Store, Limiter]]:
    """The stores of a worker and of the console, and a limiter that reads the usage rows."""
    gateway = await Store.open(roles.gateway_dsn, roles.claim_key)
    console = await Store.open(roles.console_dsn, roles.claim_key)
    yield gateway, console, Limiter(connect(valkey_url), used=used_from(gateway), timeout_s=PATIENCE_S)
    await gateway.close()
    await console.close()


async def summed(store: Store, tenant: TenantId) -> int:
    """PostgreSQL's sum, in micro-dollars."""
    async with store.tenant(tenant) as session:
        found = await totals(session, since=AGES_AGO, until=AGES_AHEAD, grouping=Grouping.TENANT)
    return sum(row.cost_micro_dollars for row in found)


@pytest.mark.timeout(60 + 5 * KILLS)
def test_killed_spenders_leak_nothing_and_the_books_agree(short_path: Path) -> None:
    chance, folder = random.Random(5), DataFolder(short_path)
    database, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
    database.start()
    valkey.start()
    try:
        roles = upgrade(database.owner_url)
        tenant = asyncio.run(a_tenant(roles))
        spool, calls = short_path / "spool", 0
        for _ in range(KILLS):
            calls += killed_while_spending(spool, tenant, valkey.url, after=chance.randrange(1, 60))
        in_rows, before, after = asyncio.run(balance(roles, valkey.url, tenant, spool))
    finally:
        valkey.stop()
        database.stop()
    print(f"{KILLS} kills, {calls} calls: rows {in_rows}, Valkey {before} then {after} micro-dollars")
    assert before <= in_rows == after > 0


async def balance(roles: RoleSecrets, valkey_url: str, tenant: TenantId, spool: Path) -> tuple[int, int, int]:
    """PostgreSQL's sum, and Valkey's before and after it was reconciled, once the last lease is over."""
    async with at_the_books(roles, valkey_url) as (gateway, _, limiter):
        while await Shipper(gateway, spool).ship_once():
            pass
        async with asyncio.timeout(30):
            while books(valkey_url, tenant)[1]:
                await limiter.reap(tenant)
                await asyncio.sleep(0.05)
        before, _ = books(valkey_url, tenant)
        await limiter.reconcile(tenant, (budget_of(tenant),), ZoneInfo("UTC"))
        return await summed(gateway, tenant), before, books(valkey_url, tenant)[0]


async def balance_of_product(roles: RoleSecrets, valkey_url: str, tenant: TenantId) -> tuple[int, int, int]:
    """The same of a running instance, which ships and reaps by itself."""
    async with at_the_books(roles, valkey_url) as (gateway, console, limiter):
        before, _ = books(valkey_url, tenant)
        await reconcile(console, limiter, tenant, ZoneInfo("UTC"))
        return await summed(gateway, tenant), before, books(valkey_url, tenant)[0]


def killed_while_spending(spool: Path, tenant: TenantId, valkey_url: str, *, after: int) -> int:
    """How many calls a process had begun when it was killed."""
    order = json.dumps({"spool": str(spool), "tenant": str(tenant), "url": valkey_url})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.spending_worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(order.encode() + b"\n")
    process.stdin.flush()
    begun = len(process.stdout.read(after))
    process.kill()
    process.wait()
    return begun + len(process.stdout.read())


@pytest.mark.timeout(60 + 30 * WORKER_KILLS)
@pytest.mark.skipif(not WORKER_KILLS, reason="CONDUIT_TEST_WORKER_KILLS says how many")
def test_killed_workers_of_the_product_leak_nothing_and_the_books_agree(tmp_path: Path) -> None:
    with running(tmp_path, workers=4) as office:
        tenant = ("--tenant", office.tenant)
        office.product.cli("limit", "set", *tenant, "--budget-usd", "1000000", "--window", "month")
        office.in_force()
        answers = killed_under_load(office)
        folder = DataFolder(office.product.data)
        roles = read_secrets(EmbeddedPostgres(folder).owner_url)
        identity = TenantId(UUID(next(iter(office.product.cli("tenant", "list")))["id"]))
        valkey_url = EmbeddedValkey(folder).url
        began = time.monotonic()
        until(lambda: books(valkey_url, identity)[1] == 0, "still held", timeout_s=150)
        free_s = time.monotonic() - began
        until(lambda: not pending(office), "not shipped", timeout_s=60)
        in_rows, before, after = asyncio.run(balance_of_product(roles, valkey_url, identity))
    print(
        f"{WORKER_KILLS} kills under load, {answers} answers; nothing held after {free_s:.0f} s;"
        f" rows {in_rows}, Valkey {before}, after reconciliation {after} micro-dollars"
    )
    assert before <= in_rows == after > 0


def pending(office: Office) -> bool:
    """Whether calls that were let go are not in the usage yet."""
    first = office.product.cli("usage", "--tenant", office.tenant)["requests"]
    time.sleep(1)
    return bool(office.product.cli("usage", "--tenant", office.tenant)["requests"] != first)


def killed_under_load(office: Office) -> int:
    """Kill a worker again and again while callers call; the number of complete answers."""
    chance, stop, answered = random.Random(9), threading.Event(), [0] * CALLERS
    callers = [
        threading.Thread(target=keep_calling, args=(office, stop, answered, number))
        for number in range(CALLERS)
    ]
    for caller in callers:
        caller.start()
    try:
        for _ in range(WORKER_KILLS):
            time.sleep(chance.random())
            # A worker that dies at once is started again after a pause, so some others go on meanwhile.
            until(lambda: len(processes(office, "conduit.worker")) > 1, "no second worker", timeout_s=90)
            os.kill(chance.choice(processes(office, "conduit.worker")), signal.SIGKILL)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    return sum(answered)


def keep_calling(office: Office, stop: threading.Event, answered: list[int], number: int) -> None:
    recording = load("openai-chat-stream" if number % 2 else "openai-chat")
    url = f"{office.product.url('gateway')}/openai/v1/chat/completions"
    headers = {"authorization": f"Bearer {office.placeholders['openai']}"}
    while not stop.is_set():
        try:
            answer = httpx.post(url, json=recording.request, headers=headers, trust_env=False, timeout=10)
        except httpx.TransportError:
            continue
        answered[number] += answer.status_code == 200
