"""What stands in a spool arrives in PostgreSQL exactly once, in order, whatever dies meanwhile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from policy.identifiers import TenantId
from store import shipper as shipper_module
from store.chain import PLATFORM
from store.door import Store
from store.errors import StoreUnavailable
from store.frames import segments
from store.shipper import Shipper
from store.spool import Bounds, Spool


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path) -> Iterator[Spool]:
    spool = Spool(root, "worker-1", bounds=Bounds(segment_bytes=4096, ballast_bytes=4096))
    yield spool
    spool.close()


def call(tenant: TenantId, **facts: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": str(uuid7()),
        "at": "2026-11-24T08:00:00.000000Z",
        "kind": "call",
        "decision": "allow",
        "tenant_id": str(tenant),
        "outcome": "finished",
        **facts,
    }


def admitted(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "admitted", "event": event}


def ended(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "ended", "event": event}


def identities(events: Sequence[dict[str, Any]]) -> list[UUID]:
    return [UUID(event["id"]) for event in events]


async def ship_all(store: Store, directory: Path) -> Shipper:
    shipper = Shipper(store, directory)
    while await shipper.ship_once():
        pass
    return shipper


async def rows(store: Store, tenant: TenantId, query: str) -> list[Any]:
    async with store.tenant(tenant) as session:
        return list((await session.execute(text(query))).all())


async def recorded(store: Store, tenant: TenantId) -> list[UUID]:
    return [row.id for row in await rows(store, tenant, "SELECT id FROM conduit.event ORDER BY sequence")]


async def incidents(store: Store, action: str) -> list[str]:
    query = "SELECT body FROM conduit.event WHERE kind = 'incident' ORDER BY sequence"
    bodies = [row.body for row in await rows(store, PLATFORM, query)]
    return [body for body in bodies if f'"action":"{action}"' in body]


async def test_events_arrive_once_and_in_order(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    events = [call(tenant) for _ in range(50)]
    for event in events:
        spool.append(admitted(event))
    for event in events:
        spool.append(ended(event))
    await ship_all(gateway, root)
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities(events)


async def test_both_records_of_a_call_are_one_event(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    event = call(tenant, model="gpt-5", outcome=None)
    spool.append(admitted(event))
    spool.append(ended({**event, "outcome": "finished", "status": 200}))
    await ship_all(gateway, root)
    (row,) = await rows(gateway, tenant, "SELECT outcome, model, body::json->>'status' FROM conduit.event")
    assert row == ("finished", "gpt-5", "200")


async def test_usage_is_written_for_calls_let_through(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    user = str(uuid7())
    spent = {"input_tokens": 12, "output_tokens": 30, "cost_micro_dollars": 450, "model": "gpt-5"}
    spool.append(ended(call(tenant, user_id=user, provider="openai", **spent)))
    spool.append(ended(call(tenant, decision="deny", outcome="refused", reason="rate_limited")))
    spool.append(ended(call(tenant, decision="deny", outcome="cut", reason="budget_exhausted", **spent)))
    await ship_all(gateway, root)
    query = (
        "SELECT member_id, provider, model, input_tokens, output_tokens, cost_micro_dollars, estimated,"
        " outcome FROM conduit.usage ORDER BY id"
    )
    assert await rows(gateway, tenant, query) == [
        (UUID(user), "openai", "gpt-5", 12, 30, 450, False, "finished"),
        (None, None, "gpt-5", 12, 30, 450, False, "cut"),
    ]


async def test_an_unknown_cost_stays_unknown(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    spool.append(ended(call(tenant, input_tokens=3)))
    await ship_all(gateway, root)
    assert await rows(gateway, tenant, "SELECT cost_micro_dollars FROM conduit.usage") == [(None,)]


async def test_inventory_counts_ai_endpoints(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    seen = {"host": "ai.example", "verdict": "suspect", "score": 60, "evidence": ["path"], "bytes_up": 5}
    spool.append(ended(call(tenant, at="2026-11-24T09:00:00.000000Z", **seen)))
    spool.append(ended(call(tenant, host="www.example", verdict="none")))
    await ship_all(gateway, root)
    spool.append(ended(call(tenant, **{**seen, "verdict": "ai", "score": 40, "evidence": ["sse", "path"]})))
    await ship_all(gateway, root)
    query = (
        "SELECT host, verdict, score, evidence, calls, bytes_up, first_seen::text, last_seen::text"
        " FROM conduit.endpoint_seen"
    )
    times = ("2026-11-24 08:00:00+00", "2026-11-24 09:00:00+00")
    assert await rows(gateway, tenant, query) == [("ai.example", "ai", 60, ["path", "sse"], 2, 10, *times)]


async def test_shipped_segments_are_removed(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    for _ in range(100):
        spool.append(ended(call(tenant)))
    before = segments(spool.directory)
    await ship_all(gateway, root)
    assert len(before) > 3
    assert segments(spool.directory) == before[-1:]
    assert spool.figures().pending_bytes == 0


async def test_a_long_call_holds_its_own_segment_only(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    long, others = call(tenant), [call(tenant) for _ in range(100)]
    spool.append(admitted(long))
    for event in others:
        spool.append(admitted(event))
        spool.append(ended(event))
    await ship_all(gateway, root)
    assert len(segments(spool.directory)) == 2
    await ship_all(gateway, root)
    spool.append(ended(long))
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities([*others, long])


def gone(directory: Path) -> bool:
    return not directory.exists()


async def test_a_dead_writers_open_calls_are_lost_and_said_so(
    gateway: Store, tenant: TenantId, root: Path
) -> None:
    spool = Spool(root, "worker-1")
    finished, open_call = call(tenant), call(tenant, outcome=None, model="gpt-5")
    spool.append(admitted(open_call))
    spool.append(admitted(finished))
    spool.append(ended(finished))
    await ship_all(gateway, root)
    spool.close()
    await ship_all(gateway, root)
    query = (
        "SELECT id, outcome, estimated, input_tokens, cost_micro_dollars FROM conduit.usage ORDER BY outcome"
    )
    assert await rows(gateway, tenant, query) == [
        (UUID(finished["id"]), "finished", False, 0, None),
        (UUID(open_call["id"]), "lost", True, 0, 0),
    ]
    assert gone(spool.directory)


async def test_another_shipper_does_not_lose_what_the_first_has_shipped(
    gateway: Store, tenant: TenantId, root: Path
) -> None:
    """The end of a call may lie in a segment that is gone, its begin in one that a longer call keeps."""
    spool = Spool(root, "worker-1", bounds=Bounds(segment_bytes=4096, ballast_bytes=4096))
    long, short, others = call(tenant), call(tenant), [call(tenant) for _ in range(60)]
    spool.append(admitted(long))
    spool.append(admitted(short))
    for event in [*others[:30], short, *others[30:]]:
        spool.append(ended(event))
    await ship_all(gateway, root)
    spool.close()
    await ship_all(gateway, root)
    found = await rows(gateway, tenant, "SELECT id, outcome FROM conduit.event WHERE outcome = 'lost'")
    assert found == [(UUID(long["id"]), "lost")]
    assert len(await recorded(gateway, tenant)) == 62


async def test_a_torn_tail_is_said_and_nothing_before_it_is_lost(
    gateway: Store, tenant: TenantId, root: Path
) -> None:
    spool = Spool(root, "worker-1")
    events = [call(tenant) for _ in range(5)]
    for event in events:
        spool.append(ended(event))
    spool.close()
    segment = spool.directory / "00000001.segment"
    segment.write_bytes(segment.read_bytes()[:-7])
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities(events[:4])
    assert any(spool.writer in body for body in await incidents(gateway, "record.torn"))


async def test_a_crash_after_the_commit_doubles_nothing(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    events = [call(tenant, input_tokens=1) for _ in range(20)]
    for event in events:
        spool.append(ended(event))
    first = Shipper(gateway, root)
    await first._meet_writers()
    (writer,) = first._writers.values()
    await first._commit({writer.name: writer.look(10)})
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities(events)
    assert await rows(gateway, tenant, "SELECT sum(input_tokens) FROM conduit.usage") == [(20,)]


async def test_a_lost_position_doubles_nothing(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    """The id guards a second time, as after the finish of a dead writer whose directory was not removed."""
    events = [call(tenant, input_tokens=1, host="ai.example", verdict="ai") for _ in range(5)]
    for event in events:
        spool.append(ended(event))
    await ship_all(gateway, root)
    async with gateway.platform(shipper_module.Purpose.SHIPPING) as session:
        await session.execute(shipper_module.DROP_POSITION, {"writer": spool.writer})
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities(events)
    assert await rows(gateway, tenant, "SELECT count(*) FROM conduit.usage") == [(5,)]
    assert await rows(gateway, tenant, "SELECT calls FROM conduit.endpoint_seen") == [(5,)]


async def test_a_failed_transaction_moves_nothing(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = call(tenant)
    spool.append(ended(event))
    shipper = Shipper(gateway, root)

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(shipper_module, "_save_positions", away)
    with pytest.raises(StoreUnavailable):
        await shipper.ship_once()
    assert await recorded(gateway, tenant) == []
    monkeypatch.undo()
    await shipper.ship_once()
    assert await recorded(gateway, tenant) == identities([event])


async def test_one_bad_event_does_not_hold_up_the_others(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    stranger = TenantId(uuid7())
    bad = [call(stranger), call(tenant, sequence=9), call(tenant, at="yesterday")]
    events = [call(tenant), *bad, call(tenant)]
    for event in events:
        spool.append(ended(event))
    await ship_all(gateway, root)
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities([events[0], events[4]])
    kept = await incidents(gateway, "record.unshippable")
    assert [sum(event["id"] in body for body in kept) for event in bad] == [1, 1, 1]


async def test_a_record_of_another_shape_is_kept_as_an_incident(
    gateway: Store, spool: Spool, root: Path
) -> None:
    marker = str(uuid7())
    spool.append_event(marker)
    spool.append({"kind": marker})
    await ship_all(gateway, root)
    kept = await incidents(gateway, "record.unreadable")
    assert sum(marker in body for body in kept) == 2


async def test_odd_text_from_the_wire_is_recorded(
    gateway: Store, tenant: TenantId, spool: Spool, root: Path
) -> None:
    spool.append(ended(call(tenant, model="a\x00b\ud800", host="x" * 300, verdict="ai", user_id="no uuid")))
    await ship_all(gateway, root)
    assert await rows(gateway, tenant, "SELECT model, user_id FROM conduit.event") == [("ab?", None)]
    assert await rows(gateway, tenant, "SELECT count(*) FROM conduit.endpoint_seen") == [(0,)]


async def test_tenants_have_chains_of_their_own(
    gateway: Store, tenant: TenantId, other_tenant: TenantId, spool: Spool, root: Path
) -> None:
    events = [call(tenant), call(other_tenant), call(tenant)]
    for event in events:
        spool.append(ended(event))
    await ship_all(gateway, root)
    assert await recorded(gateway, tenant) == identities([events[0], events[2]])
    assert await rows(gateway, other_tenant, "SELECT sequence FROM conduit.event") == [(1,)]


async def test_figures_tell_what_waits(gateway: Store, tenant: TenantId, spool: Spool, root: Path) -> None:
    shipper = await ship_all(gateway, root)
    for _ in range(3):
        spool.append(ended(call(tenant)))
    waiting = shipper.figures()
    while await shipper.ship_once():
        pass
    done = shipper.figures()
    assert waiting.pending_bytes > 600
    assert waiting.waiting_s > 0
    assert (done.pending_bytes, done.waiting_s, done.shipped_events) == (0, 0.0, 3)
