"""Deleting a tenant: a stated process that can be ended by whoever finds it unfinished, and its proof.

    active --begin--> deleting --erase--> (no rows left) --finish--> deleted

``begin`` stops the tenant's calls and destroys its data key, so that nothing sealed under it opens again,
whatever backups hold. Erasing goes in batches, each a transaction of its own. ``finish`` counts the rows of
every table in the same transaction as the closing event, and refuses while any is left. What stays is the
tenant's id without its name, and the hashes of its chain: an export taken earlier can still be verified,
and nobody can claim that it was another tenant's.
"""

import json
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store import custody, retention, tenants
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import EraseRefused, RecordHeld
from store.migrations.erased_tables import ERASED, KEPT
from store.tables import CHAIN_HEAD, EVENT, TENANT
from store.tenants import INTERNAL, PLATFORM, TenantState

# Small enough that no lock is held for long, large enough that a million rows take minutes.
BATCH_ROWS = 5000

FINISH = "tenant.delete.finish"


@dataclass(frozen=True, slots=True)
class ErasureProof:
    """What was counted when the tenant was declared deleted: ``remaining`` is zero for every table named.

    ``events`` and ``chain`` (hex) are the length and the last link of its chain.
    """

    tenant_id: TenantId
    remaining: dict[str, int]
    events: int
    chain: str


async def begin(store: Store, *, actor: Actor, tenant_id: TenantId) -> dict[str, int]:
    """Stop a tenant and destroy its data key; rows in each table, as they are now. There is no way back.

    May be repeated. Raises ``EraseRefused`` for a tenant that is deleted already, or is no customer's, and
    ``RecordHeld`` while a hold stands.
    """
    async with store.platform(Purpose.DELETION) as session:
        state = await _state(session, tenant_id)
        if await retention.held(session, tenant_id=tenant_id):
            raise RecordHeld("the tenant's record is under a hold, which somebody has to release first")
        if state is TenantState.DELETED or tenant_id in INTERNAL:
            raise EraseRefused("this tenant cannot be deleted")
        rows = await _rows(session, tenant_id)
        if state is TenantState.ACTIVE:
            await tenants.set_state(session, tenant_id=tenant_id, state=TenantState.DELETING)
            await record(
                session, actor, "tenant.delete.begin", tenant_id=None, target=tenant_id, **_held(rows)
            )
    async with store.tenant(tenant_id) as session:
        await custody.destroy_data_key(session)
    return rows


async def erase(store: Store, *, tenant_id: TenantId, batch_rows: int = BATCH_ROWS) -> int:
    """Erase what is left of a tenant that is being deleted; how many rows. May be killed and repeated."""
    erased = 0
    for table in ERASED:
        while True:
            async with store.platform(Purpose.DELETION) as session:
                batch = await session.scalar(select(func.conduit.erase_rows(tenant_id, table, batch_rows)))
            erased += int(batch or 0)
            if not batch:
                break
    return erased


async def finish(store: Store, *, actor: Actor, tenant_id: TenantId) -> ErasureProof:
    """Declare a tenant deleted, with the proof in the platform's chain.

    Raises ``EraseRefused`` while a row is left, or when the deletion was never begun.
    """
    async with store.platform(Purpose.DELETION) as session:
        if await _state(session, tenant_id) is not TenantState.DELETING:
            raise EraseRefused("the tenant is not being deleted")
        remaining = {
            name: count for name, count in (await _rows(session, tenant_id)).items() if name not in KEPT
        }
        if any(remaining.values()):
            raise EraseRefused(f"rows are left in {', '.join(sorted(_held(remaining)))}")
        head = (
            await session.execute(
                select(CHAIN_HEAD.c.sequence, CHAIN_HEAD.c.chain).where(CHAIN_HEAD.c.tenant_id == tenant_id)
            )
        ).one_or_none()
        proof = ErasureProof(
            tenant_id, remaining, head.sequence if head else 0, head.chain.hex() if head else ""
        )
        await tenants.set_state(session, tenant_id=tenant_id, state=TenantState.DELETED)
        await session.execute(
            update(TENANT).where(TENANT.c.tenant_id == tenant_id).values(name=f"deleted {tenant_id}")
        )
        await record(
            session,
            actor,
            FINISH,
            tenant_id=None,
            target=tenant_id,
            tables_empty=sorted(remaining),
            events=proof.events,
            chain=proof.chain,
        )
    return proof


async def delete_tenant(store: Store, *, actor: Actor, tenant_id: TenantId) -> ErasureProof:
    """The whole way, from wherever an earlier attempt stopped."""
    await begin(store, actor=actor, tenant_id=tenant_id)
    await erase(store, tenant_id=tenant_id)
    return await finish(store, actor=actor, tenant_id=tenant_id)


async def unproven(store: Store) -> list[TenantId]:
    """Tenants that are marked as deleted without the proof in the platform's chain, as a forger would.

    Verify the platform's chain first: what it says is worth as much as it is whole.
    """
    async with store.platform(Purpose.REPORTING, consistent=True) as session:
        marked = await session.execute(
            select(TENANT.c.tenant_id, CHAIN_HEAD.c.chain)
            .outerjoin_from(TENANT, CHAIN_HEAD, TENANT.c.tenant_id == CHAIN_HEAD.c.tenant_id)
            .where(TENANT.c.state == TenantState.DELETED.value)
        )
        acts = await session.scalars(
            select(EVENT.c.body).where(
                EVENT.c.tenant_id == PLATFORM, EVENT.c.kind == "act", EVENT.c.body.contains(FINISH)
            )
        )
        proven = {
            (act["target"], act.get("detail", {}).get("chain", ""))
            for act in map(json.loads, acts)
            if act["action"] == FINISH
        }
        return [
            tenant_id
            for tenant_id, chain in marked
            if (str(tenant_id), chain.hex() if chain else "") not in proven
        ]


async def _state(session: AsyncSession, tenant_id: TenantId) -> TenantState:
    return (await tenants.get(session, tenant_id=tenant_id)).state


async def _rows(session: AsyncSession, tenant_id: TenantId) -> dict[str, int]:
    counted = func.conduit.count_rows(tenant_id).table_valued("table_name", "rows")
    return {row.table_name: row.rows for row in await session.execute(select(counted))}


def _held(rows: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in rows.items() if count}
