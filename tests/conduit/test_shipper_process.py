"""The shipper's process: ships and signs what lies in the spool, ends in good order, one at a time."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from uuid_utils.compat import uuid7

from conduit.boot import Boot
from conduit.settings import Settings
from store.checkpoint import pinned_keys
from store.migrate import upgrade
from store.roles import RoleSecrets
from store.spool import Spool
from store.witness import HeldCheckpoints


@pytest.fixture(scope="session")
def roles(postgres_url: str) -> RoleSecrets:
    return upgrade(postgres_url)


@contextmanager
def shipper(roles: RoleSecrets, data: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has said that it is ready; killed at the end if it still runs."""
    boot = Boot(
        process="shipper",
        number=0,
        parent=os.getpid(),
        data=data,
        settings=Settings(),
        dsn=roles.gateway_dsn,
        claim_key=roles.claim_key,
        redis_url="",
    )
    process = subprocess.Popen(
        [sys.executable, "-O", "-P", "-m", "conduit.shipper_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes")
        process.stdin.write(boot.model_dump_json())
        process.stdin.close()
        assert process.stdout.readline().startswith('{"ready": true')
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def record(data: Path) -> str:
    """One event of the platform, by a writer that is gone at once."""
    spool = Spool(data / "spool", "worker-0")
    event = {"schema": 1, "id": str(uuid7()), "at": "2026-11-24T08:00:00.000000Z", "kind": "incident"}
    spool.append_event(event)
    spool.close()
    return str(event["id"])


async def until_gone(data: Path) -> None:
    """A writer's directory is removed when all of it is in the database."""
    async with asyncio.timeout(30):
        while [path for path in (data / "spool").iterdir() if not path.name.startswith(".")]:
            await asyncio.sleep(0.01)


def is_recorded(url: str, identity: str) -> bool:
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE conduit_owner")
        connection.execute("ALTER TABLE conduit.event NO FORCE ROW LEVEL SECURITY")
        found = connection.execute("SELECT FROM conduit.event WHERE id = %s", [identity]).rowcount
        connection.execute("ALTER TABLE conduit.event FORCE ROW LEVEL SECURITY")
    return found == 1


async def test_ships_signs_and_ends(roles: RoleSecrets, tmp_path: Path, postgres_url: str) -> None:
    identity = record(tmp_path)
    with shipper(roles, tmp_path) as process:
        await until_gone(tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert is_recorded(postgres_url, identity)
    audit = tmp_path / "audit"
    assert HeldCheckpoints(audit / "held", pinned_keys(audit / "checkpoint.pub")).every()


async def test_a_successor_waits_for_its_turn_and_takes_it(roles: RoleSecrets, tmp_path: Path) -> None:
    with shipper(roles, tmp_path) as first, shipper(roles, tmp_path):
        record(tmp_path)
        await until_gone(tmp_path)
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        record(tmp_path)
        await until_gone(tmp_path)


async def test_one_that_never_got_its_turn_ends_too(roles: RoleSecrets, tmp_path: Path) -> None:
    with shipper(roles, tmp_path), shipper(roles, tmp_path) as second:
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0


async def test_starts_without_a_database(tmp_path: Path) -> None:
    nowhere = RoleSecrets(f"host={tmp_path} dbname=conduit user=nobody", "", "", bytes(32))
    with shipper(nowhere, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
