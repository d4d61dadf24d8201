"""Periods and holds, asked of the real program on a real database."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from store.checkpoint import signing_key
from store.checkpointer import Checkpointer
from store.door import Store
from store.roles import read_secrets
from store.witness import HeldCheckpoints
from store.witness_bucket import BucketWitness
from tests.conduit.instances import Program, running_store
from tests.standins.buckets import ACCESS, REGION, cloud, locked_bucket

NO_LEAST = {"CONDUIT_AUDIT__RETENTION_DAYS_MIN": "0"}


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    with running_store(path / "var") as running:
        running.json("tenant", "create", "acme")
        yield running
    shutil.rmtree(path)


async def sign(program: Program) -> None:
    """A round of checkpoints, as the shipper's process signs them."""
    from conduit.data_folder import DataFolder
    from conduit.embedded_postgres import EmbeddedPostgres

    secrets = read_secrets(EmbeddedPostgres(DataFolder(program.data)).owner_url)
    gateway = await Store.open(secrets.gateway_dsn, secrets.claim_key)
    key = signing_key(program.data / "audit")
    held = HeldCheckpoints(program.data / "audit" / "held", (key.verifier,))
    await Checkpointer(gateway, key, held).sign_once()
    await gateway.close()


def test_a_period_is_stated_shown_and_bounded_by_the_operator(program: Program) -> None:
    stated = program.json("retention", "set", "--tenant", "acme", "--days", "400", "--content-days", "30")
    assert (stated["event_days"], stated["content_days"]) == (400, 30)
    program.json("retention", "set", "--tenant", "acme", "--days", "forever")
    (shown,) = program.json("retention", "show")
    assert (shown["event_days"], shown["content_days"], shown["holds"]) == (None, 30, 0)
    refused = program("retention", "set", "--tenant", "acme", "--days", "0")
    assert (refused.code, "kept for 1 to" in refused.err) == (1, True)


