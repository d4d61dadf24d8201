"""Random programs of two tenants through every repository function never meet."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from policy.exchange import EndpointState
from store import endpoints
from store.canary import shows
from store.canary_probes import PROBES
from store.canary_rows import Probe, Rows, furnish, state_of
from store.claim import Purpose
from store.door import Store
from store.errors import (
    AlreadyExists,
    InvalidRecord,
    MissingReference,
    NotApproved,
    NoTenant,
    NotFound,
    OneTimeUseSpent,
    TenancyViolation,
)
from store.roles import RoleSecrets
from tests.store.conftest import a_tenant

REFUSALS = (InvalidRecord, MissingReference, NotApproved, NotFound, OneTimeUseSpent, TenancyViolation)
IDS = [
    name
    for name in Rows.__dataclass_fields__
    if name.endswith("_id") or name in ("digest", "host", "network")
]

steps = st.tuples(
    st.sampled_from(range(len(PROBES))),
    st.booleans(),
    st.fixed_dictionaries({name: st.booleans() for name in IDS}),
)


def mixed(own: Rows, foreign: Rows, picks: dict[str, bool]) -> Rows:
    """Ids of both tenants in one call, as a confused or hostile caller would mix them."""
    return replace(own, **{name: getattr(foreign, name) for name, take in picks.items() if take})


async def a_furnished_tenant(store: Store, number: int) -> Rows:
    tenant = await a_tenant(store)
    async with store.tenant(tenant) as session:
        return await furnish(session, tenant, number=number)


async def play(store: Store, program: list[tuple[int, bool, dict[str, bool]]]) -> None:
    rows = [await a_furnished_tenant(store, number) for number in (11, 12)]
    for index, second, picks in program:
        own, foreign = rows[second], rows[not second]
        await step(store, PROBES[index], own, foreign, mixed(own, foreign, picks))


async def step(store: Store, probe: Probe, own: Rows, foreign: Rows, named: Rows) -> None:
    async with store.tenant(foreign.tenant_id) as session:
        before = await state_of(session)
    try:
        async with store.tenant(own.tenant_id) as session:
            seen = await probe.call(session, named)
        assert not shows(seen, foreign), probe.name
    except REFUSALS:
        pass
    except AlreadyExists:
        pass  # its own row, from an earlier step; the canary tells that apart from the other's
    async with store.tenant(foreign.tenant_id) as session:
        assert await state_of(session) == before, probe.name


def test_programs_of_two_tenants_never_meet(role_secrets: RoleSecrets) -> None:
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(role_secrets.console_dsn, role_secrets.claim_key))

        @settings(max_examples=15, suppress_health_check=list(HealthCheck))
        @given(program=st.lists(steps, min_size=1, max_size=10))
        def programs(program: list[tuple[int, bool, dict[str, bool]]]) -> None:
            runner.run(play(store, program))

        programs()
        runner.run(store.close())


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
async def test_without_a_tenant_every_function_raises(store: Store, probe: Probe) -> None:
    """But for the one that touches no tenant's rows: making empty months ahead."""
    if probe.name == "usage.prepare_months":
        return
    named = await a_furnished_tenant(store, 13)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await endpoints.set_platform_rule(session, host="for-all.test", state=EndpointState.BLOCKED)
    async with store.engine.connect() as connection:
        with pytest.raises(Exception, match=r"no valid claim|permission denied"):
            async with AsyncSession(connection) as session:
                await probe.call(session, named)


@pytest.mark.parametrize("nobody", [None, "", "0198c0de-0000-7000-8000-000000000001", 0])
async def test_a_session_needs_a_tenants_id(store: Store, nobody: object) -> None:
    with pytest.raises(NoTenant):
        async with store.tenant(nobody):  # type: ignore[arg-type]
            pass
