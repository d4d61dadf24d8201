"""People, keys, networks, limits and approvals: one row each way, and what the schema refuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from policy.identifiers import TenantId
from policy.limit_setting import LimitSetting
from policy.limits import LimitKind, LimitScope, Window
from policy.money import MicroDollars
from store import approvals, credentials, custody, limits, members, networks, placeholders, teams, tenants
from store.approvals import ApprovalState
from store.claim import Purpose
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord, MissingReference, NotFound
from store.placeholders import Binding
from store.tenants import DegradedMode

NOW = datetime.now(UTC)
ID = UUID(int=1)


async def version(store: Store) -> int:
    async with store.engine.connect() as connection:
        return (await connection.execute(text("SELECT version FROM conduit.policy_version"))).scalar_one()


async def test_a_transaction_of_policy_is_one_version(store: Store, tenant: TenantId) -> None:
    before = await version(store)
    async with store.tenant(tenant) as session:
        for number in range(5):
            await members.create(session, name=f"user {number}")
    after = await version(store)
    assert after == before + 1
    async with store.tenant(tenant) as session:
        await members.every(session)
        await approvals.request(session, action="a", subject="b", requested_by="c", expires_at=NOW)
    assert await version(store) == after


async def test_a_tenants_administrator_changes_its_settings_alone(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        await tenants.set_time_zone(session, tenant_id=tenant, time_zone="Europe/Berlin")
        await tenants.set_residency(session, tenant_id=tenant, regions=["eu"])
        await tenants.set_decryption(session, tenant_id=tenant, unknown=True, never=["union.example"])
        changed = await tenants.set_allowance(session, tenant_id=tenant, allowance=MicroDollars(5_000_000))
    assert (changed.decrypt_unknown, changed.never_decrypted) == (True, ("union.example",))
    assert (changed.time_zone, changed.data_residency) == ("Europe/Berlin", ("eu",))
    assert changed.degraded_mode is DegradedMode.LOCAL_ALLOWANCE
    async with store.platform(Purpose.ADMINISTRATION) as session:
        found = await tenants.find(session, name=changed.name.upper())
        assert found == changed
        assert found in await tenants.every(session)


async def test_the_platform_is_in_no_list_of_tenants(store: Store) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        assert await tenants.find(session, name="platform") is None
        assert tenants.PLATFORM not in {tenant.tenant_id for tenant in await tenants.every(session)}


async def test_users_belong_to_teams(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        team = await teams.create(session, name="Research")
        user = await members.create(session, name="Ada")
        moved = await members.assign(session, member_id=user.id, team_id=team.id, cost_centre="42")
        assert (moved.team_id, moved.cost_centre) == (team.id, "42")
        assert not (await members.set_enabled(session, member_id=user.id, enabled=False)).enabled
        assert await teams.find(session, name="Research") == team
    with pytest.raises(MissingReference):
        async with store.tenant(tenant) as session:
            await teams.remove(session, team_id=team.id)


async def test_a_credential_turns_over_and_ends(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        key = await credentials.create(session, provider="openai", name="main", hosts=["api.openai.com"])
        assert (await credentials.rotate(session, credential_id=key.id)).version == 2
        revoked = await credentials.revoke(session, credential_id=key.id)
        assert revoked.revoked_at is not None
        assert await credentials.find(session, name="main") is None
        again = await credentials.create(session, provider="openai", name="main", hosts=["api.openai.com"])
        assert await credentials.find(session, name="main") == again
        with pytest.raises(NotFound):
            await credentials.rotate(session, credential_id=key.id)


async def test_a_credential_is_bound_to_a_host(store: Store, tenant: TenantId) -> None:
    with pytest.raises(InvalidRecord):
        async with store.tenant(tenant) as session:
            await credentials.create(session, provider="openai", name="loose", hosts=[])


async def test_wrapped_keys_come_and_go_through_their_functions(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        assert await custody.read_data_key(session) is None
        await custody.write_data_key(session, tenant_id=tenant, version=1, data_key=b"one")
        assert [await custody.count_data_key_use(session) for _ in range(3)] == [1, 2, 3]
        await custody.write_data_key(session, tenant_id=tenant, version=1, data_key=b"rewrapped")
        assert (await custody.read_data_key(session)).operations == 3
        await custody.write_data_key(session, tenant_id=tenant, version=2, data_key=b"two")
        assert await custody.read_data_key(session) == custody.DataKey(2, b"two", 0)
        assert await custody.destroy_data_key(session)
        assert not await custody.destroy_data_key(session)
        with pytest.raises(NotFound):
            await custody.count_data_key_use(session)


async def test_an_envelope_belongs_to_a_credential(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        key = await credentials.create(session, provider="openai", name="main", hosts=["api.openai.com"])
        for number, sealed in enumerate((b"one", b"two"), start=1):
            await custody.write_envelope(session, credential_id=key.id, version=number, envelope=sealed)
        assert await custody.read_envelope(session, credential_id=key.id) == custody.Envelope(2, b"two")
        assert await custody.destroy_envelope(session, credential_id=key.id)
        assert await custody.read_envelope(session, credential_id=key.id) is None
    assert "two" not in repr(custody.Envelope(2, b"two"))


async def test_placeholders_end_with_their_user(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        user = await members.create(session, name="Ada")
        key = await credentials.create(session, provider="openai", name="main", hosts=["api.openai.com"])
        binding = Binding(user.id, key.id, frozenset({"gpt-5"}), (ip_network("10.0.0.0/8"),), NOW)
        made = [
            await placeholders.create(session, digest=uuid4().bytes * 2, binding=binding) for _ in range(2)
        ]
        assert await placeholders.get(session, placeholder_id=made[0].id) == made[0]
        assert (made[0].models, made[0].networks) == (binding.models, binding.networks)
        await placeholders.revoke(session, placeholder_id=made[0].id)
        assert [row.id for row in await placeholders.revoke_all(session, member_ids=[user.id])] == [
            made[1].id
        ]
        with pytest.raises(NotFound):
            await placeholders.revoke(session, placeholder_id=made[1].id)


async def test_networks_are_registered_once(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        added = [await networks.add(session, network=ip_network(n)) for n in ("10.9.0.0/16", "fd00::/8")]
        assert await networks.every(session) == added
        assert await networks.holders(session, network=added[0].network) == [added[0]]
        assert await networks.remove(session, network=added[1].network) == added[1]
    with pytest.raises(AlreadyExists):
        async with store.tenant(tenant) as session:
            await networks.add(session, network=ip_network("10.9.0.0/16"))


async def test_setting_a_limit_again_changes_its_amount(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        user = await members.create(session, name="Ada")
        team = await teams.create(session, name="Analytics")
        budget = LimitKind.BUDGET_MICRO_DOLLARS
        daily = LimitSetting(budget, 5, Window.DAY)
        first = await limits.put(session, setting=daily)
        again = await limits.put(session, setting=replace(daily, amount=7, thresholds=(90,)))
        assert (again.id, again.amount, again.limit.thresholds) == (first.id, 7, (90,))
        assert first.limit.thresholds == (50, 80, 100)
        others = [
            await limits.put(session, setting=setting, subject=limits.LimitSubject(**subject))
            for setting, subject in (
                (LimitSetting(budget, 70, Window.MONTH), {}),
                (LimitSetting(budget, 9, Window.ROLLING, hours=24), {}),
                (LimitSetting(budget, 9, Window.ROLLING, hours=48), {}),
                (daily, {"model": "gpt-4*"}),
                (LimitSetting(LimitKind.REQUESTS_PER_MINUTE, 2, burst=1), {"team_id": team.id}),
                (LimitSetting(LimitKind.CONCURRENT, 2), {"member_id": user.id}),
            )
        ]
        assert [row.id for row in await limits.every(session)] == [first.id, *(row.id for row in others)]
        assert [(row.limit.scope, row.limit.subject) for row in (again, *others[-2:])] == [
            (LimitScope.TENANT, tenant),
            (LimitScope.TEAM, team.id),
            (LimitScope.USER, user.id),
        ]
        await limits.remove(session, limit_id=first.id)
        with pytest.raises(NotFound):
            await limits.remove(session, limit_id=first.id)


@pytest.mark.parametrize(
    ("setting", "subject"),
    [
        pytest.param(LimitSetting(LimitKind.BUDGET_MICRO_DOLLARS, 1), {}, id="budget without window"),
        pytest.param(LimitSetting(LimitKind.TOKENS, 1), {}, id="tokens without window"),
        pytest.param(LimitSetting(LimitKind.CONCURRENT, 1, Window.DAY), {}, id="window without budget"),
        pytest.param(LimitSetting(LimitKind.TOKENS, 1, Window.ROLLING), {}, id="rolling without hours"),
        pytest.param(LimitSetting(LimitKind.TOKENS, 1, Window.DAY, 24), {}, id="hours of a day"),
        pytest.param(LimitSetting(LimitKind.CONCURRENT, 1, burst=2), {}, id="burst without rate"),
        pytest.param(
            LimitSetting(LimitKind.CONCURRENT, 1, thresholds=(5,)), {}, id="threshold without window"
        ),
        pytest.param(LimitSetting(LimitKind.CONCURRENT, -1), {}, id="negative"),
        pytest.param(LimitSetting(LimitKind.CONCURRENT, 2**53), {}, id="beyond exact"),
        pytest.param(
            LimitSetting(LimitKind.CONCURRENT, 1), {"member_id": ID, "placeholder_id": ID}, id="two subjects"
        ),
        pytest.param(LimitSetting(LimitKind.CONCURRENT, 1), {"model": "a*b"}, id="star within"),
        pytest.param(LimitSetting(LimitKind.CONCURRENT, 1), {"model": "GPT"}, id="upper case"),
    ],
)
async def test_a_limit_that_means_nothing_is_refused(
    store: Store, tenant: TenantId, setting: LimitSetting, subject: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRecord):
        async with store.tenant(tenant) as session:
            await limits.put(session, setting=setting, subject=limits.LimitSubject(**subject))


async def test_an_approval_takes_two_people_and_one_decision(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        asked = await approvals.request(
            session, action="shred", subject="x", requested_by="Ada", expires_at=NOW + timedelta(hours=1)
        )

    async def decided(by: str) -> approvals.Approval:
        async with store.tenant(tenant) as session:
            return await approvals.decide(
                session, approval_id=asked.id, state=ApprovalState.APPROVED, decided_by=by
            )

    with pytest.raises(InvalidRecord):
        await decided("Ada")
    assert (await decided("Grace")).state is ApprovalState.APPROVED
    with pytest.raises(NotFound):
        await decided("Grace")
