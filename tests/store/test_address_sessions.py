"""Who holds an address: now in the policy, and at any moment of the past in the history."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.identifiers import TenantId
from policy.snapshot import AddressSession, Tenant
from store import address_sessions, events, networks, session_acts
from store.acts import Actor
from store.address_sessions import NewSession
from store.door import Store
from store.errors import InvalidRecord, NotFound
from store.snapshot import SnapshotSource
from tests.builders import a_snapshot, a_tenant

ACTOR = Actor("dhcp", "api")
HERE = ip_address("10.8.0.7")
T0 = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def office(store: Store, tenant: TenantId) -> TenantId:
    async with store.tenant(tenant) as session:
        await networks.add(session, network=ip_network("10.8.0.0/16"))
    return tenant


def a_session(user: str = "ada", *, start: datetime = T0, hours: float = 8, **changed) -> NewSession:
    stated = {"address": HERE, "source": "dhcp"} | changed
    return NewSession(user_name=user, started_at=start, expires_at=start + hours * HOUR, **stated)


async def told(store: Store, tenant: TenantId, *sessions: NewSession):
    return await session_acts.begin_sessions(store, actor=ACTOR, tenant_id=tenant, sessions=sessions)


async def held_by(store: Store, tenant: TenantId, at: datetime) -> str | None:
    async with store.tenant(tenant) as session:
        found = await address_sessions.holder(session, address=HERE, at=at)
    return found.user_name if found else None


async def test_the_history_names_who_held_an_address_then(store, office):
    await told(store, office, a_session("ada"), a_session("bob", start=T0 + 2 * HOUR, hours=1))
    moments = [T0 - HOUR, T0, T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR, T0 + 8 * HOUR]
    assert [await held_by(store, office, at) for at in moments] == [None, "ada", "ada", "bob", "ada", None]


async def test_the_order_in_which_sessions_are_told_does_not_matter(store, office):
    await told(store, office, a_session("bob", start=T0 + 2 * HOUR, hours=1))
    await told(store, office, a_session("ada"))
    assert await held_by(store, office, T0 + 2.5 * HOUR) == "bob"


async def test_a_renewed_lease_is_one_session_made_longer(store, office):
    (first,) = await told(store, office, a_session(hours=1))
    (again,) = await told(store, office, a_session(start=T0 + HOUR / 2, hours=2))
    assert (again.id, again.started_at, again.expires_at) == (first.id, T0, T0 + 2.5 * HOUR)
    (other,) = await told(store, office, a_session(start=T0 + HOUR, source="vpn"))
    assert other.id != first.id


async def test_a_session_can_be_ended_and_stays_in_the_history(store, office):
    await told(store, office, a_session())
    at = T0 + HOUR
    await session_acts.end_sessions(store, actor=ACTOR, tenant_id=office, address=HERE, at=at)
    assert [await held_by(store, office, moment) for moment in (at - HOUR / 2, at)] == ["ada", None]
    with pytest.raises(NotFound):
        await session_acts.end_sessions(store, actor=ACTOR, tenant_id=office, address=HERE, at=at)


async def test_sessions_of_another_tenant_are_not_there(store, office, other_tenant):
    await told(store, office, a_session())
    assert await held_by(store, other_tenant, T0) is None
    with pytest.raises(InvalidRecord, match="none of the tenant's networks"):
        await told(store, other_tenant, a_session())


@pytest.mark.parametrize(
    "bad",
    [
        a_session(hours=0),
        a_session(hours=-1),
        a_session(hours=24 * 31),
        a_session(""),
        a_session("a\x00b"),
        a_session("x" * 201),
        a_session(start=datetime(2026, 1, 1)),
        a_session(address=ip_address("192.0.2.1")),
    ],
    ids=repr,
)
async def test_a_session_that_cannot_be_is_refused_with_all_others(store, office, bad):
    with pytest.raises((InvalidRecord, ValueError)):
        await told(store, office, a_session("bob"), bad)
    assert await held_by(store, office, T0) is None


async def test_no_more_are_taken_than_can_be_written_at_once(office, store):
    for sessions in ([], [a_session()] * (session_acts.SESSIONS_AT_ONCE_MAX + 1)):
        with pytest.raises(InvalidRecord):
            await told(store, office, *sessions)


async def test_each_act_is_an_event(store, office):
    await told(store, office, a_session())
    async with store.tenant(office) as session:
        (event, *_) = await events.latest(session, limit=1)
    assert "session.begin" in event.body
    assert "10.8.0.7 ada until 2026-11-24T16:00:00+00:00" in event.body


async def test_the_policy_holds_the_sessions_that_last(store, gateway, office):
    now = datetime.now(UTC)
    await told(store, office, a_session("old", start=now - 3 * HOUR, hours=2))
    await told(store, office, a_session("ada", start=now - HOUR, hours=8))
    snapshot = await SnapshotSource(gateway).load()
    held = snapshot.session_at(office, HERE, now)
    assert held is not None
    assert held.user_name == "ada"
    assert len(snapshot._sessions[office, 4, int(HERE)]) == 1


SESSIONS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.sampled_from("abc")), max_size=8)


@given(SESSIONS, st.integers(0, 20))
def test_the_latest_begun_then_the_longest_counts(drawn, moment):
    """The same rule as the history's, in memory, whatever the order."""
    tenant: Tenant = a_tenant()
    sessions = [
        AddressSession(tenant.id, HERE, user, T0 + begin * HOUR, T0 + (begin + length) * HOUR)
        for begin, length, user in drawn
    ]
    at = T0 + moment * HOUR
    covering = [item for item in sessions if item.started_at <= at < item.expires_at]
    best = max(((item.started_at, item.expires_at) for item in covering), default=None)
    for order in (sessions, sessions[::-1]):
        found = a_snapshot(tenants=[tenant], sessions=order).session_at(tenant.id, HERE, at)
        assert (found and (found.started_at, found.expires_at)) == best
