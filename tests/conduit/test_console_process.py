"""The console as its own process: it answers, holds no secret in the open, and ends when told."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from conduit.addresses import Address
from conduit.boot import Boot
from conduit.child import Child
from conduit.errors import ChildFailed
from conduit.settings import Listen, Settings
from store.roles import RoleSecrets
from tests.standins.product import free_port
from vault import key_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def boot(tmp_path: Path, role_secrets: RoleSecrets, valkey_url: str) -> Boot:
    for folder in ("spool", "run", "run/metrics", "vault"):
        (tmp_path / folder).mkdir(mode=0o700)
    key_file.create(tmp_path / "vault" / "kek")
    console = Address(f"127.0.0.1:{free_port()}")
    return Boot(
        process="console",
        number=0,
        parent=os.getpid(),
        data=tmp_path,
        settings=Settings(listen=Listen(console=console)),
        dsn=role_secrets.console_dsn,
        claim_key=role_secrets.claim_key,
        redis_url=valkey_url,
    )


async def start(boot: Boot) -> Child:
    environment = {"PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(boot.data / "run" / "metrics")}
    return await Child.start("conduit.console_process", boot, environment)


@pytest.fixture
async def child(boot: Boot) -> AsyncIterator[Child]:
    started = await start(boot)
    yield started
    await started.stop(0)


async def test_it_answers_when_it_says_so_and_ends_in_good_order(boot: Boot, child: Child) -> None:
    origin = f"http://{boot.settings.listen.console}"
    async with httpx.AsyncClient(base_url=origin, trust_env=False) as client:
        assert (await client.get("/healthz/live")).status_code == 200
        assert (await client.get("/sign-in")).status_code == 200
        ready = await client.get("/healthz/ready")
        assert ready.json()["checks"]["postgresql"]["ok"] is True
        assert "conduit_ready" in (await client.get("/metrics")).text
    await child.stop(20)
    assert await child.ended() == 0


async def test_no_secret_stands_in_arguments_or_environment(boot: Boot, child: Child) -> None:
    process = Path(f"/proc/{child.pid}")
    seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"console_process" in seen
    for secret in (boot.dsn, boot.claim_key.hex(), boot.redis_url):
        assert secret.encode() not in seen


async def test_a_place_that_is_taken_is_an_error(boot: Boot, child: Child) -> None:
    with pytest.raises(ChildFailed):
        await start(boot)