def test_what_is_due_is_deleted_unless_held_and_the_record_says_by_which_act(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NO_LEAST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOGNAME", "alice")
    program.json("user", "create", "--tenant", "acme", "carol")
    program.json("retention", "set", "--tenant", "acme", "--days", "0")
    asyncio.run(sign(program))
    hold = program.json("hold", "place", "--tenant", "acme", "--reason", "case 4711")
    assert program.json("retention", "run")[0]["held"]
    release = ("hold", "release", hold["id"], "--tenant", "acme", "--reason", "closed")
    assert "another person" in program(*release).err
    monkeypatch.setenv("LOGNAME", "bob")
    program.json(*release)
    assert [each["released_by"] for each in program.json("hold", "list")] == ["bob"]
    (run,) = program.json("retention", "run", "--tenant", "acme")
    assert (run["held"], run["events"]) == (False, run["through"])
    (verified,) = program.json("audit", "verify", "--tenant", "acme")
    assert verified["deleted"] == run["through"]
    assert [act["through"] for act in verified["deleted_by"]] == [run["through"]]
    export = program.data / "export.jsonl"
    made = program.json("audit", "export", "--tenant", "acme", "--out", str(export))
    assert (made["deleted"], made["deleted_by"]) == (run["through"], verified["deleted_by"])
    assert program.json("audit", "verify", "--file", str(export))["deleted"] == run["through"]


def test_a_shorter_period_than_the_verifier_accepts_is_no_permission(program: Program) -> None:
    stricter = program("audit", "verify", "--tenant", "acme", "--retention-days-min", "1")
    assert (stricter.code, "no act of the record proves" in stricter.err) == (1, True)


def test_a_witness_is_named_or_all_that_are_configured(program: Program, tmp_path: Path) -> None:
    """A folder of notes that this instance signed; the command reads it the same way by either name."""
    program.json("tenant", "create", "umbrella")
    asyncio.run(sign(program))
    (tenant,) = (each for each in program.json("tenant", "list") if each["name"] == "umbrella")
    exported = program.json("audit", "export", "--tenant", "umbrella", "--out", str(tmp_path / "x.jsonl"))
    folder = tmp_path / "witness" / tenant["id"]
    folder.mkdir(parents=True)
    (folder / "1.checkpoint").write_text(exported["checkpoint"])
    verify = ("audit", "verify", "--tenant", "umbrella")
    (alone,) = program.json(*verify)
    (agreed,) = program.json(*verify, "--witness", str(tmp_path / "witness"))
    assert agreed["checkpoints"] == alone["checkpoints"] + 1
    (folder / "1.checkpoint").write_text(exported["checkpoint"].replace("time 2", "time 3"))
    refused = program(*verify, "--witness", str(tmp_path / "witness"))
    assert (refused.code, "signature" in refused.err) == (1, True)
    none = program(*verify, "--witness", "configured")
    assert (none.code, "no witness" in none.err) == (1, True)
    missing = program(*verify, "--witness", str(tmp_path / "nowhere"))
    assert missing.code == 1
    (tmp_path / "empty").mkdir()
    empty = program(*verify, "--witness", str(tmp_path / "empty"))
    assert (empty.code, "shows nothing" in empty.err) == (1, True)


def test_a_bucket_convicts_a_record_that_was_cut(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the bucket keeps is of a record that has more events than the export at hand."""
    tenant = program.json("tenant", "create", "initech")["id"]
    asyncio.run(sign(program))
    cut, whole = tmp_path / "cut.jsonl", tmp_path / "whole.jsonl"
    program.json("audit", "export", "--tenant", "initech", "--out", str(cut))
    program.json("user", "create", "--tenant", "initech", "erin")
    asyncio.run(sign(program))
    note = program.json("audit", "export", "--tenant", "initech", "--out", str(whole))["checkpoint"]
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    with cloud() as service:
        place = locked_bucket(service)
        monkeypatch.setenv("CONDUIT_AUDIT__WITNESS_BUCKET__ENDPOINT", service)
        monkeypatch.setenv("CONDUIT_AUDIT__WITNESS_BUCKET__REGION", REGION)
        seen = signing_key(program.data / "audit").verifier.open(note)
        asyncio.run(BucketWitness(place).publish(seen, note))
        asyncio.run(BucketWitness(place).publish(replace(seen, size=seen.size + 1), "what others put"))
        witness = ("--witness", f"s3://{place.bucket}/checkpoints")
        assert program.json("audit", "verify", "--tenant", "initech", *witness)[0]["tenant"] == "initech"
        assert program.json("audit", "verify", "--file", str(whole), *witness)["intact"]
        convicted = program("audit", "verify", "--file", str(cut), *witness)
        assert (convicted.code, "cut off" in convicted.err) == (1, True)
        for wrong in (f"s3://{place.bucket}/elsewhere", "s3://no-such-bucket", "s3://"):
            refused = program("audit", "verify", "--file", str(whole), "--witness", wrong)
            assert (refused.code, refused.err.count("\n")) == (1, 1), refused.err
    assert str(seen.tenant_id) == tenant


def test_a_proof_is_written_and_checked_offline(program: Program, tmp_path: Path) -> None:
    program.json("user", "create", "--tenant", "acme", "dave")
    asyncio.run(sign(program))
    (event, *_) = program.json("audit", "list", "--tenant", "acme", "--limit", "1")
    proof = tmp_path / "proof.json"
    made = program.json("audit", "prove", "--tenant", "acme", "--event", event["id"], "--out", str(proof))
    shown = program.json("audit", "verify-proof", str(proof), "--key", made["key"])
    assert (shown["holds"], shown["sequence"], shown["event"]["id"]) == (True, event["sequence"], event["id"])
    proof.write_bytes(proof.read_bytes().replace(b"dave", b"dan!"))
    bent = program("audit", "verify-proof", str(proof), "--key", made["key"])
    assert (bent.code, "another root" in bent.err) == (1, True)
