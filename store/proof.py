"""Proofs that stand alone: that an event is in a record, and that a later checkpoint extends an earlier one.

A proof is one JSON document (docs/record-format.md). With the public key it is checked offline, and says no
more of the record than it has to: the event, and some thirty hashes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store import chain
from store.canonical import NotCanonical, canonical
from store.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    KeyInvalid,
    VerifierKey,
    open_with_any,
)
from store.claim import Purpose
from store.door import Store
from store.errors import NotFound
from store.merkle import (
    HASH_BYTES,
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

FORMAT = "apiconduit proof 1"
DOCUMENT_BYTES_MAX = 1024 * 1024
# Paths have one hash a level; no record has 2**64 events.
PATH_MAX = 128
_COMMON = {"format", "kind", "tenant_id", "path", "key"}
_INCLUSION = {*_COMMON, "sequence", "checkpoint"}
_CONSISTENCY = {*_COMMON, "first", "second"}

EVENT = text(
    "SELECT sequence, body, leaf FROM conduit.event WHERE tenant_id = :tenant"
    " AND (id = :id OR sequence = :sequence)"
)
CHECKPOINT = text(
    "SELECT note FROM conduit.checkpoint WHERE tenant_id = :tenant AND sequence >= :sequence"
    " ORDER BY sequence DESC LIMIT 1"
)
LEAVES_PAGE = 20_000


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows. ``event`` is ``None`` for one whose text was deleted, and for consistency.

    ``pinned`` tells whether the signing key was known beforehand.
    """

    kind: str
    tenant_id: TenantId
    checkpoint: Checkpoint
    first: Checkpoint | None
    sequence: int | None
    event: dict[str, Any] | None
    pinned: bool


async def prove_inclusion(
    store: Store,
    tenant: TenantId,
    *,
    event_id: UUID | None = None,
    sequence: int | None = None,
    key: VerifierKey,
    note: str | None = None,
) -> dict[str, Any]:
    """That an event is in the record that a checkpoint saw: ``note``, else the newest in the store.

    The event is named by its id, or by its number. Raises ``NotFound``, ``CheckpointInvalid``, and
    ``ProofInvalid`` where the record does not lead to the checkpoint any more.
    """
    async with store.platform(Purpose.REPORTING) as session:
        named = {"tenant": tenant, "id": event_id, "sequence": sequence}
        row = (await session.execute(EVENT, named)).one_or_none()
        if row is None:
            raise NotFound("the record has no such event")
        if note is None:
            note = await _newest(session, tenant, row.sequence)
    if note is None:
        raise NotFound("no checkpoint has seen this event yet; one is signed within seconds")
    checkpoint = key.open(note)
    leaves = await _leaves(store, tenant, checkpoint.size)
    if not row.sequence <= len(leaves) == checkpoint.size:
        raise ProofInvalid("the checkpoint did not see this event, or events have been cut off since")
    path = inclusion_proof(leaves, row.sequence - 1)
    document = {
        "format": FORMAT,
        "kind": "inclusion",
        "tenant_id": str(tenant),
        "sequence": row.sequence,
        **_said(row),
        "path": [item.hex() for item in path],
        "checkpoint": note,
        "key": str(key),
    }
    check(canonical(document), (key,))  # none is given that does not hold
    return document


async def prove_consistency(
    store: Store, tenant: TenantId, *, first: str, second: str | None = None, key: VerifierKey
) -> dict[str, Any]:
    """That the record which ``second`` saw (a note; else the newest) only adds to the one that ``first`` saw.

    Raises as ``prove_inclusion``.
    """
    earlier = key.open(first)
    if second is None:
        async with store.platform(Purpose.REPORTING) as session:
            second = await _newest(session, tenant, earlier.size)
    if second is None:
        raise ProofInvalid("the record has no checkpoint as long as the first: it was cut off")
    later = key.open(second)
    leaves = await _leaves(store, tenant, later.size)
    if not 0 < earlier.size <= later.size == len(leaves):
        raise ProofInvalid("the record is shorter than what was signed, or the order is the other way round")
    path = consistency_proof(leaves, earlier.size)
    document = {
        "format": FORMAT,
        "kind": "consistency",
        "tenant_id": str(tenant),
        "path": [item.hex() for item in path],
        "first": first,
        "second": second,
        "key": str(key),
    }
    check(canonical(document), (key,))
    return document


