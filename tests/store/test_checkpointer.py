"""Checkpoints leave the database, and convict one that was restored or rewritten."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store import chain
from store.chain import PLATFORM
from store.checkpoint import Checkpoint, pinned_keys, signing_key
from store.checkpointer import Checkpointer
from store.claim import Purpose
from store.door import Store
from store.verify import verify_record
from store.walk import RecordBroken
from store.witness import (
    FolderWitness,
    HeldCheckpoints,
    HeldInvalid,
    WebhookWitness,
    Witness,
    WitnessUnavailable,
    witnessed,
)


class Signer:
    """A checkpointer with its key and what it holds, in a folder of its own."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.key = signing_key(directory)
        self.trusted = pinned_keys(directory / "checkpoint.pub")
        self.held = HeldCheckpoints(directory / "held", self.trusted)
        self.witnesses: list[Witness] = []

    async def sign(self) -> Checkpointer:
        checkpointer = Checkpointer(self.store, self.key, self.held, witnesses=self.witnesses)
        await checkpointer.sign_once()
        return checkpointer


@pytest.fixture
async def signer(gateway: Store, postgres_url: str, tmp_path: Path) -> AsyncIterator[Signer]:
    yield Signer(gateway, tmp_path / "audit")
    # Other tests' signers have keys of their own, and no two trust each other's checkpoints.
    forget(postgres_url, "DELETE FROM conduit.checkpoint")


def forget(url: str, statement: str, **values: Any) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE conduit_owner")
        for table in ("event", "chain_head", "checkpoint"):
            connection.execute(f"ALTER TABLE conduit.{table} NO FORCE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE conduit.{table} DISABLE TRIGGER USER")
        connection.execute(statement, values)
        for table in ("event", "chain_head", "checkpoint"):
            connection.execute(f"ALTER TABLE conduit.{table} ENABLE TRIGGER USER")
            connection.execute(f"ALTER TABLE conduit.{table} FORCE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE conduit.{table} ENABLE TRIGGER USER")


def event(tenant: TenantId) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": str(uuid7()),
        "at": "2026-11-24T08:00:00.000000Z",
        "kind": "call",
        "tenant_id": str(tenant),
    }


async def append(store: Store, tenant: TenantId, count: int = 1) -> None:
    async with store.tenant(tenant) as session:
        await chain.append(session, [event(tenant) for _ in range(count)])


async def notes(store: Store, tenant: TenantId) -> list[Any]:
    async with store.tenant(tenant) as session:
        query = "SELECT sequence, note, witnessed_at IS NOT NULL FROM conduit.checkpoint ORDER BY 1"
        return list((await session.execute(text(query))).all())


async def test_a_record_that_grew_gets_one_checkpoint(
    gateway: Store, tenant: TenantId, signer: Signer
) -> None:
    await append(gateway, tenant, 3)
    await signer.sign()
    await signer.sign()
    await append(gateway, tenant, 2)
    await signer.sign()
    found = await notes(gateway, tenant)
    assert [row.sequence for row in found] == [3, 5]
    assert signer.key.verifier.open(found[-1].note).size == 5


async def test_signed_records_verify(store: Store, gateway: Store, tenant: TenantId, signer: Signer) -> None:
    for count in (3, 4, 5):
        await append(gateway, tenant, count)
        await signer.sign()
    verified = await verify_record(store, tenant, trusted=signer.trusted, held=signer.held.every())
    assert (verified.events, verified.checkpoints) == (12, 4)


def restore(url: str, tenant: TenantId, head: Any) -> None:
    """What a restore from a backup leaves: the record as it was, whole and consistent, but older."""
    for table in ("event", "checkpoint"):
        forget(
            url,
            f"DELETE FROM conduit.{table} WHERE tenant_id = %(tenant)s AND sequence > %(sequence)s",
            tenant=tenant,
            sequence=head.sequence,
        )
    forget(
        url,
        "UPDATE conduit.chain_head SET sequence = %(sequence)s, chain = %(chain)s, frontier = %(frontier)s"
        " WHERE tenant_id = %(tenant)s",
        tenant=tenant,
        **head._mapping,
    )


async def head_of(store: Store, tenant: TenantId) -> Any:
    async with store.tenant(tenant) as session:
        return (await session.execute(text("SELECT sequence, chain, frontier FROM conduit.chain_head"))).one()


async def test_a_restored_database_is_convicted_by_what_is_held(
    store: Store, gateway: Store, tenant: TenantId, signer: Signer, postgres_url: str
) -> None:
    await append(gateway, tenant, 3)
    backup = await head_of(gateway, tenant)
    await append(gateway, tenant, 4)
    await signer.sign()
    restore(postgres_url, tenant, backup)
    assert (await verify_record(store, tenant, trusted=signer.trusted)).events == 3
    with pytest.raises(RecordBroken, match="cut off"):
        await verify_record(store, tenant, trusted=signer.trusted, held=signer.held.every())


@pytest.mark.parametrize("grown", [1, 4, 9], ids=["shorter", "as long", "longer"])
async def test_a_restored_record_gets_no_new_signature_however_far_it_grows(
    store: Store, gateway: Store, tenant: TenantId, signer: Signer, postgres_url: str, grown: int
) -> None:
    await append(gateway, tenant, 3)
    backup = await head_of(gateway, tenant)
    await append(gateway, tenant, 4)
    await signer.sign()
    restore(postgres_url, tenant, backup)
    await append(gateway, tenant, grown)
    await signer.sign()
    await signer.sign()
    assert [row.sequence for row in await notes(gateway, tenant)] == []
    held = signer.held.load(tenant)
    assert held is not None
    assert held.checkpoint.size == 7
    async with gateway.tenant(PLATFORM) as session:
        query = text("SELECT count(*) FROM conduit.event WHERE body LIKE :pattern")
        assert await session.scalar(query, {"pattern": f'%"record.rewritten"%{tenant}%'}) == 1
    with pytest.raises(RecordBroken):
        await verify_record(store, tenant, trusted=signer.trusted, held=signer.held.every())


