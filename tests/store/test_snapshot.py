"""The snapshot follows the policy: in content, in time, and through the loss of PostgreSQL's connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from uuid import uuid4

import psycopg
import pytest

from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.limit_setting import LimitSetting
from policy.limits import LimitKind
from store import credentials, custody, endpoints, limits, members, networks, placeholders, tenants
from store.claim import Purpose
from store.door import Store
from store.errors import PolicyUnavailable
from store.placeholders import Binding
from store.snapshot import SnapshotSource
from tests.store.conftest import a_tenant


@asynccontextmanager
async def following(source: SnapshotSource) -> AsyncIterator[SnapshotSource]:
    task = asyncio.create_task(source.run())
    try:
        await source.newer_than(0)
        yield source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def a_digest() -> bytes:
    return uuid4().bytes + uuid4().bytes


async def a_placeholder(store: Store, tenant: TenantId, digest: bytes) -> placeholders.Placeholder:
    async with store.tenant(tenant) as session:
        user = await members.create(session, name=f"user {uuid4()}", cost_centre="R&D")
        key = await credentials.create(
            session, provider="openai", name=f"key {uuid4()}", hosts=["api.openai.com"]
        )
        await custody.write_envelope(session, credential_id=key.id, version=1, envelope=b"sealed")
        binding = Binding(user.id, key.id, models=frozenset({"gpt-5"}))
        return await placeholders.create(session, digest=digest, binding=binding)


async def test_no_snapshot_is_an_error_and_infinitely_old(gateway: Store) -> None:
    source = SnapshotSource(gateway)
    assert source.age_s == float("inf")
    with pytest.raises(PolicyUnavailable):
        source.current  # noqa: B018


async def test_holds_what_the_tables_hold(store: Store, gateway: Store, tenant: TenantId) -> None:
    digest, network = a_digest(), ip_network(f"10.{uuid4().bytes[0]}.{uuid4().bytes[0]}.0/24")
    placed = await a_placeholder(store, tenant, digest)
    async with store.tenant(tenant) as session:
        await custody.write_data_key(session, tenant_id=tenant, version=1, data_key=b"wrapped")
        await networks.add(session, network=network)
        await limits.put(
            session,
            setting=LimitSetting(LimitKind.CONCURRENT, 3),
            subject=limits.LimitSubject(member_id=placed.member_id),
        )
        await endpoints.set_rule(session, host="chat.example", state=EndpointState.COACHED)
    found = await SnapshotSource(gateway).load()
    assert found.tenants[tenant].data_key == b"wrapped"
    assert found.users[placed.member_id].cost_centre == "R&D"
    assert found.credentials[placed.credential_id].envelope == b"sealed"
    assert found.placeholder(digest).models == {"gpt-5"}
    assert found.tenant_at(ip_address(network[7])) == tenant
    assert [limit.amount for limit in found.limits_for(tenant, placed.member_id, None, None)] == [3]
    assert found.endpoint_state(tenant, "chat.example") is EndpointState.COACHED
    assert found.holds_credential(tenant, "openai")


async def test_a_revoked_placeholder_is_revoked_in_memory(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    digest = a_digest()
    placed = await a_placeholder(store, tenant, digest)
    async with following(SnapshotSource(gateway, poll_s=60)) as source:
        before = source.current
        assert not before.placeholder(digest).revoked
        async with store.tenant(tenant) as session:
            await placeholders.revoke(session, placeholder_id=placed.id)
        assert (await source.newer_than(before.version)).placeholder(digest).revoked


async def test_a_lost_connection_is_made_anew_and_the_policy_read_whole(
    store: Store, gateway: Store, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends, listener = [], gateway.listener

    async def noted() -> psycopg.AsyncConnection[tuple[object, ...]]:
        connection = await listener()
        backends.append(connection.info.backend_pid)
        return connection

    monkeypatch.setattr(gateway, "listener", noted)
    async with following(SnapshotSource(gateway, poll_s=60)) as source:
        version = source.current.version
        async with await listener() as same_role:
            await same_role.execute("SELECT pg_terminate_backend(%s)", backends)
        async with store.tenant(tenant) as session:
            user = await members.create(session, name="late")
        assert user.id in (await source.newer_than(version)).users
    assert len(backends) == 2


async def test_a_missed_notification_is_made_up_for(
    store: Store, gateway: Store, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.snapshot.CHANNEL", "nobody_speaks_here")
    async with following(SnapshotSource(gateway, poll_s=0.05)) as source:
        version = source.current.version
        async with store.tenant(tenant) as session:
            user = await members.create(session, name="unheard")
        assert user.id in (await source.newer_than(version)).users


async def test_age_grows_while_postgres_is_away(gateway: Store) -> None:
    now = [100.0]
    source = SnapshotSource(gateway, monotonic=lambda: now[0])
    await source.load()
    assert source.age_s == 0
    now[0] += 30
    assert source.age_s == 30
    assert source.current.version > 0


async def test_a_network_of_two_tenants_belongs_to_neither(store: Store, gateway: Store) -> None:
    network = ip_network("172.31.7.0/24")
    first, second = await a_tenant(store), await a_tenant(store)
    for holder in (first, second):
        async with store.tenant(holder) as session:
            await networks.add(session, network=network)
    found = await SnapshotSource(gateway).load()
    assert found.tenant_at(ip_address("172.31.7.9")) is None
    async with store.tenant(second) as session:
        await networks.remove(session, network=network)
    found = await SnapshotSource(gateway).load()
    assert found.tenant_at(ip_address("172.31.7.9")) == first


async def test_an_unknown_time_zone_stops_that_tenant_alone(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        odd = await tenants.create(session, name=f"odd {uuid4()}", region="eu", time_zone="Mars/Olympus")
    found = await SnapshotSource(gateway).load()
    assert not found.tenants[odd.tenant_id].enabled
    assert found.tenants[tenant].enabled


CHANGES = (
    lambda s, row: members.set_enabled(s, member_id=row.member_id, enabled=False),
    lambda s, row: custody.write_envelope(s, credential_id=row.credential_id, version=2, envelope=b"again"),
    lambda s, row: custody.write_data_key(s, tenant_id=row.tenant_id, version=1, data_key=b"wrapped"),
    lambda s, row: limits.put(s, setting=LimitSetting(LimitKind.CONCURRENT, 1)),
    lambda s, row: limits.put(
        s, setting=LimitSetting(LimitKind.CONCURRENT, 2), subject=limits.LimitSubject(placeholder_id=row.id)
    ),
    lambda s, row: limits.put(s, setting=LimitSetting(LimitKind.CONCURRENT, 3)),
    lambda s, row: endpoints.set_rule(s, host="a.example", state=EndpointState.BLOCKED),
    lambda s, row: endpoints.clear_rule(s, host="a.example"),
    lambda s, row: credentials.revoke(s, credential_id=row.credential_id),
    lambda s, row: custody.destroy_envelope(s, credential_id=row.credential_id),
    lambda s, row: placeholders.revoke(s, placeholder_id=row.id),
)


async def same_as_whole(source: SnapshotSource, gateway: Store) -> bool:
    changed, whole = await source.refresh(), await SnapshotSource(gateway).load()
    return replace(changed, loaded_at=whole.loaded_at) == whole


async def test_what_is_read_of_changes_equals_what_is_read_whole(store: Store, gateway: Store) -> None:
    rows = [await a_placeholder(store, await a_tenant(store), a_digest()) for _ in range(2)]
    source = SnapshotSource(gateway)
    await source.load()
    for number, change in enumerate(CHANGES):
        for row in rows:
            async with store.tenant(row.tenant_id) as session:
                await change(session, row)
        assert await same_as_whole(source, gateway), number
    for act in (
        lambda s: endpoints.set_platform_rule(s, host="all.example", state=EndpointState.BLOCKED),
        lambda s: tenants.set_enabled(s, tenant_id=rows[0].tenant_id, enabled=False),
        lambda s: endpoints.clear_platform_rule(s, host="all.example"),
    ):
        async with store.platform(Purpose.ADMINISTRATION) as session:
            await act(session)
        assert await same_as_whole(source, gateway)
    assert not source.current.tenants[rows[0].tenant_id].enabled


async def test_only_what_has_changed_is_read_again(store: Store, gateway: Store, tenant: TenantId) -> None:
    placed = await a_placeholder(store, tenant, a_digest())
    source = SnapshotSource(gateway)
    before = await source.load()
    async with store.tenant(await a_tenant(store)) as session:
        await members.create(session, name="elsewhere")
    after = await source.refresh()
    assert after.version > before.version
    assert after.placeholders[placed.digest] is before.placeholders[placed.digest]