def check(data: bytes, pinned: Sequence[VerifierKey] = ()) -> Proven:
    """What a proof shows, checked without any network or database.

    ``pinned`` are the keys to trust; without them the proof's own key is taken, which anybody could have
    made. Raises ``ProofInvalid`` for anything but a proof that holds.
    """
    value = _document(data)
    try:
        own = VerifierKey.parse(str(value["key"]))
        if pinned and own not in pinned:
            raise ProofInvalid(f"signed by {own.name}, which is not among the trusted keys")
        path = tuple(_hash(item) for item in value["path"])
        tenant = TenantId(UUID(value["tenant_id"]))
        if len(path) > PATH_MAX or str(tenant) != value["tenant_id"]:
            raise ProofInvalid("the path is too long, or the tenant's id was altered")
        if value["kind"] == "inclusion":
            return _inclusion(value, own, path, tenant, pinned=bool(pinned))
        return _consistency(value, own, path, tenant, pinned=bool(pinned))
    except (KeyInvalid, CheckpointInvalid) as error:
        raise ProofInvalid(str(error)) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ProofInvalid("the document is no proof") from error


def _inclusion(
    value: dict[str, Any], key: VerifierKey, path: tuple[bytes, ...], tenant: TenantId, *, pinned: bool
) -> Proven:
    if value.keys() - {"event", "leaf"} != _INCLUSION or ("event" in value) == ("leaf" in value):
        raise ProofInvalid("the document is no proof of inclusion")
    checkpoint, sequence, event = open_with_any((key,), value["checkpoint"]), value["sequence"], None
    if type(sequence) is not int or checkpoint.tenant_id != tenant:
        raise ProofInvalid("the checkpoint was signed for another tenant's record")
    if "event" in value:
        event = value["event"]
    leaf = _hash(value["leaf"]) if event is None else leaf_hash(canonical(event))
    verify_inclusion(leaf, sequence - 1, checkpoint.size, path, checkpoint.root)
    return Proven("inclusion", tenant, checkpoint, None, sequence, event, pinned)


def _consistency(
    value: dict[str, Any], key: VerifierKey, path: tuple[bytes, ...], tenant: TenantId, *, pinned: bool
) -> Proven:
    if value["kind"] != "consistency" or value.keys() != _CONSISTENCY:
        raise ProofInvalid("the document is no proof")
    first, second = open_with_any((key,), value["first"]), open_with_any((key,), value["second"])
    if not first.tenant_id == second.tenant_id == tenant:
        raise ProofInvalid("the checkpoints were signed for another tenant's record")
    verify_consistency(first.size, second.size, path, first.root, second.root)
    return Proven("consistency", tenant, second, first, None, None, pinned)


def _document(data: bytes) -> dict[str, Any]:
    """One text for one proof, so that no byte of it can be changed unnoticed."""
    try:
        value: Any = json.loads(data) if len(data) <= DOCUMENT_BYTES_MAX else None
        known = isinstance(value, dict) and canonical(value) == data.removesuffix(b"\n")
    except (ValueError, RecursionError, NotCanonical) as error:
        raise ProofInvalid("the document is no canonical JSON") from error
    if not known or value.get("format") != FORMAT or not value.keys() >= _COMMON:
        raise ProofInvalid("the document is no proof, or was altered")
    found: dict[str, Any] = value
    return found


def _said(row: Row[Any]) -> dict[str, Any]:
    return {"leaf": row.leaf.hex()} if row.body is None else {"event": json.loads(row.body)}


def _hash(item: str) -> bytes:
    data = bytes.fromhex(item)
    if len(data) != HASH_BYTES or data.hex() != item:
        raise ProofInvalid("a hash was altered")
    return data


async def _newest(session: AsyncSession, tenant: TenantId, sequence: int) -> str | None:
    """The note of the newest checkpoint, if it saw event ``sequence``."""
    place = {"tenant": tenant, "sequence": sequence}
    return (await session.execute(CHECKPOINT, place)).scalar_one_or_none()


async def _leaves(store: Store, tenant: TenantId, last: int) -> list[bytes]:
    """The leaf hashes up to number ``last``: 32 bytes an event, however long their texts are."""
    found: list[bytes] = []
    while len(found) < last:
        async with store.platform(Purpose.REPORTING) as session:
            page = await chain.leaves(session, tenant, after=len(found), last=last, limit=LEAVES_PAGE)
        if not page:
            break
        found += page
    return found
