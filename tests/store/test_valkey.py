"""The limiter on one server, behind Sentinels and on a cluster, by its URL alone."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from redis.asyncio import Redis

from conduit.embedded_valkey import _program
from policy.identifiers import ExchangeId
from policy.limits import Demand, Granted, LimitKind, LimitScope, Refused, Window
from policy.money import MicroDollars
from store.limiter import LimiterUnavailable
from store.valkey import InvalidAddress, connect
from store.valkey_batches import Batches
from tests.store.limiting import Tenant


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, configuration: str, *arguments: str, password: str | None = None) -> Iterator[int]:
    """A server with this configuration on a port of its own, which is given."""
    port = free_port()
    folder.mkdir()
    file = folder / "valkey.conf"
    file.write_text(f"bind 127.0.0.1\nport {port}\ndir {folder}\n{configuration}", encoding="utf-8")
    process = subprocess.Popen([_program(), str(file), *arguments], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, password=password) as client:
            until(lambda: client.ping())
        yield port
    finally:
        process.kill()
        process.wait()


def until(answers: object) -> None:
    """Ask again until the server answers what it should."""
    while True:
        try:
            if answers():  # type: ignore[operator]
                return
        except redis.RedisError:
            continue


@pytest.fixture
def cluster(short_path: Path) -> Iterator[str]:
    """Two nodes, each with half of the slots."""
    # Without a bus port of its own a node takes its port plus 10,000, which may be none.
    configuration = "cluster-enabled yes\ncluster-node-timeout 2000\nappendonly no\ncluster-port {}\n"
    with (
        running(short_path / "a", configuration.format(free_port())) as first,
        running(short_path / "b", configuration.format(bus := free_port())) as second,
        redis.Redis(port=first) as a,
        redis.Redis(port=second) as b,
    ):
        a.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        b.execute_command("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        a.execute_command("CLUSTER", "MEET", "127.0.0.1", second, bus)
        for node in (a, b):
            until(lambda node=node: b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO"))
        yield f"redis+cluster://127.0.0.1:{first}"


@pytest.fixture
def sentinel(short_path: Path) -> Iterator[str]:
    """A primary with a password and the Sentinel that watches it."""
    with running(short_path / "primary", "requirepass open:sesame\n", password="open:sesame") as primary:
        watching = f"sentinel monitor limits 127.0.0.1 {primary} 1\nsentinel auth-pass limits open:sesame\n"
        with running(short_path / "sentinel", watching, "--sentinel") as port:
            yield f"redis+sentinel://:open%3Asesame@127.0.0.1:{port}/limits"


@pytest.fixture
def single(valkey_url: str) -> str:
    return valkey_url


@pytest.fixture(params=["single", "sentinel", "cluster"])
async def tenants(request: pytest.FixtureRequest) -> AsyncIterator[list[Tenant]]:
    """Several tenants of one installation, which a cluster spreads over its nodes."""
    url = request.getfixturevalue(request.param)
    tenants = [Tenant(url) for _ in range(8)]
    yield tenants
    for tenant in tenants:
        await tenant.close()


async def test_the_limiter_holds_wherever_its_state_stands(tenants: list[Tenant]) -> None:
    for tenant in tenants:
        rolling = replace(tenant.budget(100, window=Window.ROLLING), hours=24)
        counted = tenant.limit(LimitKind.TOKENS, 500, LimitScope.TEAM, Window.WEEK)
        limits = (rolling, tenant.budget(100), tenant.concurrent(1), tenant.requests(50), counted)
        first = tenant.demand(*limits, tokens=10, cost=60)
        assert isinstance(await tenant.limiter.reserve(first), Granted)
        assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, cost=1)), Refused)
        await tenant.limiter.settle(first.reservation, tokens=10, cost=MicroDollars(60))
        assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, cost=41)), Refused)
        assert isinstance(await tenant.limiter.reserve(tenant.demand(*limits, cost=40)), Granted)
        await tenant.limiter.reconcile(tenant.id, limits, tenant.demand().zone)


async def test_a_replica_that_takes_over_keeps_what_was_used(short_path: Path) -> None:
    with running(short_path / "primary", "") as primary:
        following = f"replicaof 127.0.0.1 {primary}\nrepl-diskless-sync-delay 0\n"
        watching = (
            f"sentinel monitor limits 127.0.0.1 {primary} 1\nsentinel down-after-milliseconds limits 300\n"
            "sentinel failover-timeout limits 2000\n"
        )
        with (
            running(short_path / "replica", following) as replica,
            running(short_path / "sentinel", watching, "--sentinel") as port,
            redis.Redis(port=primary) as first,
            redis.Redis(port=port) as sentinel,
        ):
            until(lambda: first.info("replication")["connected_slaves"] == 1)
            until(lambda: sentinel.execute_command("SENTINEL", "REPLICAS", "limits"))
            tenant = Tenant(f"redis+sentinel://127.0.0.1:{port}/limits")
            limits = (tenant.budget(100), replace(tenant.budget(100, window=Window.ROLLING), hours=24))
            demand = tenant.demand(*limits, cost=60)
            await tenant.limiter.reserve(demand)
            await tenant.limiter.settle(demand.reservation, tokens=0, cost=MicroDollars(60))
            until(lambda: first.wait(1, 1000) == 1)
            os.kill(first.info("server")["process_id"], signal.SIGKILL)
            with redis.Redis(port=replica) as second:
                until(lambda: second.info("replication")["role"] == "master")
            over, fitting = (tenant.demand(*limits, cost=cost) for cost in (41, 40))
            assert isinstance(await once_back(tenant, over), Refused)
            assert isinstance(await once_back(tenant, fitting), Granted)
            await tenant.close()


async def once_back(tenant: Tenant, demand: Demand) -> Granted | Refused:
    """Ask until the limiter has found the new primary; what is not answered holds nothing."""
    while True:
        try:
            return await tenant.limiter.reserve(replace(demand, reservation=ExchangeId(uuid4())))
        except LimiterUnavailable:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "memcached+cluster://127.0.0.1",
        "redis+elsewhere://127.0.0.1",
        "redis+sentinel://127.0.0.1:26379",
        "redis+cluster://:secret@127.0.0.1:many",
        "redis+cluster://",
    ],
)
def test_a_url_that_names_no_valkey_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        connect(url)
    assert "secret" not in str(refused.value)


def test_credentials_and_tls_of_several_hosts_are_read() -> None:
    client = connect("rediss+sentinel://limits:p%40ss@one:1,two/main")
    assert isinstance(client, Redis)
    options = client.connection_pool.connection_kwargs
    assert (options["username"], options["password"]) == ("limits", "p@ss")
    assert client.connection_pool.connection_class.__name__ == "SentinelManagedSSLConnection"


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(InvalidAddress, match="redis\\+cluster"):
        connect("redis+elsewhere://127.0.0.1")


async def test_commands_go_on_after_some_that_failed_at_once(tmp_path: Path) -> None:
    """A refused connection ends a sending without its ever having waited, also where tasks are eager."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    client = connect(f"unix://{tmp_path}/nobody.sock")
    assert isinstance(client, Redis)
    batches = Batches(client)
    for _ in range(3):
        async with asyncio.timeout(5):
            with pytest.raises(redis.ConnectionError):
                await batches.execute_command("PING")
