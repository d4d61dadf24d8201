"""What is to be told to a destination: nothing is lost or told wholesale twice, the same thing seldom."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from policy.identifiers import TenantId
from policy.incident import Severity, incident
from store import alerts, chain, tenants
from store.alerts import Message, Subscription
from store.claim import Purpose
from store.door import Store

NOW, LATER = timedelta(0), timedelta(hours=1)


async def happens(store: Store, tenant: TenantId, action: str, severity: Severity = Severity.ALARM) -> None:
    event = incident(action, datetime.now(UTC), severity=severity, whose=tenant, detail={"host": "a", "n": 1})
    async with store.tenant(tenant) as session:
        await chain.append(session, [event])


async def name_of(store: Store, tenant: TenantId) -> str:
    async with store.tenant(tenant) as session:
        return (await tenants.get(session, tenant_id=tenant)).name


@pytest.fixture
async def wanted(store: Store, tenant: TenantId) -> Subscription:
    """A new destination, of one tenant so that other tests' incidents do not come."""
    found = Subscription(f"d{uuid4().hex}", Severity.WARNING, await name_of(store, tenant))
    assert await take_in(store, found) == 0
    return found


async def take_in(store: Store, subscription: Subscription) -> int:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        return await alerts.take_in(session, subscription=subscription)


async def claim(store: Store, wanted: Subscription, lease: timedelta = LATER) -> Message | None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        return await alerts.claim(session, destination=wanted.destination, lease=lease)


async def claimed(store: Store, wanted: Subscription, lease: timedelta = LATER) -> Message:
    found = await claim(store, wanted, lease)
    assert found is not None
    return found


async def deliver(store: Store, message: Message, window: timedelta = LATER) -> None:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await alerts.delivered(session, message=message, window=window)


async def test_an_incident_is_told_once(store: Store, tenant: TenantId, wanted: Subscription) -> None:
    await happens(store, tenant, "first.thing")
    assert await take_in(store, wanted) == 1
    message = await claimed(store, wanted)
    assert "first.thing" in message.body
    assert message.tenant == wanted.tenant
    await deliver(store, message)
    assert await take_in(store, wanted) == 0
    assert await claim(store, wanted) is None


async def test_a_new_destination_hears_nothing_of_the_past(store: Store, tenant: TenantId) -> None:
    await happens(store, tenant, "old.thing")
    late = Subscription(f"d{uuid4().hex}", Severity.NOTICE, await name_of(store, tenant))
    assert await take_in(store, late) == 0
    await happens(store, tenant, "new.thing")
    assert await take_in(store, late) == 1


async def test_a_tenant_younger_than_the_destination_is_heard_from_its_first_incident(store: Store) -> None:
    name = f"tenant {uuid4()}"
    early = Subscription(f"d{uuid4().hex}", Severity.NOTICE, name)
    await take_in(store, early)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        young = await tenants.create(session, name=name, region="eu")
    await happens(store, young.tenant_id, "first.thing")
    assert await take_in(store, early) == 1


async def test_only_what_is_grave_enough_and_of_the_tenant(
    store: Store, tenant: TenantId, other_tenant: TenantId, wanted: Subscription
) -> None:
    await happens(store, tenant, "small.thing", Severity.NOTICE)
    await happens(store, other_tenant, "others.thing")
    await take_in(store, wanted)
    assert await claim(store, wanted) is None
    await happens(store, tenant, "grave.thing", Severity.WARNING)
    await take_in(store, wanted)
    assert "grave.thing" in (await claimed(store, wanted)).body


async def test_the_gravest_comes_first(store: Store, tenant: TenantId, wanted: Subscription) -> None:
    await happens(store, tenant, "a.warning", Severity.WARNING)
    await happens(store, tenant, "an.alarm")
    await take_in(store, wanted)
    assert "an.alarm" in (await claimed(store, wanted)).body


async def test_repetitions_are_counted_and_told_at_the_windows_end(
    store: Store, tenant: TenantId, wanted: Subscription
) -> None:
    for _ in range(3):
        await happens(store, tenant, "same.thing")
    await take_in(store, wanted)
    first = await claimed(store, wanted)
    assert (first.repeats, first.told) == (2, False)
    await happens(store, tenant, "same.thing")  # while the first is on its way
    await take_in(store, wanted)
    await deliver(store, first, NOW)
    second = await claimed(store, wanted)
    assert (second.repeats, second.told, second.rounds) == (1, True, 1)
    await deliver(store, second, NOW)
    assert await claim(store, wanted) is None
    await happens(store, tenant, "same.thing")  # the window has ended: told anew
    await take_in(store, wanted)
    third = await claimed(store, wanted)
    assert (third.repeats, third.told) == (0, False)
    assert third.id != first.id


async def test_within_the_window_nothing_more_is_said(
    store: Store, tenant: TenantId, wanted: Subscription
) -> None:
    await happens(store, tenant, "same.thing")
    await take_in(store, wanted)
    await deliver(store, await claimed(store, wanted), LATER)
    await happens(store, tenant, "same.thing")
    assert await take_in(store, wanted) == 1
    assert await claim(store, wanted) is None


async def test_a_message_whose_sender_died_comes_again(
    store: Store, tenant: TenantId, wanted: Subscription
) -> None:
    await happens(store, tenant, "some.thing")
    await take_in(store, wanted)
    lost = await claimed(store, wanted, NOW)
    again = await claimed(store, wanted)
    assert (again.id, again.rounds, again.attempts) == (lost.id, lost.rounds, 2)
    assert await claim(store, wanted) is None  # and is nobody else's for the length of the lease


async def test_a_failure_waits_with_its_reason_and_success_ends_it(
    store: Store, tenant: TenantId, wanted: Subscription
) -> None:
    await happens(store, tenant, "some.thing")
    await take_in(store, wanted)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        message = await alerts.claim(session, destination=wanted.destination, lease=LATER)
        assert message is not None
        await alerts.failed(session, message=message, wait=NOW, problem="HTTP 500")
    assert await standing(store, wanted) == (1, "HTTP 500")
    await deliver(store, await claimed(store, wanted))
    assert await standing(store, wanted) == (0, None)


async def standing(store: Store, wanted: Subscription) -> tuple[int, str | None]:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        found = {each.destination: each for each in await alerts.standings(session)}
    return found[wanted.destination].waiting, found[wanted.destination].problem


async def test_a_flood_of_different_incidents_is_folded(
    store: Store, tenant: TenantId, wanted: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "FOLDED_FROM", 2)
    events = [
        incident(
            "one.of-many", datetime.now(UTC), severity=Severity.ALARM, whose=tenant, detail={"host": f"{n}"}
        )
        for n in range(10)
    ]
    async with store.tenant(tenant) as session:
        await chain.append(session, events)
    await take_in(store, wanted)
    messages = [await claimed(store, wanted) for _ in range(3)]
    assert sorted(message.repeats for message in messages) == [0, 0, 7]
    assert await claim(store, wanted) is None


async def test_no_batch_skips_what_it_cuts_off(
    store: Store, tenant: TenantId, wanted: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "READ_AT_ONCE", 2)
    for number in range(5):
        await happens(store, tenant, f"thing.{number}")
    assert [await take_in(store, wanted) for _ in range(4)] == [2, 2, 1, 0]
    told = [(await claimed(store, wanted)).body for _ in range(5)]
    assert {number for number in range(5) for body in told if f"thing.{number}" in body} == set(range(5))
