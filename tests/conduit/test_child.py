"""How children are started, kept, replaced and ended."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conduit.boot import Boot, receive
from conduit.child import Keeper
from conduit.errors import ChildFailed
from conduit.settings import Settings
from tests.conduit.tiny_child import BEHAVES, DIES_AT_ONCE, IGNORES_SIGTERM

ROOT = Path(__file__).parents[2]
CLAIM_KEY = b"\x00\xff" * 16


def a_boot(data: Path, *, number: int = BEHAVES, settings: Settings | None = None) -> Boot:
    return Boot(
        process="tiny",
        number=number,
        parent=os.getpid(),
        data=data,
        settings=settings or Settings(),
        dsn="postgresql://role:canary-dsn@/conduit",
        claim_key=CLAIM_KEY,
        redis_url="unix://:canary-redis@/socket",
        environment={"KEY_SOURCE": "canary-kek"},
    )


class Place:
    """A keeper of tiny children in a folder, and what they said of themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = BEHAVES
        self.settings = Settings()
        self.ended: list[int] = []
        self.keeper = Keeper(
            "tests.conduit.tiny_child",
            lambda: a_boot(folder, number=self.number, settings=self.settings),
            {"PYTHONPATH": str(ROOT)},
            ended=self.ended.append,
        )

    def seen(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / f"{self.keeper.pid}.json").read_text())
        return document

    def drained(self, pid: int | None) -> bool:
        return (self.folder / f"{pid}.ended").exists()

    async def another_than(self, pid: int | None) -> int:
        while self.keeper.pid == pid or self.keeper.pid is None:
            await asyncio.sleep(0.01)
        return self.keeper.pid


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.keeper.kill()


async def test_child_is_told_everything_on_standard_input_and_nothing_elsewhere(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUIT_DATABASE__URL", "postgresql://canary-environment")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    await place.keeper.start()
    seen = place.seen()
    assert bytes.fromhex(seen["claim_key"]) == CLAIM_KEY
    assert seen["environment"]["KEY_SOURCE"] == "canary-kek"
    started = Path(f"/proc/{place.keeper.pid}/environ").read_text() + " ".join(seen["argv"])
    assert "canary" not in started
    assert "PROXY" not in started
    assert seen["optimised"]
    assert seen["core"] == [0, 0]


async def test_document_does_not_show_what_is_secret() -> None:
    assert "canary" not in repr(a_boot(Path("/data")))


def test_document_that_is_none_is_refused_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text('{"dsn": "canary"}')
    with (tmp_path / "boot").open() as source, pytest.raises(ChildFailed) as refusal:
        receive(source)
    assert "canary" not in str(refusal.value)
    assert "claim_key" in str(refusal.value)


async def test_child_that_dies_before_it_is_ready_fails_the_start(place: Place) -> None:
    place.number = DIES_AT_ONCE
    with pytest.raises(ChildFailed, match="ended with 3"):
        await place.keeper.start()


async def test_dead_child_is_replaced(place: Place) -> None:
    await place.keeper.start()
    first = place.keeper.pid
    keeping = asyncio.create_task(place.keeper.keep())
    os.kill(first or 0, signal.SIGKILL)
    second = await place.another_than(first)
    assert place.ended == [first]
    await place.keeper.stop(5)
    await keeping
    assert place.drained(second)
    assert place.keeper.pid == second, "a child that was told to stop is not replaced"


async def test_child_that_keeps_dying_is_tried_again_until_it_lives(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conduit.child.BACKOFF_FIRST_S", 0.01)
    await place.keeper.start()
    first = place.keeper.pid
    place.number = DIES_AT_ONCE
    keeping = asyncio.create_task(place.keeper.keep())
    os.kill(first or 0, signal.SIGKILL)
    while not place.ended:
        await asyncio.sleep(0.01)
    place.number = BEHAVES
    await place.another_than(first)
    await place.keeper.stop(5)
    await keeping


async def test_replacement_serves_before_its_forerunner_drains(place: Place) -> None:
    await place.keeper.start()
    first = place.keeper.pid
    place.settings = Settings(drain_s=7)
    await place.keeper.replace(5)
    assert place.keeper.pid != first
    assert place.seen()["drain_s"] == 7
    await place.keeper.stop(5)
    assert place.drained(first)
    assert place.drained(place.keeper.pid)


async def test_replacement_that_fails_leaves_the_old_one_in_place(place: Place) -> None:
    await place.keeper.start()
    first = place.keeper.pid
    place.number = DIES_AT_ONCE
    with pytest.raises(ChildFailed):
        await place.keeper.replace(5)
    assert place.keeper.pid == first
    assert not place.drained(first)


async def test_child_that_does_not_end_is_killed_after_its_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conduit.child.END_MARGIN_S", 0.1)
    place.number = IGNORES_SIGTERM
    await place.keeper.start()
    await place.keeper.stop(0.1)
    assert not place.drained(place.keeper.pid)
    with pytest.raises(ProcessLookupError):
        os.kill(place.keeper.pid or 0, 0)


def test_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.conduit.test_child import Place\n"
        "async def run():\n"
        "    place = Place(Path(sys.argv[1]))\n"
        "    await place.keeper.start()\n"
        "    print(place.keeper.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert select.select([descriptor], [], [], 30)[0]
    os.close(descriptor)
