"""Valkey away, hung, restarted, failing over or lying: calls are refused at once, and nothing stays held."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_valkey import EmbeddedValkey
from policy.limits import Granted, Limit, Refused
from policy.money import MicroDollars
from store.limiter import Limiter, LimiterUnavailable
from store.limiter_plan import keys_of
from tests.store.limiting import Tenant


@pytest.fixture
def server(short_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey that the test may hurt."""
    server = EmbeddedValkey(DataFolder(short_path))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def tenant(server: EmbeddedValkey) -> AsyncIterator[Tenant]:
    tenant = Tenant(server.url)
    yield tenant
    await tenant.close()


async def until_granted(tenant: Tenant, limit: Limit, limiter: Limiter, **asked: int) -> Granted:
    """Ask as a client would, again and again, until Valkey is back."""
    while True:
        try:
            answer = await limiter.reserve(tenant.demand(limit, **asked))
        except LimiterUnavailable:
            await asyncio.sleep(0.02)
            continue
        if isinstance(answer, Granted):
            return answer
        await asyncio.sleep(0.02)


async def test_a_hung_valkey_refuses_at_once_and_leaks_nothing(
    server: EmbeddedValkey, tenant: Tenant
) -> None:
    limiter = Limiter(tenant.client, used=tenant.usage, timeout_s=0.05)
    limit = tenant.concurrent(1)
    first = await until_granted(tenant, limit, limiter)
    await limiter.release(first.reservation)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for _ in range(20):
            with pytest.raises(LimiterUnavailable):
                await limiter.reserve(tenant.demand(limit))
        assert not limiter.available
    finally:
        os.kill(server.pid, signal.SIGCONT)
    second = await until_granted(tenant, limit, limiter)
    assert limiter.available
    assert isinstance(await until_refused(tenant, limit, limiter), Refused)
    await limiter.release(second.reservation)
    assert await limiter.drain(within_s=10)
    await until_granted(tenant, limit, limiter)


async def until_refused(tenant: Tenant, limit: Limit, limiter: Limiter) -> Refused:
    while True:
        try:
            answer = await limiter.reserve(tenant.demand(limit))
        except LimiterUnavailable:
            continue
        assert isinstance(answer, Refused)
        return answer


async def test_a_call_that_is_given_up_while_it_reserves_holds_nothing(
    server: EmbeddedValkey, tenant: Tenant
) -> None:
    limit = tenant.concurrent(1)
    first = await until_granted(tenant, limit, tenant.limiter)
    await tenant.limiter.release(first.reservation)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    asking = asyncio.create_task(tenant.limiter.reserve(tenant.demand(limit)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    os.kill(server.pid, signal.SIGCONT)
    assert await tenant.limiter.drain(within_s=10)
    await until_granted(tenant, limit, tenant.limiter)


async def test_a_killed_valkey_comes_back_with_what_was_spent(server: EmbeddedValkey, tenant: Tenant) -> None:
    limit = tenant.budget(100)
    granted = await until_granted(tenant, limit, tenant.limiter, cost=60)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(LimiterUnavailable):
        await tenant.limiter.reserve(tenant.demand(limit, cost=1))
    settling = tenant.limiter.settle(granted.reservation, tokens=0, cost=MicroDollars(60))
    server.stop()
    server.start()
    assert (await settling).overshoot_cost == 0
    await until_granted(tenant, limit, tenant.limiter, cost=40)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(limit, cost=1)), Refused)


async def test_a_flushed_script_is_loaded_again(tenant: Tenant) -> None:
    for _ in range(2):
        await tenant.client.script_flush()
        assert isinstance(await tenant.limiter.reserve(tenant.demand(tenant.requests(5))), Granted)


Hurt = Callable[[Tenant], Awaitable[object]]


@pytest.mark.parametrize(
    ("hurt", "mend"),
    [
        pytest.param(
            lambda tenant: tenant.client.config_set("maxmemory", "1"),
            lambda tenant: tenant.client.config_set("maxmemory", "0"),
            id="out of memory",
        ),
        pytest.param(
            lambda tenant: tenant.client.execute_command("REPLICAOF", "127.0.0.1", "1"),
            lambda tenant: tenant.client.execute_command("REPLICAOF", "NO", "ONE"),
            id="read-only replica",
        ),
    ],
)
async def test_a_valkey_that_may_not_write_refuses_and_nothing_is_half_done(
    tenant: Tenant, hurt: Hurt, mend: Hurt
) -> None:
    limits = (tenant.concurrent(1), tenant.budget(100))
    warm = tenant.demand(*limits, cost=100)
    await tenant.limiter.reserve(warm)
    await tenant.limiter.release(warm.reservation)
    before = await tenant.client.hgetall(keys_of(tenant.id)[0])
    await hurt(tenant)
    with pytest.raises(LimiterUnavailable):
        await tenant.limiter.reserve(tenant.demand(*limits, cost=100))
    after = await tenant.client.hgetall(keys_of(tenant.id)[0])
    await mend(tenant)
    assert {**after, b"clock": None} == {**before, b"clock": None}
    assert await tenant.limiter.drain(within_s=10)
    assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, cost=100)), Granted)


@asynccontextmanager
async def answering(path: Path, reply: bytes) -> AsyncIterator[str]:
    """A server that greets well and then gives every script the same answer, and the URL of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            for command in re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Z]+)", data):
                writer.write(reply if command.startswith(b"EVAL") else b"+OK\r\n")
        writer.close()

    async with await asyncio.start_unix_server(serve, path / "s") as server:
        yield f"unix://{path / 's'}"
        server.close_clients()


@pytest.mark.parametrize(
    "reply",
    [
        b"-LOADING Valkey is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-BUSY Valkey is busy running a script.\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-NOSCRIPT No matching script.\r\n",
        b"$-1\r\n",
        b"*0\r\n",
        b":1\r\n",
        b"+OK\r\n",
        b"$0\r\n\r\n",
        b"$1\r\n1\r\n",
        b"$3\r\n1 1\r\n",
        b"$17\r\n1 1 1 1 1 1 1 1 x\r\n",
        b"$17\r\n7 1 1 1 1 1 1 1 1\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_an_answer_that_grants_nothing_is_an_outage(short_path: Path, reply: bytes) -> None:
    async with answering(short_path, reply) as url:
        tenant = Tenant(url)
        with pytest.raises(LimiterUnavailable):
            await tenant.limiter.reserve(tenant.demand(tenant.requests(5)))
        await tenant.close()


async def test_a_server_that_never_answers_is_an_outage(short_path: Path) -> None:
    async with answering(short_path, b"") as url:
        tenant = Tenant(url)
        limiter = Limiter(tenant.client, used=tenant.usage, timeout_s=0.05)
        for _ in range(5):
            with pytest.raises(LimiterUnavailable):
                await limiter.reserve(tenant.demand(tenant.requests(5)))
        assert not limiter.available
        await tenant.close()


async def test_a_server_that_is_not_there_is_an_outage(short_path: Path) -> None:
    tenant = Tenant(f"unix://{short_path / 'nothing'}")
    with pytest.raises(LimiterUnavailable):
        await tenant.limiter.reserve(tenant.demand(tenant.requests(5)))
    await tenant.close()
