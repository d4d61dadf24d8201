"""Pools of credentials in the database: who may be in one, and what providers say of its members."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from policy.event import Event
from policy.incident import CREDENTIAL_ACCEPTED, CREDENTIAL_REFUSED, Severity, incident
from policy.snapshot import Health, PolicySnapshot
from store import credential_acts, credentials, placeholder_acts, placeholders
from store.claim import Purpose
from store.credential_acts import CredentialChange, NewCredential
from store.credentials import Credential, Options
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord, NotFound
from store.policy_rows import read_policy
from store.shipper import Shipper
from store.spool import Spool
from tests.store.test_acts import ADA, Plant, a_plant
from vault.errors import Unopenable
from vault.kek import KeyDocument, LocalKeys
from vault.secret import Secret
from vault.vault import Vault

NOW = datetime.now(UTC)
HOST = ["api.openai.com"]


@pytest.fixture
async def plant(store: Store) -> Plant:
    return await a_plant(store, Vault(LocalKeys(KeyDocument.fresh())))


async def add(plant: Plant, name: str, *, provider: str = "openai", hosts=HOST, **options) -> Credential:
    new = NewCredential(provider, name, hosts, Secret("sk-" + name), Options(**options))
    return await credential_acts.add_credential(
        plant.store, plant.vault, actor=ADA, tenant_id=plant.tenant_id, new=new
    )


async def change(plant: Plant, credential: Credential, **changed) -> Credential:
    return await credential_acts.change_credential(
        plant.store,
        actor=ADA,
        tenant_id=plant.tenant_id,
        credential_id=credential.id,
        change=CredentialChange(**changed),
    )


async def issue(plant: Plant, **stands_for):
    binding = placeholders.Binding(plant.user.id, stands_for.pop("credential_id", None), **stands_for)
    return await placeholder_acts.issue_placeholder(
        plant.store, plant.vault, actor=ADA, tenant_id=plant.tenant_id, binding=binding
    )


async def policy(gateway: Store) -> PolicySnapshot:
    """As a worker reads it."""
    async with gateway.platform(Purpose.SNAPSHOT, consistent=True) as session:
        return await read_policy(session)


async def test_a_placeholder_of_a_pool_stands_for_its_members(plant: Plant, gateway: Store) -> None:
    one, two = await add(plant, "one", pool="gpt", weight=3), await add(plant, "two", pool="gpt")
    issued = await issue(plant, pool="gpt")
    snapshot = await policy(gateway)
    found = snapshot.credentials_of(snapshot.placeholders[issued.record.digest])
    assert {(each.id, each.weight) for each in found} == {(one.id, 3), (two.id, 1)}


async def test_a_pool_is_of_one_provider_and_its_hosts(plant: Plant) -> None:
    await add(plant, "one", pool="gpt")
    with pytest.raises(InvalidRecord, match="is for openai"):
        await add(plant, "two", pool="gpt", provider="anthropic", hosts=["api.anthropic.com"])
    with pytest.raises(InvalidRecord, match="is for openai"):
        await add(plant, "two", pool="gpt", hosts=["eu.api.openai.com"])
    stranger = await add(plant, "two", hosts=["eu.api.openai.com"])
    with pytest.raises(InvalidRecord, match="is for openai"):
        await change(plant, stranger, pool="gpt")


async def test_no_name_means_both_a_pool_and_a_credential(plant: Plant) -> None:
    await add(plant, "one", pool="gpt")
    with pytest.raises(AlreadyExists):
        await add(plant, "gpt")
    with pytest.raises(InvalidRecord):
        await add(plant, "two", pool="one")


async def test_what_is_not_named_stays_and_an_empty_text_takes_away(plant: Plant) -> None:
    one = await add(plant, "one", pool="gpt", provider_key_id="key_1")
    changed = await change(plant, one, weight=7)
    assert (changed.weight, changed.pool, changed.provider_key_id) == (7, "gpt", "key_1")
    changed = await change(plant, one, pool="")
    assert (changed.weight, changed.pool) == (7, None)
    with pytest.raises(InvalidRecord):
        await change(plant, one, weight=1001)


async def test_a_placeholder_for_a_pool_that_is_not_there_is_not_issued(plant: Plant) -> None:
    other = await a_plant(plant.store, plant.vault)
    await add(other, "one", pool="gpt")
    with pytest.raises(InvalidRecord):
        await issue(plant, pool="gpt")


async def test_another_tenants_credential_cannot_be_changed(plant: Plant) -> None:
    other = await a_plant(plant.store, plant.vault)
    with pytest.raises(NotFound):
        await change(other, plant.credential, weight=9)


# Those that read usage


async def test_a_usage_key_is_for_no_call(plant: Plant, gateway: Store) -> None:
    key = await add(plant, "admin", purpose=credentials.Purpose.USAGE)
    assert key.id not in (await policy(gateway)).credentials
    with pytest.raises(InvalidRecord):
        await issue(plant, credential_id=key.id)
    with pytest.raises(InvalidRecord):
        await change(plant, key, pool="gpt")


async def test_one_whose_row_was_turned_into_one_for_calls_does_not_open(
    plant: Plant, gateway: Store
) -> None:
    key = await add(plant, "admin", purpose=credentials.Purpose.USAGE)
    turned = text("UPDATE conduit.credential SET purpose = 'calls' WHERE id = :id")
    async with plant.store.tenant(plant.tenant_id) as session:
        await session.execute(turned, {"id": key.id})
    snapshot = await policy(gateway)
    tenant = snapshot.tenants[plant.tenant_id]
    with pytest.raises(Unopenable):
        plant.vault.open_credential(tenant, snapshot.credentials[key.id], host=HOST[0])
    assert plant.vault.open_credential(tenant, snapshot.credentials[plant.credential.id], host=HOST[0])


# What providers say


def told(plant: Plant, action: str, at: datetime, *, version: int = 1, **more) -> Event:
    detail = {"credential_id": str(plant.credential.id), "version": version, **more}
    return incident(action, at, severity=Severity.WARNING, whose=plant.tenant_id, detail=detail)


async def ship(gateway: Store, root: Path, *told_events: Event) -> None:
    spool = Spool(root, f"worker-{len(list(root.glob('*')))}")
    for event in told_events:
        spool.append_event(event)
    spool.close()
    shipper = Shipper(gateway, root)
    while await shipper.ship_once():
        pass


async def kept(plant: Plant) -> Credential:
    async with plant.store.tenant(plant.tenant_id) as session:
        return await credentials.get(session, credential_id=plant.credential.id)


async def test_a_refusal_reaches_every_worker_through_the_record(
    plant: Plant, gateway: Store, tmp_path: Path
) -> None:
    version = (await policy(gateway)).version
    await ship(gateway, tmp_path, told(plant, CREDENTIAL_REFUSED, NOW, status=401))
    after = await policy(gateway)
    assert after.version > version
    assert after.credentials[plant.credential.id].health == Health(NOW, None, 1)
    assert (await kept(plant)).refused_status == 401


async def test_words_that_come_late_or_out_of_order_do_not_mislead(
    plant: Plant, gateway: Store, tmp_path: Path
) -> None:
    later = NOW + timedelta(seconds=5)
    await ship(gateway, tmp_path, told(plant, CREDENTIAL_ACCEPTED, later))
    await ship(gateway, tmp_path, told(plant, CREDENTIAL_REFUSED, NOW, status=401))
    assert not (await kept(plant)).health.refused
    await ship(gateway, tmp_path, told(plant, CREDENTIAL_REFUSED, later + timedelta(seconds=1), status=401))
    assert (await kept(plant)).health.refused


async def test_a_refusal_of_the_key_before_rotation_is_not_held_against_the_new_one(
    plant: Plant, gateway: Store, tmp_path: Path
) -> None:
    await ship(gateway, tmp_path, told(plant, CREDENTIAL_REFUSED, NOW, status=401))
    await credential_acts.rotate_credential(
        plant.store,
        plant.vault,
        actor=ADA,
        tenant_id=plant.tenant_id,
        credential_id=plant.credential.id,
        secret=Secret("sk-new"),
    )
    assert (await kept(plant)).health == Health(None, None, 0)
    await ship(
        gateway, tmp_path, told(plant, CREDENTIAL_REFUSED, NOW + timedelta(1), status=401, once="late")
    )
    assert not (await kept(plant)).health.refused


async def test_a_tenants_incident_cannot_mark_anothers_credential(
    plant: Plant, gateway: Store, tmp_path: Path
) -> None:
    other = await a_plant(plant.store, plant.vault)
    forged = told(plant, CREDENTIAL_REFUSED, NOW, status=401) | {"tenant_id": str(other.tenant_id)}
    await ship(gateway, tmp_path, forged)
    assert not (await kept(plant)).health.refused
