"""Events end when their period does, provably; under a hold nothing ends; hiding behind either is found."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import text

from policy.event import timestamp
from policy.identifiers import TenantId
from store import chain, erasure, events, overview, retention, retention_acts
from store.acts import Actor, act_event
from store.checkpoint import Checkpoint, SigningKey
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord, NotFound, RecordHeld, TenancyViolation
from store.export import export_record, head_of
from store.key_custody import KeyCustody
from store.merkle import leaf_hash
from store.roles import RoleSecrets
from store.verify import verify_export, verify_record
from store.walk import RecordBroken
from tests.store.second_verifier import accepts
from tests.store.test_verify import KEY, as_owner, broken, event
from vault.kek import KeyDocument, LocalKeys
from vault.vault import Vault

ALICE, BOB = Actor("alice", "console"), Actor("bob", "console")
AGES = timedelta(days=400)
OLD = 6


async def signed(gateway: Store, tenant: TenantId, ago: timedelta, key: SigningKey = KEY) -> str:
    """A checkpoint of the record as it is, signed so long ago."""
    frontier = (await head_of_gateway(gateway, tenant))[1]
    moment = datetime.now(UTC) - ago
    note = key.sign(Checkpoint(tenant, frontier.size, frontier.root(), timestamp(moment)))
    async with gateway.platform(Purpose.SHIPPING) as session:
        await session.execute(
            text(
                "INSERT INTO conduit.checkpoint (tenant_id, sequence, root, note, created_at)"
                " VALUES (:tenant, :sequence, :root, :note, :at)"
            ),
            {
                "tenant": tenant,
                "sequence": frontier.size,
                "root": frontier.root(),
                "note": note,
                "at": moment,
            },
        )
    return note


async def head_of_gateway(gateway: Store, tenant: TenantId) -> tuple[int, Any]:
    async with gateway.platform(Purpose.SHIPPING) as session:
        row = (await session.execute(chain.LOCK_HEAD, {"tenant": tenant})).one()
    return row.sequence, chain.Frontier.from_bytes(row.sequence, row.frontier)


async def append(store: Store, tenant: TenantId, count: int) -> None:
    async with store.tenant(tenant) as session:
        await chain.append(session, [event(tenant, host=f"h{number}.example") for number in range(count)])


@pytest.fixture
async def aged(store: Store, gateway: Store, tenant: TenantId) -> TenantId:
    """A tenant with six events that were signed 400 days ago, three since, and a period of 30 days."""
    await append(gateway, tenant, OLD)
    await signed(gateway, tenant, AGES)
    await append(gateway, tenant, 3)
    await signed(gateway, tenant, timedelta(minutes=1))
    await retention_acts.set_retention(
        store, actor=ALICE, tenant_id=tenant, event_days=30, content_days=None, days_min=1
    )
    return tenant


async def pruned(store: Store, tenant: TenantId, **options: Any) -> retention_acts.Pruned:
    return await retention_acts.prune(store, actor=ALICE, tenant_id=tenant, **options)


async def texts(store: Store, tenant: TenantId) -> list[str | None]:
    async with store.tenant(tenant) as session:
        query = "SELECT body FROM conduit.event WHERE tenant_id = :tenant ORDER BY sequence"
        return list(await session.scalars(text(query), {"tenant": tenant}))


async def verified(store: Store, tenant: TenantId) -> Any:
    return await verify_record(store, tenant, trusted=[KEY.verifier])


async def test_what_is_older_than_its_period_is_deleted_and_the_record_verifies(
    store: Store, aged: TenantId
) -> None:
    assert (await pruned(store, aged)).events == OLD
    kept = await texts(store, aged)
    assert kept[:OLD] == [None] * OLD
    assert None not in kept[OLD:]
    found = await verified(store, aged)
    assert (found.events, found.emptied) == (11, OLD)
    assert [(act.through, act.days, act.actor) for act in found.permissions] == [(OLD, 30, "alice")]
    async with store.tenant(aged) as session:
        latest = await events.latest(session, limit=100)
        page = (await session.execute(overview.EVENTS, {"before": None, "most": 100})).all()
    assert len(latest) == len(page) == 5
    assert None not in [row.body for row in page]


async def test_no_column_of_a_deleted_event_is_left(store: Store, aged: TenantId, postgres_url: str) -> None:
    await pruned(store, aged)
    async with store.tenant(aged) as session:
        row = (
            await session.execute(
                text("SELECT * FROM conduit.event WHERE tenant_id = :tenant AND sequence = 1"),
                {"tenant": aged},
            )
        ).mappings()
        left = {name for name, value in row.one().items() if value is not None}
    assert left == {"tenant_id", "sequence", "leaf", "chain"}


async def test_nothing_is_deleted_without_a_period_or_before_it_is_over(
    store: Store, gateway: Store, aged: TenantId, other_tenant: TenantId
) -> None:
    assert (await pruned(store, other_tenant)).events == 0
    await retention_acts.set_retention(
        store, actor=ALICE, tenant_id=aged, event_days=500, content_days=None, days_min=1
    )
    assert (await pruned(store, aged)).events == 0
    assert None not in await texts(store, aged)


@pytest.mark.parametrize("days", [0, -1, 40_000])
async def test_a_period_is_within_the_operators_bounds(store: Store, tenant: TenantId, days: int) -> None:
    with pytest.raises(InvalidRecord):
        await retention_acts.set_retention(
            store, actor=ALICE, tenant_id=tenant, event_days=days, content_days=None, days_min=1
        )


async def test_a_deletion_that_was_killed_is_ended_by_the_next(store: Store, aged: TenantId) -> None:
    await retention_acts._permit(store, ALICE, aged)
    async with store.platform(Purpose.DELETION) as session:
        await session.execute(text("SELECT conduit.empty_events(:tenant, 2)"), {"tenant": aged})
    assert (await verified(store, aged)).emptied == 2
    assert (await pruned(store, aged, batch_events=1)).events == OLD - 2
    found = await verified(store, aged)
    assert (found.emptied, len(found.permissions)) == (OLD, 1)
    assert (await pruned(store, aged)).events == 0


async def test_a_second_deletion_goes_further_and_may_delete_the_first_act(
    store: Store, gateway: Store, aged: TenantId, postgres_url: str
) -> None:
    await pruned(store, aged)
    await append(gateway, aged, 2)
    await signed(gateway, aged, timedelta(days=31))
    assert (await pruned(store, aged)).events == 13 - OLD
    found = await verified(store, aged)
    assert (found.emptied, [act.through for act in found.permissions]) == (13, [13])


async def exported(store: Store, tenant: TenantId, path: Path) -> Path:
    await export_record(store, tenant, path=path, key=KEY)
    return path


async def test_an_export_says_what_was_deleted_by_which_act(
    store: Store, aged: TenantId, tmp_path: Path
) -> None:
    await pruned(store, aged)
    path = await exported(store, aged, tmp_path / "export.jsonl")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line.keys() for line in lines[:OLD]] == [{"chain", "leaf", "sequence"}] * OLD
    assert [line["detail"]["through"] for line in lines if line.get("action") == "record.prune"] == [OLD]
    found = verify_export(path, pinned=[KEY.verifier])
    assert (found.emptied, found.permissions[0].days) == (OLD, 30)
    assert accepts(path, str(KEY.verifier))


async def test_every_change_of_a_holed_export_is_found(store: Store, aged: TenantId, tmp_path: Path) -> None:
    await pruned(store, aged)
    path = await exported(store, aged, tmp_path / "export.jsonl")
    data = path.read_bytes()
    for place in range(len(data)):
        bent = bytearray(data)
        bent[place] ^= (0x01, 0x20, 0x80)[place % 3]
        broken(path, bytes(bent))
    for place in range(0, len(data), 7):
        broken(path, data[:place] + data[place + 1 :])
        broken(path, data[:place])


async def test_no_line_of_a_holed_export_can_be_moved_left_out_or_emptied(
    store: Store, aged: TenantId, tmp_path: Path
) -> None:
    await pruned(store, aged)
    path = await exported(store, aged, tmp_path / "export.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    for place in range(len(lines)):
        broken(path, b"".join([*lines[:place], *lines[place + 1 :]]))
        if place + 2 < len(lines):
            swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
            broken(path, b"".join(swapped))
    for place in range(OLD, len(lines) - 1):
        broken(path, b"".join([*lines[:place], hole(lines[place]), *lines[place + 1 :]]))
        everything = [hole(line) for line in lines[OLD : place + 1]]
        broken(path, b"".join([*lines[:OLD], *everything, *lines[place + 1 :]]))


def hole(line: bytes) -> bytes:
    """What would stand there if the event had been deleted by its period."""
    value = json.loads(line)
    sequence, link = value.pop("sequence"), value.pop("chain")
    leaf = leaf_hash(chain.canonical(value)).hex()
    return chain.canonical({"sequence": sequence, "chain": link, "leaf": leaf}) + b"\n"


EMPTIED = (
    "UPDATE conduit.event SET body = NULL, id = NULL, at = NULL, kind = NULL, user_id = NULL, host = NULL,"
    " model = NULL, reason = NULL, outcome = NULL, placeholder_id = NULL, credential_id = NULL"
    " WHERE tenant_id = %(tenant)s AND "
)


@pytest.mark.parametrize(
    ("which", "place"),
    [("sequence <= 8", "event 7"), ("sequence = 9", "event 9"), ("sequence = 11", "event 11")],
)
async def test_more_emptied_than_an_act_allows_is_found(
    store: Store, aged: TenantId, postgres_url: str, which: str, place: str
) -> None:
    await pruned(store, aged)
    as_owner(postgres_url, EMPTIED + which, aged)
    with pytest.raises(RecordBroken) as caught:
        await verified(store, aged)
    assert caught.value.place == place


def forged(note: str, **detail: Any) -> Callable[[TenantId], dict[str, Any]]:
    """An act that claims to allow a deletion."""

    def made(tenant: TenantId) -> dict[str, Any]:
        said = {"through": 9, "days": 30, "checkpoint": note, **detail}
        return act_event(
            ALICE, "record.prune", tenant_id=tenant, target=str(tenant), detail=said, at=datetime.now(UTC)
        )

    return made


async def test_a_deletion_act_is_no_cover_for_recent_events(
    store: Store, gateway: Store, aged: TenantId, postgres_url: str
) -> None:
    """Whoever owns the database can append an act, but cannot sign an old checkpoint of recent events."""
    recent = await signed_again(gateway, aged)
    forger = SigningKey.generate()
    frontier = (await head_of_gateway(gateway, aged))[1]
    own = forger.sign(Checkpoint(aged, frontier.size, frontier.root(), timestamp(datetime.now(UTC) - AGES)))
    acts = [
        forged(recent, through=frontier.size),
        forged(recent, through=frontier.size, days=-1),
        forged(recent, through=frontier.size, days=0),
        forged(own, through=frontier.size),
        forged(await checkpoint_at(store, aged, OLD), through=frontier.size),
        forged("", through=frontier.size),
        forged(recent, through=str(frontier.size)),
    ]
    async with gateway.tenant(aged) as session:
        await chain.append(session, [make(aged) for make in acts])
    as_owner(postgres_url, f"{EMPTIED}sequence <= {frontier.size}", aged)
    with pytest.raises(RecordBroken, match="no act of the record proves"):
        await verified(store, aged)


async def signed_again(gateway: Store, tenant: TenantId) -> str:
    await append(gateway, tenant, 1)
    return await signed(gateway, tenant, timedelta(minutes=1))


async def checkpoint_at(store: Store, tenant: TenantId, sequence: int) -> str:
    async with store.platform(Purpose.REPORTING) as session:
        query = text("SELECT note FROM conduit.checkpoint WHERE tenant_id = :t AND sequence = :s")
        return str((await session.execute(query, {"t": tenant, "s": sequence})).scalar_one())


async def test_the_database_empties_nothing_without_the_act(
    store: Store, gateway: Store, aged: TenantId
) -> None:
    old, recent = await checkpoint_at(store, aged, OLD), await checkpoint_at(store, aged, 9)
    async with store.platform(Purpose.DELETION) as session:
        asked = await session.scalar(text("SELECT conduit.empty_events(:t, 100)"), {"t": aged})
    assert asked == 0
    for make in (forged(recent), forged(old, days=1, through=OLD), forged(old, through=5), forged(old)):
        async with gateway.tenant(aged) as session:
            await chain.append(session, [make(aged)])
        sequence = (await head_of_gateway(gateway, aged))[0]
        with pytest.raises(TenancyViolation):
            async with store.platform(Purpose.DELETION) as session:
                await session.execute(
                    text("SELECT conduit.permit_emptying(:t, :s)"), {"t": aged, "s": sequence}
                )
    assert None not in await texts(store, aged)


@pytest.mark.parametrize("purpose", [Purpose.ADMINISTRATION, Purpose.SIGN_IN, Purpose.REPORTING])
async def test_no_other_purpose_empties(store: Store, aged: TenantId, purpose: Purpose) -> None:
    for function in ("empty_events", "permit_emptying"):
        with pytest.raises(TenancyViolation):
            async with store.platform(purpose) as session:
                await session.execute(text(f"SELECT conduit.{function}(:t, 1)"), {"t": aged})


# Holds


async def held(store: Store, tenant: TenantId) -> retention.Hold:
    return await retention_acts.place_hold(store, actor=ALICE, tenant_id=tenant, reason="case 4711")


async def test_under_a_hold_nothing_is_deleted_and_afterwards_it_is(store: Store, aged: TenantId) -> None:
    hold = await held(store, aged)
    assert (await pruned(store, aged)).held
    assert None not in await texts(store, aged)
    with pytest.raises(InvalidRecord, match="another person"):
        await release(store, aged, hold, ALICE)
    await release(store, aged, hold, BOB)
    with pytest.raises(NotFound):
        await release(store, aged, hold, BOB)
    assert (await pruned(store, aged)).events == OLD
    async with store.tenant(aged) as session:
        acts = await events.latest(session, limit=10, search=events.Search(kind="act"))
    told = [json.loads(item.body) for item in acts]
    assert [(item["action"], item["actor"]) for item in told[1:3]] == [
        ("hold.release", "bob"),
        ("hold.place", "alice"),
    ]


async def release(store: Store, tenant: TenantId, hold: retention.Hold, actor: Actor) -> retention.Hold:
    return await retention_acts.release_hold(
        store, actor=actor, tenant_id=tenant, hold_id=hold.id, reason="case closed"
    )


async def test_a_hold_placed_between_two_batches_stops_the_deletion(store: Store, aged: TenantId) -> None:
    await retention_acts._permit(store, ALICE, aged)
    async with store.platform(Purpose.DELETION) as session:
        await session.execute(text("SELECT conduit.empty_events(:t, 2)"), {"t": aged})
    await held(store, aged)
    with pytest.raises(RecordHeld):
        async with store.platform(Purpose.DELETION) as session:
            await session.execute(text("SELECT conduit.empty_events(:t, 2)"), {"t": aged})
    assert (await texts(store, aged)).count(None) == 2


async def test_a_held_tenant_is_neither_erased_nor_shredded(store: Store, aged: TenantId) -> None:
    vault = Vault(LocalKeys(KeyDocument.fresh()))
    async with store.tenant(aged) as session:
        await session.execute(
            text("SELECT conduit.write_data_key(:t, 1, :key)"), {"t": aged, "key": vault.new_data_key(aged)}
        )
    hold = await held(store, aged)
    with pytest.raises(RecordHeld):
        await erasure.delete_tenant(store, actor=BOB, tenant_id=aged)
    with pytest.raises(RecordHeld):
        await KeyCustody(store, vault).shred_tenant(actor=BOB, tenant_id=aged)
    await release(store, aged, hold, BOB)
    await KeyCustody(store, vault).shred_tenant(actor=BOB, tenant_id=aged)
    assert (await erasure.delete_tenant(store, actor=BOB, tenant_id=aged)).events > OLD


RAW = (
    "DELETE FROM conduit.event WHERE tenant_id = %(t)s",
    f"{EMPTIED.replace('%(tenant)s', '%(t)s')} sequence <= 6",
    "UPDATE conduit.event SET body = 'x' WHERE tenant_id = %(t)s",
    "TRUNCATE conduit.event",
    "DELETE FROM conduit.hold WHERE tenant_id = %(t)s",
    "UPDATE conduit.hold SET reason = 'x' WHERE tenant_id = %(t)s",
    "UPDATE conduit.hold SET released_by = placed_by, released_at = now(), release_reason = 'x'"
    " WHERE tenant_id = %(t)s",
    "DELETE FROM conduit.checkpoint WHERE tenant_id = %(t)s",
)


@pytest.mark.parametrize("role", ["gateway_dsn", "console_dsn", "auditor_dsn", "owner"])
@pytest.mark.parametrize("statement", RAW)
async def test_raw_sql_deletes_nothing_under_a_hold_whatever_the_role(
    store: Store, aged: TenantId, role_secrets: RoleSecrets, postgres_url: str, role: str, statement: str
) -> None:
    """The owner is given every row-level right first; triggers, keys and grants have to hold alone."""
    await held(store, aged)
    before = await texts(store, aged)
    if role == "owner":
        with psycopg.connect(postgres_url) as connection:
            connection.execute("SET ROLE conduit_owner")
            for table in ("event", "hold", "checkpoint"):
                connection.execute(
                    sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(
                        sql.Identifier("conduit", table)
                    )
                )
            with pytest.raises((errors.InsufficientPrivilege, errors.ObjectInUse, errors.CheckViolation)):
                connection.execute(statement, {"t": aged})
            connection.rollback()
    else:
        for door in (Purpose.DELETION, None):
            with pytest.raises((TenancyViolation, RecordHeld, InvalidRecord)):
                await raw(role_secrets, role, aged, door, statement)
    assert await texts(store, aged) == before


async def raw(roles: RoleSecrets, role: str, tenant: TenantId, door: Purpose | None, statement: str) -> None:
    opened = await Store.open(getattr(roles, role), roles.claim_key)
    try:
        entered = opened.tenant(tenant) if door is None else opened.platform(door)
        async with entered as session:
            await session.execute(text(statement.replace("%(t)s", ":t")), {"t": tenant})
    finally:
        await opened.close()


async def test_the_counters_of_deletion_are_written_by_the_functions_alone(
    store: Store, aged: TenantId
) -> None:
    for column in ("through", "emptied"):
        with pytest.raises(TenancyViolation):
            async with store.tenant(aged) as session:
                await session.execute(
                    text(f"UPDATE conduit.retention SET {column} = 9 WHERE tenant_id = :t"), {"t": aged}
                )


async def test_the_head_is_as_before(store: Store, aged: TenantId) -> None:
    before = await head_of(store, aged)
    await retention_acts._permit(store, ALICE, aged)
    stated = await head_of(store, aged)
    assert stated.sequence == before.sequence + 1
    await pruned(store, aged)
    assert await head_of(store, aged) == stated
