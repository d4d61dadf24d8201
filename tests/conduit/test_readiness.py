"""What readiness looks at, each part well and unwell."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from conduit import readiness
from conduit.addresses import Address, parse_address
from conduit.readiness import checks
from console.health import Check, Unready
from store.door import Store
from store.errors import StoreError
from store.frames import Position
from store.spool import Spool
from store.spool_folder import announce
from store.valkey import connect
from tests.standins.product import free_port
from vault.kek import KeyDocument, LocalKeys
from vault.vault import Vault


@pytest.fixture
async def listener() -> AsyncIterator[Address]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield parse_address(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    client = connect(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def every(data: Path, listener: Address, store: Store, valkey: Redis) -> dict[str, Check]:
    vault = Vault(LocalKeys(KeyDocument.fresh()))
    return checks(data=data, listeners={"gateway": listener}, store=store, valkey=valkey, vault=vault)


async def test_a_whole_instance_is_ready(every: dict[str, Check]) -> None:
    for name, check in every.items():
        assert await check(), name


async def test_a_listener_that_nobody_serves_is_named(data: Path, store: Store, valkey: Redis) -> None:
    gone = {"gateway": parse_address(f"127.0.0.1:{free_port()}")}
    found = checks(data=data, listeners=gone, store=store, valkey=valkey, vault=Vault(None))
    with pytest.raises(Unready, match=r"listen\.gateway"):
        await found["workers"]()
    with pytest.raises(Unready, match="sealed"):
        await found["vault"]()


async def test_a_draining_instance_is_not_ready(data: Path, every: dict[str, Check]) -> None:
    (data / "run" / "draining").touch()
    with pytest.raises(Unready, match="draining"):
        await every["workers"]()


async def test_a_lost_valkey_is_noticed(data: Path, store: Store, tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/nobody")
    found = checks(data=data, listeners={}, store=store, valkey=client, vault=Vault(None))
    with pytest.raises((RedisError, OSError)):
        await found["valkey"]()


async def test_a_lost_database_is_noticed(every: dict[str, Check], store: Store) -> None:
    await store.close()
    store._engine.sync_engine.pool = store._engine.sync_engine.pool.recreate()
    store._engine.sync_engine.pool._creator = _refuse  # type: ignore[attr-defined]
    with pytest.raises(StoreError):
        await every["postgresql"]()


def _refuse(*_: object) -> None:
    raise OSError("nobody there")


async def test_a_missing_or_nearly_full_spool_is_not_ready(
    data: Path, every: dict[str, Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "SPOOL_FREE_BYTES_MIN", 2**62)
    with pytest.raises(Unready, match="nearly full"):
        await every["spool"]()
    (data / "spool").rmdir()
    with pytest.raises(Unready, match="cannot be written"):
        await every["spool"]()


@pytest.mark.parametrize(
    ("age", "held", "why"),
    [(timedelta(0), False, "not kept apart"), (timedelta(hours=1), True, "not tried lately")],
)
async def test_isolation_that_did_not_hold_or_was_not_tried_is_not_ready(
    data: Path, every: dict[str, Check], age: timedelta, held: bool, why: str
) -> None:
    path = data / "run" / "isolation.json"
    path.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "held": True, "probes": 2}))
    assert await every["isolation"]() == "tenants are kept apart"
    path.write_text(json.dumps({"at": (datetime.now(UTC) - age).isoformat(), "held": held, "probes": 2}))
    with pytest.raises(Unready, match=why):
        await every["isolation"]()


async def test_back_pressure_shows_before_calls_are_refused(
    every: dict[str, Check], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that no shipper takes: the sentence says how many bytes, and over the bound it is not ready."""
    spool = Spool(data / "spool", "worker")
    spool.append_event({"id": "x" * 500})
    waits = int((await every["spool"]()).split(", ")[1].split()[0])
    assert waits > 500
    monkeypatch.setattr("conduit.readiness.SPOOL_WAITING_MAX", waits - 1)
    with pytest.raises(Unready, match="wait for the database"):
        await every["spool"]()
    announce(spool.directory, Position(1, waits))
    assert "0 bytes wait" in await every["spool"]()
    spool.close()
