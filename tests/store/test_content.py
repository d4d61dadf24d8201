"""Kept content: sealed before it is anywhere, opened by two people, gone with its key and its period."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import text
from uuid_utils.compat import uuid7

from policy.content import Content, Gathered, InvalidContent, unpacked
from policy.event import timestamp
from policy.identifiers import TenantId
from store import content, content_acts, erasure, events, retention_acts
from store.acts import Actor
from store.claim import Purpose
from store.content_acts import Opening
from store.door import Store
from store.errors import InvalidRecord, NotApproved, NotFound, RecordHeld, TenancyViolation
from store.key_custody import KeyCustody, keyed_tenant
from vault import content as sealed_content
from vault.errors import Unopenable
from vault.kek import KeyDocument, LocalKeys
from vault.vault import Vault

ALICE, BOB = Actor("alice", "console"), Actor("bob", "console")
SAID = Content(b"what is it?", b"nothing", 11, 9_000, "application/json")


@pytest.fixture
def vault() -> Vault:
    return Vault(LocalKeys(KeyDocument.fresh()))


@pytest.fixture
async def keeping(store: Store, tenant: TenantId, vault: Vault) -> TenantId:
    async with store.tenant(tenant) as session:
        await session.execute(
            text("SELECT conduit.write_data_key(:t, 1, :key)"),
            {"t": tenant, "key": vault.new_data_key(tenant)},
        )
    await content_acts.set_policy(store, vault, actor=ALICE, tenant_id=tenant, keep=True)
    return tenant


async def sealed(store: Store, vault: Vault, tenant: TenantId, event_id: UUID) -> bytes:
    async with store.tenant(tenant) as session:
        policy = await content.find_policy(session)
        keyed = await keyed_tenant(session, tenant)
    assert policy is not None
    key = vault.content_key(keyed, policy.content_key)
    return sealed_content.seal(key, SAID.packed(), tenant_id=tenant, event_id=event_id)


async def kept(
    store: Store, gateway: Store, vault: Vault, tenant: TenantId, *, ago: timedelta = timedelta()
) -> UUID:
    """The content of one call, as the shipper brings it."""
    event_id = uuid7()
    record = {
        "id": str(event_id),
        "at": timestamp(datetime.now(UTC) - ago),
        "sealed": base64.b64encode(await sealed(store, vault, tenant, event_id)).decode(),
    }
    async with gateway.platform(Purpose.SHIPPING) as session:
        await content.keep(session, tenant, [record, record])
        await content.keep(session, tenant, [record])
    return event_id


async def asked(store: Store, tenant: TenantId, event_id: UUID) -> Opening:
    return await content_acts.request_opening(
        store, actor=ALICE, tenant_id=tenant, event_id=event_id, reason="incident 12"
    )


async def decided(store: Store, tenant: TenantId, opening: Opening, actor: Actor, *, approve: bool) -> None:
    await content_acts.decide_opening(
        store, actor=actor, tenant_id=tenant, approval_id=opening.approval.id, approve=approve
    )


async def looked(
    store: Store, vault: Vault, tenant: TenantId, opening: Opening, actor: Actor = ALICE
) -> dict[str, Any]:
    return await content_acts.open_content(
        store, vault, actor=actor, tenant_id=tenant, approval_id=opening.approval.id
    )


async def acts(store: Store, tenant: TenantId) -> list[tuple[str, str]]:
    async with store.tenant(tenant) as session:
        found = await events.latest(session, limit=100, search=events.Search(kind="act"))
    told = [json.loads(item.body) for item in reversed(found)]
    return [(act["action"], act["actor"]) for act in told]


async def test_two_people_open_what_was_said_and_each_act_is_on_record(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId
) -> None:
    opening = await asked(store, keeping, await kept(store, gateway, vault, keeping))
    await decided(store, keeping, opening, BOB, approve=True)
    said = await looked(store, vault, keeping, opening)
    assert (said["question"], said["answer"]) == ("what is it?", "nothing")
    assert (said["question_whole"], said["answer_whole"], said["answer_bytes"]) == (True, False, 9_000)
    assert await acts(store, keeping) == [
        ("content.policy", "alice"),
        ("content.request", "alice"),
        ("content.approve", "bob"),
        ("content.open", "alice"),
    ]


async def test_nobody_approves_their_own_opening(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId
) -> None:
    opening = await asked(store, keeping, await kept(store, gateway, vault, keeping))
    with pytest.raises(InvalidRecord, match="another person"):
        await decided(store, keeping, opening, ALICE, approve=True)
    with pytest.raises(InvalidRecord):
        async with store.tenant(keeping) as session:
            await session.execute(
                text(
                    "UPDATE conduit.approval SET state = 'approved', decided_by = requested_by,"
                    " decided_at = now() WHERE id = :id"
                ),
                {"id": opening.approval.id},
            )
    with pytest.raises(NotApproved):
        await looked(store, vault, keeping, opening)


@pytest.mark.parametrize("what", ["undecided", "refused", "another reader", "an hour later", "another act"])
async def test_nothing_opens_without_a_fresh_approval_for_the_reader(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId, postgres_url: str, what: str
) -> None:
    opening = await asked(store, keeping, await kept(store, gateway, vault, keeping))
    if what != "undecided":
        await decided(store, keeping, opening, BOB, approve=what != "refused")
    changed = {
        "an hour later": "decided_at = now() - interval '61 minutes'",
        "another act": "action = 'other'",
    }
    if what in changed:
        statement = f"UPDATE conduit.approval SET {changed[what]} WHERE id = %(id)s"
        with psycopg.connect(postgres_url) as connection:
            connection.execute("SET ROLE conduit_owner")
            connection.execute(
                "ALTER TABLE conduit.approval NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER"
            )
            connection.execute(statement, {"id": opening.approval.id})
            connection.execute("ALTER TABLE conduit.approval FORCE ROW LEVEL SECURITY, ENABLE TRIGGER USER")
    with pytest.raises(NotApproved):
        await looked(store, vault, keeping, opening, BOB if what == "another reader" else ALICE)
    assert ("content.open", "alice") not in await acts(store, keeping)


REWRITTEN = (
    "UPDATE conduit.approval SET subject = '00000000-0000-0000-0000-000000000009 x' WHERE id = :id",
    "UPDATE conduit.approval SET decided_at = now() + interval '9 days' WHERE id = :id",
    "UPDATE conduit.approval SET requested_by = 'eve' WHERE id = :id",
    "INSERT INTO conduit.approval (tenant_id, id, action, subject, requested_by, decided_by, state,"
    " decided_at, expires_at) SELECT tenant_id, gen_random_uuid(), action, subject, 'eve', 'bob', 'approved',"
    " now(), expires_at FROM conduit.approval WHERE id = :id",
)


@pytest.mark.parametrize("statement", REWRITTEN)
async def test_what_was_approved_stays_what_it_was(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId, statement: str
) -> None:
    opening = await asked(store, keeping, await kept(store, gateway, vault, keeping))
    await decided(store, keeping, opening, BOB, approve=True)
    with pytest.raises(TenancyViolation):
        async with store.tenant(keeping) as session:
            await session.execute(text(statement), {"id": opening.approval.id})


@pytest.mark.parametrize("door", [Purpose.REPORTING, Purpose.ADMINISTRATION, None])
async def test_no_session_reads_sealed_records_by_itself(
    store: Store, keeping: TenantId, door: Purpose
) -> None:
    with pytest.raises(TenancyViolation):
        async with store.platform(door) if door else store.tenant(keeping) as session:
            await session.execute(text("SELECT sealed FROM conduit.kept_content"))


async def test_a_record_opens_for_its_tenant_and_event_alone(
    store: Store, vault: Vault, keeping: TenantId, other_tenant: TenantId
) -> None:
    key, event_id = sealed_content.new_key(), uuid7()
    record = sealed_content.seal(key, b"said", tenant_id=keeping, event_id=event_id)
    assert sealed_content.unseal(key, record, tenant_id=keeping, event_id=event_id) == b"said"
    for tenant, event in ((other_tenant, event_id), (keeping, uuid7())):
        with pytest.raises(Unopenable):
            sealed_content.unseal(key, record, tenant_id=tenant, event_id=event)
    for place in range(len(record)):
        bent = record[:place] + bytes([record[place] ^ 1]) + record[place + 1 :]
        with pytest.raises(Unopenable):
            sealed_content.unseal(key, bent, tenant_id=keeping, event_id=event_id)


async def test_content_opens_after_the_data_key_was_rotated_and_not_after_shredding(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId
) -> None:
    opening = await asked(store, keeping, await kept(store, gateway, vault, keeping))
    await decided(store, keeping, opening, BOB, approve=True)
    keys = KeyCustody(store, vault)
    await keys.rotate_tenant(actor=ALICE, tenant_id=keeping)
    assert (await looked(store, vault, keeping, opening))["answer"] == "nothing"
    await keys.shred_tenant(actor=ALICE, tenant_id=keeping)
    vault.forget(keeping)
    with pytest.raises((NotFound, Unopenable)):
        await looked(store, vault, keeping, opening)


async def test_content_is_deleted_when_its_period_is_over_unless_held(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId
) -> None:
    await kept(store, gateway, vault, keeping, ago=timedelta(days=31))
    recent = await kept(store, gateway, vault, keeping)
    assert await content_acts.delete_due(store, actor=BOB, tenant_id=keeping) == 0
    await retention_acts.set_retention(
        store, actor=ALICE, tenant_id=keeping, event_days=None, content_days=30, days_min=1
    )
    hold = await retention_acts.place_hold(store, actor=ALICE, tenant_id=keeping, reason="case")
    assert await content_acts.delete_due(store, actor=BOB, tenant_id=keeping) == 0
    with pytest.raises(RecordHeld):
        await erasure.delete_tenant(store, actor=BOB, tenant_id=keeping)
    await retention_acts.release_hold(store, actor=BOB, tenant_id=keeping, hold_id=hold.id, reason="closed")
    assert await content_acts.delete_due(store, actor=BOB, tenant_id=keeping) == 1
    async with store.tenant(keeping) as session:
        assert [each.event_id for each in await content.latest(session, limit=10)] == [recent]
    assert (await acts(store, keeping))[-1] == ("content.prune", "bob")


async def test_even_the_owner_deletes_no_content_under_a_hold(
    store: Store, gateway: Store, vault: Vault, keeping: TenantId, postgres_url: str
) -> None:
    await kept(store, gateway, vault, keeping)
    await retention_acts.place_hold(store, actor=ALICE, tenant_id=keeping, reason="case")
    for statement in ("DELETE FROM conduit.kept_content", "UPDATE conduit.kept_content SET at = now()"):
        with psycopg.connect(postgres_url) as connection:
            connection.execute("SET ROLE conduit_owner")
            connection.execute("ALTER TABLE conduit.kept_content NO FORCE ROW LEVEL SECURITY")
            with pytest.raises((errors.InsufficientPrivilege, errors.ObjectInUse)):
                connection.execute(statement)
            connection.rollback()


def test_content_is_bounded_and_without_keys() -> None:
    gathered = Gathered(60)
    key = b"sk-proj-" + b"A1b2" * 8
    for chunk in (b"use ", key[:20], key[20:], b" now", b"x" * 100):
        gathered.feed(chunk)
    assert gathered.total == 148
    assert gathered.text() == b"use " + b"*" * 40 + b" now" + b"x" * 12


@pytest.mark.parametrize("data", [b"", b"\0" * 12, SAID.packed()[:-1], SAID.packed() + b"x"])
def test_what_is_no_packed_content_is_refused(data: bytes) -> None:
    assert unpacked(SAID.packed()) == SAID
    with pytest.raises(InvalidContent):
        unpacked(data)
