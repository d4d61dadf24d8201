"""An act and its event are one: both happen, or neither; and neither holds a secret."""

import json
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from policy.exchange import EndpointState
from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from policy.limit_setting import LimitSetting
from policy.limits import LimitKind, Window
from store import (
    acts,
    credential_acts,
    credentials,
    custody,
    endpoint_acts,
    events,
    limit_acts,
    limits,
    member_acts,
    members,
    network_acts,
    placeholder_acts,
    placeholders,
    tenant_acts,
    tenants,
)
from store.acts import Actor
from store.claim import Purpose
from store.credentials import Credential
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord, MissingReference, NotFound, StoreUnavailable
from store.members import Member
from store.placeholders import Binding
from store.policy_rows import read_policy
from vault.errors import Sealed
from vault.kek import KeyDocument, LocalKeys
from vault.secret import Secret
from vault.vault import Vault

KEY = "sk-the-real-key-of-this-test"
ADA = Actor("ada", "console", "192.0.2.1")


@dataclass
class Plant:
    """A tenant with a user and a credential, and the store and vault that hold them."""

    store: Store
    vault: Vault
    tenant_id: TenantId
    user: Member
    credential: Credential

    @property
    def binding(self) -> Binding:
        return Binding(member_id=self.user.id, credential_id=self.credential.id)


@pytest.fixture
async def plant(store: Store) -> Plant:
    return await a_plant(store, Vault(LocalKeys(KeyDocument.fresh())))


async def a_plant(store: Store, vault: Vault) -> Plant:
    tenant = await tenant_acts.create_tenant(store, vault, actor=ADA, name=f"tenant {uuid4()}")
    user = await member_acts.create_user(
        store, actor=ADA, tenant_id=tenant.tenant_id, new=member_acts.NewUser("alice", team="research")
    )
    credential = await credential_acts.add_credential(
        store,
        vault,
        actor=ADA,
        tenant_id=tenant.tenant_id,
        new=credential_acts.NewCredential("openai", "main", ["API.OpenAI.com."], Secret(KEY)),
    )
    return Plant(store, vault, tenant.tenant_id, user, credential)


async def recorded(store: Store, tenant_id: TenantId) -> list[dict[str, Any]]:
    """The tenant's events, oldest first."""
    async with store.tenant(tenant_id) as session:
        return [json.loads(item.body) for item in reversed(await events.latest(session, limit=100))]


async def test_a_worker_opens_what_was_added(store: Store, gateway: Store, plant: Plant) -> None:
    async with gateway.platform(Purpose.SNAPSHOT) as session:
        policy = await read_policy(session)
    tenant, credential = policy.tenants[plant.tenant_id], policy.credentials[plant.credential.id]
    with plant.vault.open_credential(tenant, credential, host="api.openai.com").revealed() as text:
        assert text == KEY


async def test_a_worker_finds_the_placeholder_by_its_digest(gateway: Store, plant: Plant) -> None:
    issued = await placeholder_acts.issue_placeholder(
        plant.store, plant.vault, actor=ADA, tenant_id=plant.tenant_id, binding=plant.binding
    )
    async with gateway.platform(Purpose.SNAPSHOT) as session:
        policy = await read_policy(session)
    with issued.text.revealed() as text:
        found = policy.placeholder(plant.vault.digest(text))
    assert found is not None
    assert found.id == issued.record.id


async def test_every_act_is_recorded_with_who_did_it(store: Store, plant: Plant) -> None:
    tenant_id = plant.tenant_id
    issued = await placeholder_acts.issue_placeholder(
        store, plant.vault, actor=ADA, tenant_id=tenant_id, binding=plant.binding
    )
    await limit_acts.set_limits(
        store,
        actor=ADA,
        tenant_id=tenant_id,
        settings=[
            LimitSetting(LimitKind.CONCURRENT, 2),
            LimitSetting(LimitKind.BUDGET_MICRO_DOLLARS, 5, Window.DAY),
        ],
        subject=limits.LimitSubject(member_id=plant.user.id),
    )
    await endpoint_acts.set_endpoint_state(
        store, actor=ADA, host="x.example", state=EndpointState.COACHED, tenant_id=tenant_id
    )
    await credential_acts.rotate_credential(
        store,
        plant.vault,
        actor=ADA,
        tenant_id=tenant_id,
        credential_id=plant.credential.id,
        secret=Secret("sk-2"),
    )
    await placeholder_acts.revoke_placeholder(
        store, actor=ADA, tenant_id=tenant_id, placeholder_id=issued.record.id
    )
    await member_acts.change_user(
        store,
        actor=ADA,
        tenant_id=tenant_id,
        user_id=plant.user.id,
        change=member_acts.UserChange(enabled=False),
    )
    await credential_acts.revoke_credential(
        store, actor=ADA, tenant_id=tenant_id, credential_id=plant.credential.id
    )

    found = await recorded(store, tenant_id)
    assert [event["action"] for event in found] == [
        "user.create",
        "credential.add",
        "placeholder.issue",
        "limit.set",
        "endpoint.set",
        "credential.rotate",
        "placeholder.revoke",
        "user.disable",
        "credential.revoke",
    ]
    assert {(event["actor"], event["via"], event["source_address"]) for event in found} == {
        ("ada", "console", "192.0.2.1")
    }
    assert found[3]["detail"] == {"concurrent": 2, "budget_micro_dollars_day": 5}


