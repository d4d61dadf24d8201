"""The inventory follows from events, exactly once, and says who decided."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from policy.catalogue import Entry, Training, build
from policy.catalogue_facts import Fact, FactName, Facts
from policy.endpoints import Defaults as States
from policy.event import timestamp
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from store import chain, credentials, endpoint_acts, inventory, members, review_acts
from store.acts import Actor
from store.catalogues import Catalogues
from store.claim import Purpose
from store.derived import record_derived
from store.door import Store
from store.errors import InvalidRecord, NotFound
from store.inventory import Defaults, Item, Stage, Wanted
from store.inventory_document import whole
from store.review_acts import Finding

HOST = "chat.example"
WEB = Entry(HOST, "acme", "chat", "web", "global", "CN", False, "test", "", "Acme", Training.OPT_OUT)
API = Entry("api.example", "acme", "api", "openai-chat", "eu", "DE", False, "test", "", "Acme API")
DEFAULTS = Defaults(States(EndpointState.BLOCKED, EndpointState.MONITORED), Catalogues(build([WEB, API]), ()))
ADA = Actor("ada", "command line")


def call(tenant: TenantId, **facts: object) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": str(uuid7()),
        "at": timestamp(datetime.now(UTC)),
        "kind": "call",
        "tenant_id": str(tenant),
        "decision": "allow",
        "outcome": "finished",
        "source_address": "198.51.100.7",
        "host": HOST,
        "provider": "acme",
        "verdict": "ai",
        "score": 100,
        "evidence": ["catalogue"],
        "endpoint_state": "blocked",
        "bytes_up": 10,
        "bytes_down": 20,
        **facts,
    }


async def ship(gateway: Store, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    async with gateway.platform(Purpose.SHIPPING) as session:
        await chain.append(session, events)
        found = await record_derived(session, chain.tenant_of(events[0]), events)
        await chain.append(session, found)
    return found


async def only(store: Store, tenant: TenantId, host: str = HOST) -> Item:
    async with store.tenant(tenant) as session:
        return (await inventory.detail(session, host=host, defaults=DEFAULTS)).item


@pytest.fixture
async def user(store: Store, tenant: TenantId) -> str:
    async with store.tenant(tenant) as session:
        return str((await members.create(session, name="grace")).id)


async def test_counts_users_networks_classes_and_money(
    store: Store, gateway: Store, tenant: TenantId, user: str
) -> None:
    seen = [
        call(tenant, user_id=user, findings=["data:email", "data:iban"], cost_micro_dollars=7),
        call(tenant, user_id=user, source_address="198.51.100.200", findings=["data:email", "accounts:x"]),
        call(tenant, source_address="2001:db8::1", decision="deny", reason="unvaulted_key"),
        call(tenant, source_address="2001:db8::1", findings=["unvaulted_key"]),
    ]
    await ship(gateway, seen[:1])
    await ship(gateway, seen[1:])
    item = await only(store, tenant)
    assert (item.calls, item.refused, item.bytes_up, item.bytes_down, item.cost) == (4, 1, 40, 80, 7)
    assert (item.users, item.networks) == (1, 2)
    assert item.data_classes == {"email": 2, "iban": 1}
    assert item.private_use == {"key": 2}
    assert {part.name for part in item.risk.parts} >= {"training", "country", "data classes", "private use"}
    async with store.tenant(tenant) as session:
        found = await inventory.detail(session, host=HOST, defaults=DEFAULTS)
    assert [(use.name, use.calls) for use in found.users] == [("grace", 2)]
    assert [(use.name, use.calls) for use in found.networks] == [("198.51.100.0/24", 2), ("2001:db8::/64", 2)]


async def test_each_fact_of_the_catalogue_is_told_with_its_source(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    fact = Fact("acme", FactName.COUNTRY, "CN", "https://acme.example/terms", "2026-11-20")
    defaults = replace(DEFAULTS, catalogues=Catalogues(build(Facts([fact]).applied([WEB])), ()))
    await ship(gateway, [call(tenant)])
    async with store.tenant(tenant) as session:
        told = whole(await inventory.detail(session, host=HOST, defaults=defaults))["catalogue"]
    assert isinstance(told, dict)
    stated = {"value": "CN", "source": "https://acme.example/terms", "date": "2026-11-20"}
    assert told["country"] == stated
    assert told["trains"] == {"value": "unknown", "source": None, "date": None}


async def test_a_new_shadow_endpoint_is_told_of_once(gateway: Store, tenant: TenantId) -> None:
    first = await ship(gateway, [call(tenant), call(tenant)])
    again = await ship(gateway, [call(tenant)])
    assert [(each["action"], each["detail"]["host"]) for each in first] == [("endpoint.discovered", HOST)]
    assert again == []


@pytest.mark.parametrize("facts", [{"endpoint_state": "sanctioned"}, {"verdict": "suspect"}])
async def test_what_is_sanctioned_or_only_suspected_is_not_told_of(
    gateway: Store, tenant: TenantId, facts: dict[str, str]
) -> None:
    assert await ship(gateway, [call(tenant, **facts)]) == []


async def test_a_review_goes_from_new_to_decided_with_who_when_and_why(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    await ship(gateway, [call(tenant)])
    new = await only(store, tenant)
    assert (new.stage, new.state, new.decision.source) == (Stage.NEW, EndpointState.BLOCKED, "default")

    change = {"actor": ADA, "tenant_id": tenant, "host": HOST.upper()}
    await review_acts.review(store, **change, finding=Finding(owner="it-security", note="contract?"))
    reviewed = await only(store, tenant)
    assert reviewed.review is not None
    assert (reviewed.stage, reviewed.review.owner, reviewed.review.reviewed_by) == (
        Stage.IN_REVIEW,
        "it-security",
        "ada",
    )

    decision = Finding(note="contract signed", state=EndpointState.SANCTIONED)
    await review_acts.review(store, **change, finding=decision)
    decided = await only(store, tenant)
    assert (decided.stage, decided.state) == (Stage.DECIDED, EndpointState.SANCTIONED)
    assert (decided.decision.by, decided.decision.note) == ("ada", "contract signed")
    assert decided.decision.at is not None
    assert decided.review is not None
    assert decided.review.owner == "it-security"

    await review_acts.reopen(store, **change)
    assert (await only(store, tenant)).stage is Stage.NEW
    with pytest.raises(NotFound):
        await review_acts.reopen(store, **change)


async def test_a_decision_says_why_and_is_about_something_seen(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    await ship(gateway, [call(tenant)])
    change = {"actor": ADA, "tenant_id": tenant}
    with pytest.raises(InvalidRecord):
        await review_acts.review(store, **change, host=HOST, finding=Finding(state=EndpointState.BLOCKED))
    with pytest.raises(NotFound):
        await review_acts.review(store, **change, host="never.example", finding=Finding(note="x"))
    assert (await only(store, tenant)).stage is Stage.NEW


async def test_a_held_key_sanctions_the_api_and_not_the_web_application(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    await ship(gateway, [call(tenant), call(tenant, host="api.example")])
    async with store.tenant(tenant) as session:
        await credentials.create(session, provider="acme", name="main", hosts=["api.example"])
    assert (await only(store, tenant)).state is EndpointState.BLOCKED
    api = await only(store, tenant, "api.example")
    assert (api.state, api.decision.source) == (EndpointState.SANCTIONED, "credential")


async def test_a_plain_decision_names_who_took_it(store: Store, gateway: Store, tenant: TenantId) -> None:
    await ship(gateway, [call(tenant)])
    await endpoint_acts.set_endpoint_state(
        store, actor=ADA, host=HOST, state=EndpointState.COACHED, tenant_id=tenant
    )
    item = await only(store, tenant)
    assert (item.stage, item.decision.by) == (Stage.DECIDED, "ada")


@pytest.mark.parametrize(
    ("wanted", "hosts"),
    [
        (Wanted(), ["d.example", "c.example", "b.example", "a.example"]),
        (Wanted(limit=2, offset=1), ["c.example", "b.example"]),
        (Wanted(search=" B.Ex "), ["b.example"]),
        (Wanted(search="%"), []),
        (Wanted(stage=Stage.DECIDED), ["a.example"]),
        (Wanted(stage=Stage.IN_REVIEW), ["b.example"]),
        (Wanted(stage=Stage.NEW), ["d.example", "c.example"]),
        (Wanted(catalogued=True), ["c.example"]),
        (Wanted(catalogued=False, stage=Stage.NEW), ["d.example"]),
    ],
)
async def test_a_part_is_asked_for_and_what_is_left_out_is_counted(
    store: Store, gateway: Store, tenant: TenantId, wanted: Wanted, hosts: list[str]
) -> None:
    seen = [
        call(
            tenant,
            host=f"{name}.example",
            provider="acme" if name == "c" else None,
            at=f"2026-11-24T10:0{n}:00Z",
        )
        for n, name in enumerate("abcd")
    ]
    await ship(gateway, seen)
    change = {"actor": ADA, "tenant_id": tenant}
    decision = Finding(note="no", state=EndpointState.BLOCKED)
    await review_acts.review(store, **change, host="a.example", finding=decision)
    await review_acts.review(store, **change, host="b.example", finding=Finding(note="?"))
    async with store.tenant(tenant) as session:
        found = await inventory.items(session, defaults=DEFAULTS, wanted=wanted)
        counts = await inventory.counts(session, wanted=Wanted(stage=wanted.stage))
    assert [item.host for item in found] == hosts
    assert counts == {Stage.NEW: 2, Stage.IN_REVIEW: 1, Stage.DECIDED: 1}
