"""Whatever is done to a record, verification names the place; what was left alone verifies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store import chain
from store.checkpoint import Checkpoint, SigningKey, VerifierKey
from store.door import Store
from store.export import export_record
from store.verify import verify_export, verify_record
from store.walk import RecordBroken, Trust
from tests.store.second_verifier import accepts

KEY = SigningKey.generate()
EVENTS = 4
Tamper = Callable[[list[bytes]], list[bytes]]


def event(tenant: TenantId, **facts: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": str(uuid7()),
        "at": "2026-11-24T08:00:00.000000Z",
        "kind": "call",
        "tenant_id": str(tenant),
        "model": "größe-5",
        **facts,
    }


async def append(store: Store, tenant: TenantId, count: int) -> None:
    async with store.tenant(tenant) as session:
        await chain.append(session, [event(tenant, user_id=str(uuid7())) for _ in range(count)])


@pytest.fixture
async def export(store: Store, gateway: Store, tenant: TenantId, tmp_path: Path) -> Path:
    await append(gateway, tenant, EVENTS)
    path = tmp_path / "export.jsonl"
    await export_record(store, tenant, path=path, key=KEY)
    return path


def broken(path: Path, data: bytes, **options: Any) -> RecordBroken:
    """The conviction of ``data``; both verifiers must refuse it."""
    bent = path.with_name("bent.jsonl")
    bent.write_bytes(data)
    assert not accepts(bent, str(KEY.verifier))
    with pytest.raises(RecordBroken) as caught:
        verify_export(bent, pinned=[KEY.verifier], **options)
    return caught.value


def test_an_untouched_export_verifies(export: Path, tenant: TenantId) -> None:
    verified = verify_export(export, pinned=[KEY.verifier])
    assert (verified.tenant_id, verified.events, verified.pinned) == (tenant, EVENTS, True)
    assert accepts(export, str(KEY.verifier))


def test_an_export_is_json_lines_with_the_events_fields(export: Path, tenant: TenantId) -> None:
    lines = [json.loads(line) for line in export.read_bytes().splitlines()]
    assert [line["sequence"] for line in lines[:-1]] == [1, 2, 3, 4]
    assert {line["tenant_id"] for line in lines} == {str(tenant)}
    assert lines[-1]["checkpoint"].startswith(f"{KEY.name}/{tenant}\n4\n")
    assert export.stat().st_mode & 0o777 == 0o600


def test_every_changed_byte_is_found(export: Path) -> None:
    data = export.read_bytes()
    for place in range(len(data)):
        bent = bytearray(data)
        bent[place] ^= (0x01, 0x20, 0x80)[place % 3]
        broken(export, bytes(bent))


def test_every_removed_byte_is_found(export: Path) -> None:
    data = export.read_bytes()
    for place in range(len(data)):
        broken(export, data[:place] + data[place + 1 :])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_bytes_in_any_place_are_found(export: Path, data: st.DataObject) -> None:
    whole = export.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    bent = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    if bent != whole:
        broken(export, bent)


def test_every_cut_is_found(export: Path) -> None:
    data = export.read_bytes()
    for length in range(len(data)):
        broken(export, data[:length])


TAMPERING: dict[str, tuple[Tamper, str]] = {
    "altered": (lambda lines: [lines[0], lines[1].replace(b"call", b"tool"), *lines[2:]], "line 2"),
    "removed": (lambda lines: [lines[0], *lines[2:]], "line 2"),
    "first removed": (lambda lines: lines[1:], "line 1"),
    "inserted again": (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3"),
    "swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2"),
    "last event cut": (lambda lines: [*lines[:3], lines[4]], "line 4"),
    "added at the end": (lambda lines: [*lines[:4], lines[3], lines[4]], "line 5"),
    "checkpoint cut": (lambda lines: lines[:4], "the last line"),
    "checkpoint doubled": (lambda lines: [*lines, lines[4]], "line 5"),
    "emptied": (lambda lines: lines[4:], "line 1"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_found_at_its_place(export: Path, name: str) -> None:
    tamper, place = TAMPERING[name]
    lines = export.read_bytes().splitlines(keepends=True)
    assert broken(export, b"".join(tamper(lines))).place == place


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(EVENTS + 1)), kept=st.sets(st.integers(0, EVENTS)))
def test_no_other_order_or_choice_of_lines_verifies(export: Path, order: list[int], kept: set[int]) -> None:
    lines = export.read_bytes().splitlines(keepends=True)
    chosen = [number for number in order if number in kept]
    if chosen != list(range(EVENTS + 1)):
        broken(export, b"".join(lines[number] for number in chosen))


async def test_a_forger_with_a_key_of_his_own_is_convicted_by_the_pinned_key(
    export: Path, store: Store, tenant: TenantId
) -> None:
    await export_record(store, tenant, path=export, key=SigningKey.generate())
    assert verify_export(export).pinned is False
    with pytest.raises(RecordBroken, match="not among the trusted keys"):
        verify_export(export, pinned=[KEY.verifier])


async def test_a_truthful_but_older_export_is_convicted_by_a_later_checkpoint(
    export: Path, store: Store, gateway: Store, tenant: TenantId
) -> None:
    older = export.read_bytes()
    await append(gateway, tenant, 3)
    exported = await export_record(store, tenant, path=export, key=KEY)
    held = KEY.verifier.open(exported.note)
    assert verify_export(export, held=[held]).events == 7
    export.write_bytes(older)
    with pytest.raises(RecordBroken, match="cut off"):
        verify_export(export, held=[held])


async def test_a_growing_record_agrees_with_its_earlier_checkpoints(
    export: Path, store: Store, gateway: Store, tenant: TenantId
) -> None:
    held = [verify_checkpoint(export)]
    await append(gateway, tenant, 3)
    await export_record(store, tenant, path=export, key=KEY, trust=Trust(held=tuple(held)))
    assert verify_export(export, held=held).checkpoints == 2


def verify_checkpoint(export: Path) -> Checkpoint:
    return KEY.verifier.open(json.loads(export.read_bytes().splitlines()[-1])["checkpoint"])


async def test_an_empty_record_exports_and_verifies(store: Store, tenant: TenantId, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    await export_record(store, tenant, path=path, key=KEY)
    assert verify_export(path, pinned=[KEY.verifier]).events == 0
    assert accepts(path, str(KEY.verifier))


async def live(store: Store, tenant: TenantId, held: tuple[Checkpoint, ...] = ()) -> int:
    return (await verify_record(store, tenant, trusted=[KEY.verifier], held=held)).events


def as_owner(url: str, statement: str, tenant: TenantId) -> None:
    """What somebody does who owns the database: all guards switched off, changed, switched on again."""
    tables = ("event", "chain_head", "checkpoint")
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE conduit_owner")
        for table in tables:
            connection.execute(f"ALTER TABLE conduit.{table} NO FORCE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE conduit.{table} DISABLE TRIGGER USER")
        changed = connection.execute(statement, {"tenant": tenant})
        assert changed.rowcount > 0
        for table in tables:
            connection.execute(f"ALTER TABLE conduit.{table} FORCE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE conduit.{table} ENABLE TRIGGER USER")


LIVE_TAMPERING = {
    "body": ("UPDATE conduit.event SET body = replace(body, 'call', 'tool') {third}", "event 3"),
    "time": ("UPDATE conduit.event SET at = at + interval '1 s' {third}", "event 3"),
    "user": ("UPDATE conduit.event SET user_id = NULL {third}", "event 3"),
    "kind": ("UPDATE conduit.event SET kind = 'act' {third}", "event 3"),
    "id": ("UPDATE conduit.event SET id = gen_random_uuid() {third}", "event 3"),
    "leaf": ("UPDATE conduit.event SET leaf = sha256('x') {third}", "event 3"),
    "link": ("UPDATE conduit.event SET chain = sha256('x') {third}", "event 3"),
    "removed": ("DELETE FROM conduit.event {third}", "event 4"),
    "last removed": (
        "DELETE FROM conduit.event WHERE tenant_id = %(tenant)s AND sequence = 4",
        "after event 3",
    ),
    "all removed": ("DELETE FROM conduit.event WHERE tenant_id = %(tenant)s", "after event 0"),
    "renumbered": ("UPDATE conduit.event SET sequence = 9 {third}", "after event 4"),
    "inserted": (
        "INSERT INTO conduit.event SELECT tenant_id, 5, gen_random_uuid(), at, kind, body, leaf, chain"
        " FROM conduit.event {third}",
        "after event 4",
    ),
    "head's link": (
        "UPDATE conduit.chain_head SET chain = sha256('x') WHERE tenant_id = %(tenant)s",
        "the head of the record",
    ),
    "head's edge": (
        "UPDATE conduit.chain_head SET frontier = sha256('x') WHERE tenant_id = %(tenant)s",
        "the head of the record",
    ),
    "head removed": ("DELETE FROM conduit.chain_head WHERE tenant_id = %(tenant)s", "after event 0"),
}
THIRD = "WHERE tenant_id = %(tenant)s AND sequence = 3"


async def test_an_untouched_live_record_verifies(store: Store, gateway: Store, tenant: TenantId) -> None:
    await append(gateway, tenant, EVENTS)
    assert await live(store, tenant) == EVENTS


@pytest.mark.parametrize("name", LIVE_TAMPERING)
async def test_tampering_with_the_live_record_is_found_at_its_place(
    store: Store, gateway: Store, tenant: TenantId, postgres_url: str, name: str
) -> None:
    await append(gateway, tenant, EVENTS)
    statement, place = LIVE_TAMPERING[name]
    as_owner(postgres_url, statement.format(third=THIRD), tenant)
    with pytest.raises(RecordBroken) as caught:
        await live(store, tenant)
    assert caught.value.place == place


async def test_what_was_tampered_with_is_not_signed_in_an_export(
    store: Store, gateway: Store, tenant: TenantId, postgres_url: str, tmp_path: Path
) -> None:
    await append(gateway, tenant, EVENTS)
    as_owner(postgres_url, LIVE_TAMPERING["body"][0].format(third=THIRD), tenant)
    with pytest.raises(RecordBroken):
        await export_record(store, tenant, path=tmp_path / "export.jsonl", key=KEY)
    assert not list(tmp_path.iterdir())


def test_without_the_right_key_there_is_no_verifier(export: Path) -> None:
    forged = VerifierKey(KEY.name, SigningKey.generate().verifier.public)
    with pytest.raises(RecordBroken):
        verify_export(export, pinned=[forged])