async def test_a_checkpoint_by_a_stranger_is_refused(
    store: Store, gateway: Store, tenant: TenantId, signer: Signer, tmp_path: Path
) -> None:
    await append(gateway, tenant)
    await Signer(gateway, tmp_path / "stranger").sign()
    with pytest.raises(RecordBroken, match="not signed by any trusted key"):
        await verify_record(store, tenant, trusted=signer.trusted)


def first_file(directory: Path, tenant: TenantId) -> Path:
    return next((directory / str(tenant)).iterdir())


async def test_a_folder_keeps_every_checkpoint(
    gateway: Store, tenant: TenantId, signer: Signer, tmp_path: Path
) -> None:
    signer.witnesses = [FolderWitness(tmp_path / "kept")]
    for _ in range(2):
        await append(gateway, tenant)
        await signer.sign()
    found = witnessed([tmp_path / "kept" / str(tenant)], signer.trusted)
    assert [(item.tenant_id, item.size) for item in found] == [(tenant, 1), (tenant, 2)]
    assert [row[2] for row in await notes(gateway, tenant)] == [True, True]


async def test_a_kept_checkpoint_is_never_overwritten(tenant: TenantId, tmp_path: Path) -> None:
    witness = FolderWitness(tmp_path)
    checkpoint = Checkpoint(tenant, 1, bytes(32), "2026-11-24T08:00:00.000000Z")
    await witness.publish(checkpoint, "first")
    await witness.publish(checkpoint, "second")
    assert first_file(tmp_path, tenant).read_text() == "first"


def answering(status: int, seen: list[httpx.Request]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, headers={"location": "http://other.test"})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_a_webhook_gets_the_note(gateway: Store, tenant: TenantId, signer: Signer) -> None:
    seen: list[httpx.Request] = []
    signer.witnesses = [WebhookWitness("http://witness.test/log", answering(200, seen))]
    await append(gateway, tenant)
    checkpointer = await signer.sign()
    bodies = [request.content.decode() for request in seen]
    assert [note for _, note, _ in await notes(gateway, tenant)] == [
        body for body in bodies if str(tenant) in body
    ]
    assert checkpointer.unwitnessed == 0


@pytest.mark.parametrize("status", [302, 403, 500])
async def test_a_webhook_that_does_not_take_it_is_not_followed(tenant: TenantId, status: int) -> None:
    seen: list[httpx.Request] = []
    witness = WebhookWitness("http://witness.test/log", answering(status, seen))
    with pytest.raises(WitnessUnavailable):
        await witness.publish(Checkpoint(tenant, 1, bytes(32), ""), "note")
    assert len(seen) == 1


class Moody:
    """A witness that is away until it is not."""

    name = "moody"
    interval_s: float = 0

    def __init__(self) -> None:
        self.away = True
        self.taken: list[str] = []

    async def publish(self, checkpoint: Checkpoint, note: str) -> None:
        if self.away:
            raise WitnessUnavailable("away")
        self.taken.append(note)


async def test_one_witness_that_is_away_keeps_no_other_from_its_checkpoints(
    gateway: Store, tenant: TenantId, signer: Signer
) -> None:
    """It is told once, and what it missed is offered by the next process too."""
    away, there = Moody(), Moody()
    there.away = False
    signer.witnesses = [away, there]
    await append(gateway, tenant)
    checkpointer = await signer.sign()
    assert checkpointer.failing["moody"] is False  # of two of one name, the last
    assert len(there.taken) > 0
    assert [row[2] for row in await notes(gateway, tenant)] == [False]
    away.away = False
    await signer.sign()
    assert [row[2] for row in await notes(gateway, tenant)] == [True]
    async with gateway.platform(Purpose.SHIPPING) as session:
        query = "SELECT count(*) FROM conduit.event WHERE body LIKE '%witness.unavailable%'"
        assert (await session.execute(text(query))).scalar_one() >= 1


async def test_a_witness_that_is_away_gets_the_checkpoint_later(
    gateway: Store, tenant: TenantId, signer: Signer
) -> None:
    witness = Moody()
    signer.witnesses = [witness]
    await append(gateway, tenant)
    checkpointer = await signer.sign()
    waiting = checkpointer.unwitnessed
    assert [row[2] for row in await notes(gateway, tenant)] == [False]
    witness.away = False
    await checkpointer.sign_once()
    assert (waiting > 0, checkpointer.unwitnessed) == (True, 0)
    assert [row[2] for row in await notes(gateway, tenant)] == [True]


TAMPERING: dict[str, Callable[[str], str]] = {
    "emptied": lambda _: "",
    "cut": lambda text: text[:-9],
    "another edge": lambda text: text.replace('"frontier": "', '"frontier": "' + "00" * 32),
    "another size": lambda text: text.replace("\\n1\\n", "\\n2\\n"),
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_a_false_held_file_is_refused_and_stops_signing(
    gateway: Store, tenant: TenantId, signer: Signer, tmp_path: Path, name: str
) -> None:
    await append(gateway, tenant)
    await signer.sign()
    tamper(tmp_path / "audit" / "held" / f"{tenant}.held", TAMPERING[name])
    with pytest.raises(HeldInvalid):
        signer.held.every()
    await append(gateway, tenant)
    await signer.sign()
    assert [row.sequence for row in await notes(gateway, tenant)] == [1]


def tamper(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))
