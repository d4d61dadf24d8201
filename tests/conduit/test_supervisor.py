"""A whole instance, with tiny children in the places of the real ones: up, kept up, reloaded, down."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from conduit.key_provision import ensure_key
from conduit.settings import Settings
from store import tenants
from store.claim import Purpose
from store.door import Store
from store.migrate import upgrade
from tests.conduit.test_listeners import a_listen

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from conduit import child, supervisor
from conduit.errors import ConduitError
child.INHERITED = (*child.INHERITED, "PYTHONPATH")
supervisor.WORKER = supervisor.CONSOLE = supervisor.SHIPPER = supervisor.DUTIES = "tests.conduit.tiny_child"
try:
    supervisor.up(Path(sys.argv[1]), Path(sys.argv[2]), 1)
except ConduitError as error:
    sys.exit(str(error))
"""


def until[Value](look: Callable[[], Value]) -> Value:
    """What ``look`` finds, as soon as it finds something; the test's own time-out bounds it."""
    while not (found := look()):
        time.sleep(0.02)
    return found


class Instance:
    """``conduit up`` with tiny children, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.data, self.config, self.log = folder / "data", folder / "conduit.yaml", folder / "log"
        self.listen = a_listen()
        self.configure("drain_s: 5")

    def configure(self, line: str) -> None:
        self.config.write_text(f"listen: {self.listen.model_dump_json()}\n{line}\n")

    def start(self) -> "Instance":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(self.data), str(self.config)],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        return self

    def written(self, text: str, *, times: int = 1) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.log.read_text().count(text) >= times

    def serve(self) -> "Instance":
        self.start()
        until(lambda: self.written("APIConduit is up"))
        return self

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def children(self) -> dict[int, float]:
        """Of the tiny children that have ever run: process id and the drain that each was told."""
        seen = [json.loads(path.read_text()) for path in self.data.glob("*.json")]
        return {document["pid"]: document["drain_s"] for document in seen}

    def drained(self) -> set[int]:
        return {int(path.stem) for path in self.data.glob("*.ended")}


def left_running(folder: Path) -> list[str]:
    commands = [path.read_bytes().decode() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [command for command in commands if str(folder) in command]


@pytest.fixture
def instance(short_path: Path) -> Iterator[Instance]:
    instance = Instance(short_path)
    yield instance
    if instance.process.poll() is None:
        instance.stop()


def test_instance_comes_up_says_where_it_is_and_goes_down_in_order(instance: Instance) -> None:
    instance.serve()
    text = instance.log.read_text()
    console = f"http://{instance.listen.console}"
    for line in (f"http://{instance.listen.proxy}", f"curl -sS {console}/healthz/ready", "/setup?token="):
        assert line in text
    assert str(instance.data / "ca" / "ca.pem") in text
    assert stat.S_IMODE((instance.data / "vault" / "kek").stat().st_mode) == 0o600
    assert len(instance.children()) == 4
    assert instance.stop() == 0
    assert instance.drained() == instance.children().keys()
    assert left_running(instance.data) == []


def test_dead_worker_and_dead_database_are_replaced(instance: Instance) -> None:
    instance.serve()
    first = set(instance.children())
    os.kill(min(first), signal.SIGKILL)
    pid_file = instance.data / "postgres" / "cluster" / "postmaster.pid"
    os.kill(int(pid_file.read_text().split("\n")[0]), signal.SIGKILL)
    until(lambda: len(instance.children()) == 5)
    until(lambda: instance.written("EmbeddedPostgres had died and serves again"))
    psycopg.connect(EmbeddedPostgres(DataFolder(instance.data)).owner_url).close()
    assert instance.stop() == 0


def test_hangup_gives_new_settings_to_new_children_and_drains_the_old(instance: Instance) -> None:
    instance.serve()
    old = set(instance.children())
    instance.configure("drain_s: 7")
    instance.process.send_signal(signal.SIGHUP)
    until(lambda: sorted(instance.children().values()) == [5, 5, 5, 5, 7, 7, 7, 7])
    until(lambda: instance.drained() >= old)
    instance.configure("drian_s: 9")
    instance.process.send_signal(signal.SIGHUP)
    until(lambda: instance.written("drian_s: no such setting"))
    assert len(instance.children()) == 8
    assert instance.stop() == 0


def test_second_instance_and_one_stopped_while_it_starts(instance: Instance, short_path: Path) -> None:
    instance.start()
    until(lambda: (instance.data / "run" / "instance.lock").exists())
    second = Instance(short_path)
    assert until(lambda: instance.data.joinpath("postgres").exists())
    assert second.start().process.wait(60) == 1
    assert f"another instance (process {instance.process.pid})" in second.log.read_text()
    assert instance.stop() == 0
    assert left_running(instance.data) == []


async def test_lost_key_is_not_replaced_once_there_are_tenants(short_path: Path) -> None:
    folder = DataFolder(short_path / "data")
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        roles = upgrade(server.owner_url)
        await ensure_key(folder, Settings(), roles)
        key = folder.path / "vault" / "kek"
        assert key.exists()
        store = await Store.open(roles.console_dsn, roles.claim_key, pool_size=1)
        async with store.platform(Purpose.ADMINISTRATION) as session:
            await tenants.create(session, name="acme", region="eu")
        await store.close()
        key.unlink()
        await ensure_key(folder, Settings(), roles)
        assert not key.exists()
    finally:
        server.stop()
