"""``conduit backup``, ``conduit restore`` and ``conduit tenant delete``, as the operator runs them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conduit.instances import Program, running_store


@pytest.fixture
def program(short_path: Path) -> Iterator[Program]:
    with running_store(short_path / "old") as started:
        started.json("tenant", "create", "acme")
        add = ("credential", "add", "--tenant", "acme", "--provider", "openai", "--name", "main")
        started.json(*add, stdin="sk-real\n")
        yield started


def test_a_backup_comes_back_in_a_new_instance_with_the_same_key(program: Program, short_path: Path) -> None:
    archive = short_path / "acme.backup"
    assert program.json("backup", str(archive))["bytes"] > 0
    assert "there already" in program("backup", str(archive)).err
    assert "No such file or directory" in program("backup", str(short_path / "nowhere" / "x")).err
    new = Program(short_path / "new")
    assert new.json("restore", str(archive)) == {"restored": str(archive)}
    shutil.copytree(program.data / "vault", new.data / "vault", dirs_exist_ok=True)
    with running_store(new.data, with_key=False) as restored:
        rotate = ("credential", "rotate", "--tenant", "acme", "--name", "main")
        assert restored.json(*rotate, stdin="sk-next\n")["version"] == 2
    assert "holds tenants already" in new("restore", str(archive)).err


def test_restoring_needs_the_instance_to_stand_still(program: Program, short_path: Path) -> None:
    (short_path / "x").write_bytes(b"")
    refused = program("restore", str(short_path / "x"))
    assert refused.code == 1
    assert refused.err.count("\n") == 1


def test_a_tenant_is_deleted_when_it_is_meant(program: Program) -> None:
    assert "--yes" in program("tenant", "delete", "acme").err
    assert [tenant["name"] for tenant in program.json("tenant", "list")] == ["acme"]
    proof = program.json("tenant", "delete", "acme", "--yes")
    assert proof["rows_left"] == 0
    assert program("tenant", "delete", "acme", "--yes").code == 1
    acts = [event["action"] for event in program.json("audit", "list") if event["kind"] == "act"]
    assert {"tenant.delete.begin", "tenant.delete.finish"} <= set(acts)
    assert program("audit", "verify").code == 0
    assert program.json("tenant", "list") == []