async def test_no_secret_is_in_any_event_or_row(store: Store, plant: Plant) -> None:
    issued = await placeholder_acts.issue_placeholder(
        plant.store, plant.vault, actor=ADA, tenant_id=plant.tenant_id, binding=plant.binding
    )
    with issued.text.revealed() as text:
        for event in await recorded(store, plant.tenant_id):
            assert KEY not in json.dumps(event)
            assert text not in json.dumps(event)
    async with store.tenant(plant.tenant_id) as session:
        kept = await custody.read_envelope(session, credential_id=plant.credential.id)
    assert kept is not None
    assert KEY.encode() not in kept.envelope


async def test_an_act_whose_event_cannot_be_written_did_not_happen(
    store: Store, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_arguments: object) -> None:
        raise OSError("the record is full")

    monkeypatch.setattr(acts.chain, "append", refuse)
    before = await recorded(store, plant.tenant_id)
    for attempt in (
        member_acts.create_user(
            plant.store, actor=ADA, tenant_id=plant.tenant_id, new=member_acts.NewUser("bob")
        ),
        credential_acts.rotate_credential(
            plant.store,
            plant.vault,
            actor=ADA,
            tenant_id=plant.tenant_id,
            credential_id=plant.credential.id,
            secret=Secret("sk-2"),
        ),
        placeholder_acts.issue_placeholder(
            plant.store, plant.vault, actor=ADA, tenant_id=plant.tenant_id, binding=plant.binding
        ),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    async with store.tenant(plant.tenant_id) as session:
        assert [user.name for user in await members.every(session)] == ["alice"]
        assert (await credentials.get(session, credential_id=plant.credential.id)).version == 1
        assert await placeholders.every(session) == []
    assert await recorded(store, plant.tenant_id) == before


async def test_a_sealed_vault_stores_nothing(store: Store, plant: Plant) -> None:
    name = f"tenant {uuid4()}"
    with pytest.raises(Sealed):
        await tenant_acts.create_tenant(store, Vault(None), actor=ADA, name=name)
    with pytest.raises(Sealed):
        await credential_acts.add_credential(
            store,
            Vault(None),
            actor=ADA,
            tenant_id=plant.tenant_id,
            new=credential_acts.NewCredential("openai", "second", ["api.openai.com"], Secret(KEY)),
        )
    async with store.platform(Purpose.ADMINISTRATION) as session:
        assert await tenants.find(session, name=name) is None
    async with store.tenant(plant.tenant_id) as session:
        assert len(await credentials.every(session)) == 1


async def test_nothing_of_another_tenant_can_be_acted_on(store: Store, plant: Plant) -> None:
    other = await a_plant(store, plant.vault)
    mine = other.tenant_id
    with pytest.raises(NotFound):
        await credential_acts.revoke_credential(
            store, actor=ADA, tenant_id=mine, credential_id=plant.credential.id
        )
    with pytest.raises(NotFound):
        await credential_acts.rotate_credential(
            store,
            plant.vault,
            actor=ADA,
            tenant_id=mine,
            credential_id=plant.credential.id,
            secret=Secret("mine"),
        )
    with pytest.raises(NotFound):
        await member_acts.change_user(
            store,
            actor=ADA,
            tenant_id=mine,
            user_id=plant.user.id,
            change=member_acts.UserChange(enabled=False),
        )
    with pytest.raises(NotFound):
        await placeholder_acts.issue_placeholder(
            store, plant.vault, actor=ADA, tenant_id=mine, binding=plant.binding
        )
    with pytest.raises(MissingReference):
        await placeholder_acts.issue_placeholder(
            store,
            plant.vault,
            actor=ADA,
            tenant_id=mine,
            binding=Binding(member_id=plant.user.id, credential_id=other.credential.id),
        )
    with pytest.raises(MissingReference):
        await limit_acts.set_limits(
            store,
            actor=ADA,
            tenant_id=mine,
            settings=[LimitSetting(LimitKind.CONCURRENT, 1)],
            subject=limits.LimitSubject(member_id=plant.user.id),
        )
    assert len(await recorded(store, plant.tenant_id)) == 2


async def test_a_placeholder_needs_a_live_credential(plant: Plant) -> None:
    await credential_acts.revoke_credential(
        plant.store, actor=ADA, tenant_id=plant.tenant_id, credential_id=plant.credential.id
    )
    with pytest.raises(InvalidRecord, match="revoked"):
        await placeholder_acts.issue_placeholder(
            plant.store, plant.vault, actor=ADA, tenant_id=plant.tenant_id, binding=plant.binding
        )


async def test_a_revoked_credentials_envelope_is_gone(store: Store, plant: Plant) -> None:
    await credential_acts.revoke_credential(
        plant.store, actor=ADA, tenant_id=plant.tenant_id, credential_id=plant.credential.id
    )
    async with store.tenant(plant.tenant_id) as session:
        assert await custody.read_envelope(session, credential_id=plant.credential.id) is None


async def test_a_network_belongs_to_one_tenant(store: Store, plant: Plant) -> None:
    other = await a_plant(store, plant.vault)
    network = ip_network(f"10.{uuid4().int % 256}.{uuid4().int % 256}.0/24")
    await network_acts.add_network(plant.store, actor=ADA, tenant_id=plant.tenant_id, network=network)
    with pytest.raises(AlreadyExists) as raised:
        await network_acts.add_network(other.store, actor=ADA, tenant_id=other.tenant_id, network=network)
    assert str(plant.tenant_id) not in str(raised.value)
    await network_acts.remove_network(plant.store, actor=ADA, tenant_id=plant.tenant_id, network=network)
    await network_acts.add_network(other.store, actor=ADA, tenant_id=other.tenant_id, network=network)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.0.0.0/7", "::/0", "2000::/3"])
async def test_a_network_as_wide_as_the_world_is_nobodys(plant: Plant, network: str) -> None:
    with pytest.raises(InvalidRecord, match="too wide"):
        await network_acts.add_network(
            plant.store, actor=ADA, tenant_id=plant.tenant_id, network=ip_network(network)
        )


async def test_limits_are_set_together_or_not_at_all(store: Store, plant: Plant) -> None:
    with pytest.raises(InvalidRecord):
        await limit_acts.set_limits(
            plant.store,
            actor=ADA,
            tenant_id=plant.tenant_id,
            settings=[
                LimitSetting(LimitKind.CONCURRENT, 1),
                LimitSetting(LimitKind.CONCURRENT, -1),
            ],
        )
    with pytest.raises(InvalidRecord, match="not for two"):
        await limit_acts.set_limits(
            plant.store,
            actor=ADA,
            tenant_id=plant.tenant_id,
            settings=[LimitSetting(LimitKind.CONCURRENT, 1)],
            subject=limits.LimitSubject(member_id=UserId(uuid7()), placeholder_id=PlaceholderId(uuid7())),
        )
    async with store.tenant(plant.tenant_id) as session:
        assert await limits.every(session) == []


async def test_a_subject_has_no_more_limits_than_a_call_can_be_held_to(store: Store, plant: Plant) -> None:
    async def add(count: int, name: str) -> None:
        for number in range(count):
            await limit_acts.set_limits(
                store,
                actor=ADA,
                tenant_id=plant.tenant_id,
                settings=[LimitSetting(LimitKind.CONCURRENT, 1)],
                subject=limits.LimitSubject(model=f"{name}-{number}"),
            )

    await add(limit_acts.LIMITS_PER_SUBJECT_MAX, "model")
    with pytest.raises(InvalidRecord, match="at most 64"):
        await add(1, "another")
    await add(1, "model")


@pytest.mark.parametrize("host", ["not a host", "http://x.example", "", "127.1", "a..b"])
async def test_what_is_no_host_is_refused(plant: Plant, host: str) -> None:
    with pytest.raises(InvalidRecord):
        await endpoint_acts.set_endpoint_state(plant.store, actor=ADA, host=host, state=EndpointState.BLOCKED)


@pytest.mark.parametrize("time_zone", ["Mars/Olympus", "", "../etc/passwd"])
async def test_what_is_no_time_zone_is_refused(plant: Plant, time_zone: str) -> None:
    with pytest.raises(InvalidRecord, match="time zone"):
        await tenant_acts.create_tenant(
            plant.store, plant.vault, actor=ADA, name=f"t {uuid4()}", time_zone=time_zone
        )


async def test_an_unknown_credential_is_not_found(plant: Plant) -> None:
    with pytest.raises(NotFound):
        await credential_acts.rotate_credential(
            plant.store,
            plant.vault,
            actor=ADA,
            tenant_id=plant.tenant_id,
            credential_id=CredentialId(uuid7()),
            secret=Secret("x"),
        )
