"""A tenant's chain: one order, one link for each event, nobody else's events."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store import chain
from store.canonical import NotCanonical, canonical
from store.chain import PLATFORM, EventInvalid, append, link, origin
from store.claim import Purpose
from store.door import Store
from store.errors import StoreError
from store.merkle import Frontier, leaf_hash


def event(tenant: TenantId | None, **facts: Any) -> dict[str, Any]:
    stated = {} if tenant is None else {"tenant_id": str(tenant)}
    return {
        "schema": 1,
        "id": str(uuid7()),
        "at": "2026-11-24T08:00:00.000000Z",
        "kind": "act",
        **stated,
        **facts,
    }


async def chained(store: Store, tenant: TenantId) -> list[Any]:
    async with store.tenant(tenant) as session:
        query = text("SELECT sequence, body, leaf, chain FROM conduit.event ORDER BY sequence")
        return list((await session.execute(query)).all())


async def test_each_link_holds_all_before_it(store: Store, tenant: TenantId) -> None:
    events = [event(tenant, target=str(number)) for number in range(5)]
    for part in (events[:2], events[2:]):
        async with store.tenant(tenant) as session:
            await append(session, part)
    expected = origin(tenant)
    for number, row in enumerate(await chained(store, tenant)):
        assert row.body.encode() == canonical(events[number])
        expected = link(expected, leaf_hash(canonical(events[number])))
        assert (row.sequence, row.chain) == (number + 1, expected)


async def test_the_head_knows_the_root(store: Store, tenant: TenantId) -> None:
    for count in (1, 2, 4):
        async with store.tenant(tenant) as session:
            await append(session, [event(tenant) for _ in range(count)])
    leaves = [row.leaf for row in await chained(store, tenant)]
    async with store.tenant(tenant) as session:
        head = (await session.execute(text("SELECT sequence, frontier FROM conduit.chain_head"))).one()
    assert Frontier.from_bytes(head.sequence, head.frontier) == Frontier().appended(leaves)


async def test_an_event_is_appended_once(store: Store, tenant: TenantId) -> None:
    once, other = event(tenant), event(tenant)
    async with store.tenant(tenant) as session:
        first = await append(session, [once, once])
    async with store.tenant(tenant) as session:
        second = await append(session, [once, other])
    assert [str(item) for item in (*first, *second)] == [once["id"], other["id"]]
    assert len(await chained(store, tenant)) == 2


async def test_writers_at_once_make_one_chain(store: Store, gateway: Store, tenant: TenantId) -> None:
    async def write(door: Store) -> None:
        async with door.tenant(tenant) as session:
            await append(session, [event(tenant), event(tenant)])

    await asyncio.gather(*(write(door) for door in (store, gateway) * 4))
    rows = await chained(store, tenant)
    assert [row.sequence for row in rows] == list(range(1, 17))
    expected = origin(tenant)
    for row in rows:
        expected = link(expected, row.leaf)
        assert row.chain == expected


async def test_an_undone_transaction_leaves_no_gap(store: Store, tenant: TenantId) -> None:
    async def undone() -> None:
        async with store.tenant(tenant) as session:
            await append(session, [event(tenant)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    async with store.tenant(tenant) as session:
        await append(session, [event(tenant)])
    assert [row.sequence for row in await chained(store, tenant)] == [1]


async def test_a_tenants_session_cannot_write_into_anothers_chain(
    store: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    for victim in (other_tenant, PLATFORM):
        with pytest.raises(StoreError):
            async with store.tenant(tenant) as session:
                await append(session, [event(victim)])
    assert await chained(store, other_tenant) == []


async def test_an_event_of_no_tenant_is_the_platforms(store: Store) -> None:
    marker = event(None)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await append(session, [marker])
    assert marker["id"] in (await chained(store, PLATFORM))[-1].body


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"id": "7"}, EventInvalid),
        ({"at": "2026-11-24"}, EventInvalid),
        ({"at": "2026-11-24T08:00:00"}, EventInvalid),
        ({"kind": ""}, EventInvalid),
        ({"tenant_id": "acme"}, EventInvalid),
        ({"sequence": 1}, EventInvalid),
        ({"chain": "00"}, EventInvalid),
        ({"cost": 0.5}, NotCanonical),
    ],
)
async def test_what_is_no_event_is_refused_before_anything_is_written(
    store: Store, tenant: TenantId, facts: dict[str, Any], refusal: type[Exception]
) -> None:
    async with store.tenant(tenant) as session:
        with pytest.raises(refusal):
            await append(session, [event(tenant), event(tenant, **facts)])
    assert await chained(store, tenant) == []


async def test_the_events_of_one_call_are_one_tenants(
    store: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    async with store.tenant(tenant) as session:
        with pytest.raises(EventInvalid):
            await append(session, [event(tenant), event(other_tenant)])


async def test_nobody_who_serves_can_change_or_remove_an_event(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    async with store.tenant(tenant) as session:
        await append(session, [event(tenant)])
    for door in (store, gateway):
        for statement in ("UPDATE conduit.event SET body = ''", "DELETE FROM conduit.event"):
            with pytest.raises(StoreError):
                async with door.tenant(tenant) as session:
                    await session.execute(text(statement))
    assert len(await chained(store, tenant)) == 1


def test_tenants_have_origins_of_their_own() -> None:
    assert origin(PLATFORM) != origin(TenantId(uuid7()))
    assert chain.link(bytes(32), bytes(32)) not in (leaf_hash(bytes(64)), leaf_hash(bytes(32)))
