"""Acts about kept content: deciding whether it is kept, opening one call's by two people, deleting by period.

    requested (by one) → approved or refused (by another, who proves it with a one-time code) → opened

Opening is for who asked, within an hour of the approval, any number of times, each an act of the record.
Who proves what is the console's business (``console.step_up``); that they are two is checked here and by
the database.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from policy.content import BYTES_MAX, unpacked
from policy.identifiers import TenantId
from store import approvals, content
from store.acts import Actor, record
from store.approvals import Approval, ApprovalState
from store.claim import Purpose
from store.content import ContentPolicy
from store.door import Store
from store.errors import InvalidRecord, NotFound, RecordHeld
from store.key_custody import keyed_tenant, lock_tenant_keys
from vault import content as sealed_content
from vault.vault import Vault

ACTION = "content.open"
# How long a request waits for a second person. An approval then holds for an hour (migration 0016).
REQUEST_LIFETIME = timedelta(days=1)
REASON_LENGTH_MAX = 1000
BATCH_RECORDS = 500


@dataclass(frozen=True, slots=True)
class Opening:
    """A request to open the content of one call. ``event_id`` is whose, ``reason`` why."""

    approval: Approval
    event_id: UUID
    reason: str


async def set_policy(
    store: Store, vault: Vault, *, actor: Actor, tenant_id: TenantId, keep: bool, bytes_max: int = BYTES_MAX
) -> ContentPolicy:
    """Keep what is said from now on, so many bytes a direction, or stop. What is kept already stays.

    Raises ``InvalidRecord``, ``NotFound`` for a tenant that was shredded, and the vault's errors.
    """
    if not 1 <= bytes_max <= BYTES_MAX:
        raise InvalidRecord(f"between 1 and {BYTES_MAX} bytes of each direction can be kept")
    async with store.tenant(tenant_id) as session:
        await lock_tenant_keys(session, tenant_id)
        before = await content.find_policy(session)
        tenant = await keyed_tenant(session, tenant_id)
        await vault.unlock(tenant)
        key = before.content_key if before else vault.new_content_key(tenant)
        stated = await content.put_policy(session, keep=keep, bytes_max=bytes_max, content_key=key)
        await record(
            session,
            actor,
            "content.policy",
            tenant_id=tenant_id,
            target=tenant_id,
            keep=keep,
            bytes_max=bytes_max,
        )
    return stated


async def request_opening(
    store: Store, *, actor: Actor, tenant_id: TenantId, event_id: UUID, reason: str
) -> Opening:
    """Ask that the content of a call be opened.

    Raises ``InvalidRecord`` without a reason, and ``NotFound`` where nothing is kept of such a call.
    """
    why = " ".join(reason.split())
    if not 0 < len(why) <= REASON_LENGTH_MAX:
        raise InvalidRecord(f"a request states its reason, in at most {REASON_LENGTH_MAX} characters")
    async with store.tenant(tenant_id) as session:
        if not await content.is_kept(session, event_id=event_id):
            raise NotFound("no content is kept of this event; `conduit content list` shows what is")
        asked = await approvals.request(
            session,
            action=ACTION,
            subject=f"{event_id} {why}",
            requested_by=actor.name,
            expires_at=datetime.now(UTC) + REQUEST_LIFETIME,
        )
        await record(
            session,
            actor,
            "content.request",
            tenant_id=tenant_id,
            target=event_id,
            approval=str(asked.id),
            reason=why,
        )
    return opening_of(asked)


async def decide_opening(
    store: Store, *, actor: Actor, tenant_id: TenantId, approval_id: UUID, approve: bool
) -> Opening:
    """Approve a request, or refuse it. The caller has made sure by a one-time code who the actor is.

    Raises ``InvalidRecord`` for who asked, ``NotFound`` for what is decided, expired, or no such request.
    """
    async with store.tenant(tenant_id) as session:
        asked = await _request(session, approval_id)
        if asked.requested_by == actor.name:
            raise InvalidRecord("a request is decided by another person than the one who made it")
        state = ApprovalState.APPROVED if approve else ApprovalState.REFUSED
        decided = await approvals.decide(session, approval_id=approval_id, state=state, decided_by=actor.name)
        opening = opening_of(decided)
        await record(
            session,
            actor,
            "content.approve" if approve else "content.refuse",
            tenant_id=tenant_id,
            target=opening.event_id,
            approval=str(approval_id),
            requested_by=decided.requested_by,
        )
    return opening


async def open_content(
    store: Store, vault: Vault, *, actor: Actor, tenant_id: TenantId, approval_id: UUID
) -> dict[str, Any]:
    """What was said in the call of an approved request, for who made it; the act is recorded first.

    Raises ``NotApproved`` without a fresh approval by another, ``NotFound`` where the content was
    deleted or never kept, ``vault.errors.Unopenable`` after the tenant was shredded.
    """
    async with store.tenant(tenant_id) as session:
        sealed = await content.read(session, approval_id=approval_id, reader=actor.name)
        policy = await content.find_policy(session)
        if sealed is None or policy is None:
            raise NotFound("the content of this call is not kept, or has been deleted")
        tenant = await keyed_tenant(session, tenant_id)
        await record(
            session,
            actor,
            ACTION,
            tenant_id=tenant_id,
            target=sealed.event_id,
            approval=str(approval_id),
        )
    await vault.unlock(tenant)
    key = vault.content_key(tenant, policy.content_key)
    plain = sealed_content.unseal(key, sealed.sealed, tenant_id=tenant_id, event_id=sealed.event_id)
    return {"event_id": str(sealed.event_id), **unpacked(plain).document()}


async def openings(store: Store, *, tenant_id: TenantId) -> list[Opening]:
    """Every request of a tenant, newest first."""
    async with store.tenant(tenant_id) as session:
        return [opening_of(each) for each in await approvals.every(session) if each.action == ACTION]


async def delete_due(
    store: Store, *, actor: Actor, tenant_id: TenantId, batch_records: int = BATCH_RECORDS
) -> int:
    """Delete the content that is older than its period; how many records. Nothing while a hold stands."""
    deleted = 0
    try:
        while True:
            async with store.platform(Purpose.DELETION) as session:
                batch = int(
                    await session.scalar(select(func.conduit.delete_content(tenant_id, batch_records))) or 0
                )
                if not batch:
                    return deleted
                await record(
                    session,
                    actor,
                    "content.prune",
                    tenant_id=tenant_id,
                    target=tenant_id,
                    records=batch,
                )
            deleted += batch
    except RecordHeld:
        return deleted


def opening_of(approval: Approval) -> Opening:
    """An approval as what it is about."""
    event_id, _, reason = approval.subject.partition(" ")
    return Opening(approval, UUID(event_id), reason)


async def _request(session: Any, approval_id: UUID) -> Approval:
    for each in await approvals.every(session):
        if each.id == approval_id and each.action == ACTION:
            return each
    raise NotFound("no such request")
