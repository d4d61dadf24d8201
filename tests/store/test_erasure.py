"""A deleted tenant leaves no row, only the hashes of its chain and a proof; half a deletion can be ended."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from sqlalchemy import text

from policy.identifiers import TenantId
from store import custody, erasure, events, members, tenants
from store.acts import Actor, record
from store.canary_rows import furnish, state_of
from store.claim import Purpose
from store.door import Store
from store.errors import EraseRefused, InvalidRecord, TenancyViolation
from store.tenants import PLATFORM, TenantState

ACTOR = Actor("admin", via="command line")


@pytest.fixture
async def furnished(store: Store, tenant: TenantId) -> TenantId:
    async with store.tenant(tenant) as session:
        await furnish(session, tenant, number=21)
        await record(session, ACTOR, "user.create", tenant_id=tenant, target="somebody")
    return tenant


async def state_in_the_store(store: Store, tenant: TenantId) -> tenants.Tenant:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        return await tenants.get(session, tenant_id=tenant)


async def test_deleting_leaves_a_proof_and_nothing_else(
    store: Store, furnished: TenantId, other_tenant: TenantId
) -> None:
    async with store.tenant(other_tenant) as session:
        await furnish(session, other_tenant, number=22)
        untouched = await state_of(session)
    proof = await erasure.delete_tenant(store, actor=ACTOR, tenant_id=furnished)
    assert set(proof.remaining.values()) == {0}
    assert {"member", "event", "usage", "tenant_secret"} <= proof.remaining.keys()
    assert (proof.events, len(proof.chain)) == (1, 64)
    gone = await state_in_the_store(store, furnished)
    assert (gone.state, gone.enabled, gone.name) == (TenantState.DELETED, False, f"deleted {furnished}")
    async with store.tenant(other_tenant) as session:
        assert await state_of(session) == untouched
    async with store.tenant(PLATFORM) as session:
        [last, *_] = await events.latest(session, limit=1, search=events.Search(kind="act"))
    assert proof.chain in last.body
    assert furnished not in await erasure.unproven(store)


async def test_the_data_key_goes_first(store: Store, furnished: TenantId) -> None:
    held = await erasure.begin(store, actor=ACTOR, tenant_id=furnished)
    assert held["member"] == 1
    assert (await state_in_the_store(store, furnished)).state is TenantState.DELETING
    async with store.tenant(furnished) as session:
        assert await custody.read_data_key(session) is None
        assert len(await members.every(session)) == 1


async def test_a_deletion_that_was_killed_is_ended_by_the_next(store: Store, furnished: TenantId) -> None:
    await erasure.begin(store, actor=ACTOR, tenant_id=furnished)
    async with store.platform(Purpose.DELETION) as session:
        await session.execute(text("SELECT conduit.erase_rows(:t, 'limit_rule', 1)"), {"t": furnished})
    with pytest.raises(EraseRefused, match="member"):
        await erasure.finish(store, actor=ACTOR, tenant_id=furnished)
    assert await erasure.erase(store, tenant_id=furnished, batch_rows=1) > 5
    await erasure.delete_tenant(store, actor=ACTOR, tenant_id=furnished)
    with pytest.raises(EraseRefused):
        await erasure.delete_tenant(store, actor=ACTOR, tenant_id=furnished)


async def test_a_live_tenants_rows_cannot_be_erased(store: Store, furnished: TenantId) -> None:
    with pytest.raises(TenancyViolation):
        await erasure.erase(store, tenant_id=furnished)
    with pytest.raises(EraseRefused):
        await erasure.finish(store, actor=ACTOR, tenant_id=furnished)


@pytest.mark.parametrize("purpose", [Purpose.ADMINISTRATION, Purpose.SIGN_IN])
async def test_no_other_purpose_erases(store: Store, furnished: TenantId, purpose: Purpose) -> None:
    await erasure.begin(store, actor=ACTOR, tenant_id=furnished)
    with pytest.raises(TenancyViolation):
        async with store.platform(purpose) as session:
            await session.execute(text("SELECT conduit.erase_rows(:t, 'member', 1)"), {"t": furnished})


async def test_the_platform_cannot_be_deleted(store: Store) -> None:
    with pytest.raises(EraseRefused):
        await erasure.begin(store, actor=ACTOR, tenant_id=PLATFORM)


@pytest.mark.parametrize("table", ["chain_head", "tenant", "policy_version", "nowhere"])
async def test_what_is_kept_cannot_be_erased(store: Store, furnished: TenantId, table: str) -> None:
    await erasure.begin(store, actor=ACTOR, tenant_id=furnished)
    with pytest.raises(TenancyViolation):
        async with store.platform(Purpose.DELETION) as session:
            await session.execute(
                text("SELECT conduit.erase_rows(:t, :table, 1)"), {"t": furnished, "table": table}
            )


async def test_a_tenant_marked_as_deleted_without_proof_is_named(store: Store, furnished: TenantId) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        for state in (TenantState.DELETING, TenantState.DELETED):
            await tenants.set_state(session, tenant_id=furnished, state=state)
    assert furnished in await erasure.unproven(store)


STEPS = {
    (before, after): after in allowed
    for before, allowed in (
        (TenantState.ACTIVE, (TenantState.ACTIVE, TenantState.DELETING)),
        (TenantState.DELETING, (TenantState.DELETING, TenantState.DELETED)),
        (TenantState.DELETED, (TenantState.DELETED,)),
    )
    for after in TenantState
}


@contextmanager
def refused_by_the_database() -> Iterator[None]:
    """By its rule of a tenant's life (migration 0014), whatever our own code thinks."""
    with pytest.raises(InvalidRecord) as refused:
        yield
    assert refused.value.constraint == "tenant_life"


@pytest.mark.parametrize(("step", "allowed"), STEPS.items(), ids=[f"{a} to {b}" for a, b in STEPS])
async def test_there_is_no_way_back(
    store: Store, tenant: TenantId, step: tuple[TenantState, TenantState], allowed: bool
) -> None:
    before, after = step
    for state in list(TenantState)[1 : list(TenantState).index(before) + 1]:
        async with store.platform(Purpose.DELETION) as session:
            await tenants.set_state(session, tenant_id=tenant, state=state)
    with nullcontext() if allowed else refused_by_the_database():
        async with store.platform(Purpose.DELETION) as session:
            await tenants.set_state(session, tenant_id=tenant, state=after)


async def test_a_tenant_that_is_being_deleted_cannot_call_again(store: Store, tenant: TenantId) -> None:
    async with store.platform(Purpose.DELETION) as session:
        await tenants.set_state(session, tenant_id=tenant, state=TenantState.DELETING)
    with refused_by_the_database():
        async with store.platform(Purpose.ADMINISTRATION) as session:
            await tenants.set_enabled(session, tenant_id=tenant, enabled=True)


async def test_the_platform_itself_cannot_be_deleted(store: Store) -> None:
    with refused_by_the_database():
        async with store.platform(Purpose.DELETION) as session:
            await tenants.set_state(session, tenant_id=tenants.PLATFORM, state=TenantState.DELETING)
