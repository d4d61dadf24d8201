"""A proof holds for what it shows and for nothing else; two verifiers agree on it, offline."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from policy.event import timestamp
from policy.identifiers import TenantId
from store.canonical import canonical
from store.checkpoint import Checkpoint, SigningKey
from store.claim import Purpose
from store.door import Store
from store.errors import NotFound
from store.export import head_of
from store.merkle import ProofInvalid
from store.proof import check, prove_consistency, prove_inclusion
from tests.store.second_verifier import proof_holds
from tests.store.test_verify import append, as_owner

KEY = SigningKey.generate()
PUBLIC = KEY.verifier


async def signed(store: Store, gateway: Store, tenant: TenantId, key: SigningKey = KEY) -> str:
    head = await head_of(store, tenant)
    note = key.sign(Checkpoint(tenant, head.sequence, head.frontier.root(), timestamp(datetime.now(UTC))))
    async with gateway.platform(Purpose.SHIPPING) as session:
        await session.execute(
            text("INSERT INTO conduit.checkpoint (tenant_id, sequence, root, note) VALUES (:t, :s, :r, :n)"),
            {"t": tenant, "s": head.sequence, "r": head.frontier.root(), "n": note},
        )
    return note


@pytest.fixture
async def notes(store: Store, gateway: Store, tenant: TenantId) -> list[str]:
    """Checkpoints over three, seven and eight events."""
    found = []
    for count in (3, 4, 1):
        await append(gateway, tenant, count)
        found.append(await signed(store, gateway, tenant))
    return found


async def ids(store: Store, tenant: TenantId) -> list[UUID]:
    async with store.tenant(tenant) as session:
        return list(await session.scalars(text("SELECT id FROM conduit.event ORDER BY sequence")))


def holds(document: dict[str, Any]) -> bool:
    """What both verifiers say, who have to agree."""
    data = canonical(document)
    try:
        check(data, (PUBLIC,))
        ours = True
    except ProofInvalid:
        ours = False
    assert proof_holds(data, str(PUBLIC)) is ours
    return ours


async def test_every_event_is_proven_by_every_checkpoint_that_saw_it(
    store: Store, tenant: TenantId, notes: list[str]
) -> None:
    for number, event_id in enumerate(await ids(store, tenant), 1):
        for note, size in zip(notes, (3, 7, 8), strict=True):
            if number > size:
                with pytest.raises(ProofInvalid):
                    await prove_inclusion(store, tenant, event_id=event_id, key=PUBLIC, note=note)
                continue
            document = await prove_inclusion(store, tenant, event_id=event_id, key=PUBLIC, note=note)
            assert holds(document)
            proven = check(canonical(document), (PUBLIC,))
            assert (proven.sequence, proven.checkpoint.size) == (number, size)
            assert proven.event is not None
            assert proven.event["id"] == str(event_id)


async def test_a_record_that_only_grew_is_proven_to_have(
    store: Store, tenant: TenantId, notes: list[str]
) -> None:
    for first in notes:
        document = await prove_consistency(store, tenant, first=first, key=PUBLIC)
        assert holds(document)
        assert document["second"] == notes[-1]
    with pytest.raises(ProofInvalid):
        await prove_consistency(store, tenant, first=notes[1], second=notes[0], key=PUBLIC)


async def test_every_changed_byte_of_a_proof_is_found(
    store: Store, tenant: TenantId, notes: list[str]
) -> None:
    (first, *_) = await ids(store, tenant)
    for document in (
        await prove_inclusion(store, tenant, event_id=first, key=PUBLIC),
        await prove_consistency(store, tenant, first=notes[0], key=PUBLIC),
    ):
        data = canonical(document)
        for place in range(len(data)):
            bent = data[:place] + bytes([data[place] ^ (0x01, 0x20, 0x80)[place % 3]]) + data[place + 1 :]
            with pytest.raises(ProofInvalid):
                check(bent, (PUBLIC,))
            assert not proof_holds(bent, str(PUBLIC))
            with pytest.raises(ProofInvalid):
                check(data[:place], (PUBLIC,))


async def test_no_part_of_a_proof_serves_another(store: Store, tenant: TenantId, notes: list[str]) -> None:
    one, two = [
        await prove_inclusion(store, tenant, event_id=each, key=PUBLIC)
        for each in (await ids(store, tenant))[:2]
    ]
    for name in ("event", "path", "sequence"):
        assert not holds({**one, name: two[name]})
    assert not holds({**one, "checkpoint": notes[0]})
    assert not holds({**one, "path": [*one["path"], "00" * 32]})
    assert not holds({**one, "path": one["path"][:-1]})
    assert not holds({**one, "sequence": True})
    grown = await prove_consistency(store, tenant, first=notes[0], key=PUBLIC)
    assert not holds({**grown, "first": notes[1]})
    assert not holds({**grown, "first": notes[2], "second": notes[0]})
    assert not holds({**grown, "path": []})


async def test_a_forger_with_a_key_of_his_own_is_known_by_it(
    store: Store, tenant: TenantId, notes: list[str]
) -> None:
    (first, *_) = await ids(store, tenant)
    document = await prove_inclusion(store, tenant, event_id=first, key=PUBLIC)
    other = SigningKey.generate().verifier
    with pytest.raises(ProofInvalid, match="not among the trusted keys"):
        check(canonical(document), (other,))
    assert not check(canonical(document)).pinned


async def test_a_record_that_was_rewritten_proves_nothing(
    store: Store, tenant: TenantId, notes: list[str], postgres_url: str
) -> None:
    (first, *_) = await ids(store, tenant)
    as_owner(
        postgres_url,
        "UPDATE conduit.event SET leaf = sha256('x') WHERE tenant_id = %(tenant)s AND sequence = 2",
        tenant,
    )
    with pytest.raises(ProofInvalid):
        await prove_inclusion(store, tenant, event_id=first, key=PUBLIC)
    with pytest.raises(ProofInvalid):
        await prove_consistency(store, tenant, first=notes[0], key=PUBLIC)


async def test_what_is_not_in_the_record_is_not_proven(
    store: Store, tenant: TenantId, other_tenant: TenantId, notes: list[str]
) -> None:
    (first, *_) = await ids(store, tenant)
    with pytest.raises(NotFound):
        await prove_inclusion(store, other_tenant, event_id=first, key=PUBLIC)
    with pytest.raises(NotFound):
        await prove_inclusion(store, tenant, sequence=99, key=PUBLIC)
    assert json.loads(canonical(await prove_inclusion(store, tenant, sequence=1, key=PUBLIC)))
