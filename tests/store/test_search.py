"""Questions of an incident, asked of the record: who, by what, where to, from where, refused why."""

import random
import string
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from policy.event import timestamp
from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from store import chain, events
from store.claim import Purpose
from store.derived import record_derived
from store.door import Store
from store.events import Search
from store.trace import trace

START = datetime(2026, 11, 1, tzinfo=UTC)
LEAKED, OTHER, ALICE, KEY = (UUID(int=number) for number in range(1, 5))
CHROME = "t13d1516h2_8daaf6152771_e5627efa2ab1"


def call(tenant: TenantId, minute: int, **changed: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "id": str(uuid7()),
        "at": timestamp(START + timedelta(minutes=minute)),
        "kind": "call",
        "tenant_id": str(tenant),
        "user_id": str(ALICE),
        "placeholder_id": str(LEAKED),
        "credential_id": str(KEY),
        "host": "api.openai.com",
        "model": "gpt-5",
        "source_address": "10.0.0.7",
        "decision": "allow",
        "outcome": "finished",
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_micro_dollars": 100,
        **changed,
    }
    return {name: value for name, value in event.items() if value is not None}


def refused(tenant: TenantId, minute: int, **changed: Any) -> dict[str, Any]:
    unused = dict.fromkeys(("input_tokens", "output_tokens", "cost_micro_dollars"))
    denied = {"decision": "deny", "outcome": "refused", "reason": "placeholder_misused"}
    return call(tenant, minute, **{**unused, **denied, **changed})


async def append(gateway: Store, tenant: TenantId, *happened: dict[str, Any]) -> None:
    async with gateway.platform(Purpose.SHIPPING) as session:
        await record_derived(session, tenant, happened)
        await chain.append(session, happened)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(), [0, 1, 2, 3]),
        (Search(user_id=UserId(ALICE)), [0, 1, 2]),
        (Search(placeholder_id=PlaceholderId(OTHER)), [1]),
        (Search(credential_id=CredentialId(KEY)), [0, 1, 2, 3]),
        (Search(model="claude-opus-4-5"), [1]),
        (Search(host="files.example"), [2]),
        (Search(reason="placeholder_misused"), [2]),
        (Search(outcome="finished"), [0, 1, 3]),
        (Search(allowed=False), [2]),
        (Search(allowed=True), [0, 1, 3]),
        (Search(source_address="10.0.0.7"), [0, 1, 3]),
        (Search(ja4=CHROME), [1]),
        (Search(ja4="t13d1516h2"), []),
        (Search(finding="key_echoed"), [3]),
        (Search(finding="email"), [3]),
        (Search(finding="data:email"), [3]),
        (Search(finding="mail"), []),
        (Search(finding="gpt-5"), []),
        (Search(since=START + timedelta(minutes=1), until=START + timedelta(minutes=3)), [1, 2]),
        (Search(kind="act"), []),
        (Search(kind="call", host="api.openai.com", source_address="10.0.0.7", model="gpt-5"), [0, 3]),
    ],
)
async def test_a_search_finds_what_matches_and_nothing_else(
    gateway: Store, tenant: TenantId, search: Search, found: list[int]
) -> None:
    happened = [
        call(tenant, 0),
        call(tenant, 1, placeholder_id=str(OTHER), model="claude-opus-4-5", ja4=CHROME),
        # A text that looks like another event's field, in a field that callers write.
        refused(
            tenant, 2, host="files.example", source_address="10.9.9.9", model='"source_address":"10.0.0.7"'
        ),
        call(tenant, 3, user_id=None, findings=["data:email", "key_echoed"]),
    ]
    await append(gateway, tenant, *happened)
    async with gateway.tenant(tenant) as session:
        matching = await events.latest(session, limit=10, search=search)
    wanted = [happened[number]["id"] for number in reversed(found)]
    assert [str(event.id) for event in matching] == wanted


async def test_a_trace_names_everything_that_a_placeholder_touched(
    gateway: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    await append(
        gateway,
        tenant,
        call(tenant, 0),
        call(tenant, 5, cost_micro_dollars=None, source_address="10.0.0.8", ja4=CHROME),
        refused(tenant, 9, host="files.example"),
        call(tenant, 10, placeholder_id=str(OTHER)),
    )
    await append(gateway, other_tenant, call(other_tenant, 20))
    async with gateway.tenant(tenant) as session:
        found = await trace(session, placeholder_id=PlaceholderId(LEAKED))
        unused = await trace(session, placeholder_id=PlaceholderId(uuid7()))
    assert (found.events, found.refused, found.requests, found.unpriced) == (3, 1, 2, 1)
    assert (found.cost_micro_dollars, found.input_tokens, found.output_tokens) == (100, 20, 10)
    assert (found.first_at, found.last_at) == (START, START + timedelta(minutes=9))
    assert {item.value: item.events for item in found.hosts} == {"api.openai.com": 2, "files.example": 1}
    assert {item.value for item in found.addresses} == {"10.0.0.7", "10.0.0.8"}
    assert {item.value: item.events for item in found.ja4} == {CHROME: 1}
    assert [item.value for item in found.reasons] == ["placeholder_misused"]
    assert (unused.events, unused.first_at, unused.hosts) == (0, None, ())


async def test_a_text_of_any_length_is_recorded_and_found(gateway: Store, tenant: TenantId) -> None:
    # Random, because PostgreSQL compresses what it indexes.
    long = "".join(random.Random(7).choices(string.printable, k=50_000))
    await append(gateway, tenant, call(tenant, 0, model=long, host=long[:253]))
    async with gateway.tenant(tenant) as session:
        assert len(await events.latest(session, limit=5, search=Search(model=long))) == 1
        assert len(await events.latest(session, limit=5, search=Search(host=long[:253]))) == 1


async def test_a_search_by_model_is_answered_from_its_index(gateway: Store, tenant: TenantId) -> None:
    await append(gateway, tenant, call(tenant, 0))
    async with gateway.tenant(tenant) as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await session.execute(
            text("EXPLAIN SELECT 1 FROM conduit.event WHERE model = 'gpt-5' AND length(model) <= 253")
        )
        assert any("event_model" in line for line in plan.scalars())


@pytest.mark.parametrize("column", ["user_id", "placeholder_id", "credential_id", "host", "model", "reason"])
async def test_what_is_searched_for_has_an_index_of_its_own(store: Store, column: str) -> None:
    async with store.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'conduit' AND tablename = 'event'")
        )
    assert any(f"(tenant_id, {column}, at)" in definition for definition in found.scalars())
