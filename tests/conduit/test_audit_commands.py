"""The record and the money of one tenant, asked of the real program on a real database."""

import asyncio
import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from policy.identifiers import TenantId
from store import chain
from store.claim import Purpose
from store.derived import record_derived
from store.door import Store
from store.roles import read_secrets
from tests.conduit.instances import Program, running_store
from tests.store.test_search import call, refused

FORMULA = '=HYPERLINK("http://attacker.example","pay")'
SINCE = ("--since", "2026-10-01")


@dataclass(frozen=True)
class Used:
    """A tenant that has called, and been refused, in November 2026."""

    program: Program
    tenant: str
    placeholder: str
    user: str

    def list(self, *filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.program.json("audit", "list", "--tenant", self.tenant, *filters)
        return found


@pytest.fixture(scope="module")
def used() -> Iterator[Used]:
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    with running_store(path / "var") as program:
        program.json("tenant", "create", "acme")
        alice = program.json("user", "create", "--tenant", "acme", "alice")
        add = ("credential", "add", "--tenant", "acme", "--provider", "openai", "--name", "main")
        program.json(*add, stdin="sk-key")
        issue = ("placeholder", "issue", "--tenant", "acme", "--user", "alice", "--credential", "main")
        placeholder = program.json(*issue)["id"]
        (tenant,) = program.json("tenant", "list")
        asyncio.run(happen(program, TenantId(UUID(tenant["id"])), alice["id"], placeholder))
        yield Used(program, "acme", placeholder, alice["id"])
    shutil.rmtree(path)


async def happen(program: Program, tenant: TenantId, user: str, placeholder: str) -> None:
    facts = {"user_id": user, "user": "alice", "placeholder_id": placeholder}
    events = [
        call(tenant, 0, **facts),
        call(tenant, 1, **facts, model=FORMULA, cost_micro_dollars=23),
        refused(tenant, 2, **facts, host="files.example"),
    ]
    secrets = read_secrets(EmbeddedPostgres(DataFolder(program.data)).owner_url)
    gateway = await Store.open(secrets.gateway_dsn, secrets.claim_key)
    async with gateway.platform(Purpose.SHIPPING) as session:
        await record_derived(session, tenant, events)
        await chain.append(session, events)
    await gateway.close()


def test_filters_narrow_the_list(used: Used) -> None:
    assert len(used.list("--user", "alice")) == 3
    assert [event["host"] for event in used.list("--decision", "deny")] == ["files.example"]
    assert len(used.list("--placeholder", used.placeholder, "--decision", "allow")) == 2
    assert len(used.list("--credential", "00000000-0000-0000-0000-000000000004", "--model", "gpt-5")) == 2
    assert used.list("--kind", "call", "--until", "2026-11-01") == []
    assert len(used.program.json("audit", "list", "--placeholder", used.placeholder)) == 3
    assert used.program("audit", "list", "--user", "alice").code == 2


def test_a_leaked_placeholder_is_traced_in_one_command(used: Used) -> None:
    found = used.program.json("audit", "trace", used.placeholder)
    assert (found["user"], found["credential"], found["events"], found["refused"]) == ("alice", "main", 3, 1)
    assert (found["requests"], found["cost_micro_dollars"]) == (2, 123)
    assert [item["value"] for item in found["hosts"]] == ["api.openai.com", "files.example"]
    assert found["first_at"].startswith("2026-11-01T00:00")
    assert "files.example" in used.program("audit", "trace", used.placeholder).out
    assert used.program("audit", "trace", used.user).code == 1


@pytest.mark.parametrize("kind", ["csv", "cef", "ocsf"])
def test_the_record_is_exported_for_other_systems(used: Used, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "record"
    export = ("audit", "export", "--tenant", "acme", "--format", kind, "--out", str(out))
    events = used.program.json(*export)["events"]
    lines = out.read_bytes().decode().splitlines()
    assert len(lines) == events + (kind == "csv")
    assert out.stat().st_mode & 0o777 == 0o600
    if kind == "ocsf":
        assert {json.loads(line)["class_uid"] for line in lines} == {3004, 6003}


def test_an_invoice_sums_up_and_runs_no_formula(used: Used) -> None:
    asked = ("invoice", "--tenant", "acme", "--month", "2026-11")
    found = used.program.json(*asked)
    assert found["cost_micro_dollars"] == sum(line["cost_micro_dollars"] for line in found["lines"]) == 123
    printed = used.program(*asked, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(printed.out, newline="")))
    assert {row["model"] for row in rows} == {"gpt-5", f"'{FORMULA}"}
    assert sum(int(row["cost_micro_dollars"]) for row in rows) == 123
    assert used.program.json("invoice", "--tenant", "acme", "--month", "2026-10")["lines"] == []
    assert used.program("invoice", "--tenant", "acme", "--month", "november").code == 2


@pytest.mark.parametrize(
    ("by", "subject"), [("user", "alice"), ("team", None), ("provider", None), ("placeholder", None)]
)
def test_usage_is_summed_by_what_is_asked(used: Used, by: str, subject: str | None) -> None:
    found = used.program.json("usage", "--tenant", "acme", "--by", by, *SINCE)
    (row,) = found[f"{by}s"]
    assert row[by] == (used.placeholder if by == "placeholder" else subject)
    assert (found["requests"], row["micro_dollars"], found["micro_dollars"]) == (2, 123, 123)


def test_usage_by_model_keeps_models_apart(used: Used) -> None:
    found = used.program.json("usage", "--tenant", "acme", "--by", "model", *SINCE)
    assert {row["model"]: row["micro_dollars"] for row in found["models"]} == {"gpt-5": 100, FORMULA: 23}
