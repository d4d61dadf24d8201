"""Every level of keys rotates while calls go on; a rotation killed anywhere is ended by asking again."""

import asyncio
import multiprocessing
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from policy.identifiers import TenantId
from store import administrators, credential_acts, credentials, custody, events, key_custody, tenant_acts
from store.acts import Actor
from store.claim import Purpose
from store.door import Store
from store.errors import NotFound
from store.key_custody import KeyCustody
from store.migrate import upgrade
from store.policy_rows import read_policy
from store.roles import RoleSecrets
from store.tenants import PLATFORM
from vault import envelope, key_file
from vault.errors import Exhausted, Unopenable
from vault.secret import Secret
from vault.vault import Vault

OPERATOR = Actor("operator", "command line")
HOST = "api.openai.com"
# Rounds of each level: CONDUIT_TEST_KEY_KILLS=50 for the long run.
KILLS = int(os.environ.get("CONDUIT_TEST_KEY_KILLS", "8"))
KILLED_WITHIN_S = 0.25


@pytest.fixture(scope="module")
def roles() -> Iterator[RoleSecrets]:
    """A database of its own: rotating the key-encryption key touches every tenant."""
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    database = EmbeddedPostgres(DataFolder(path))
    database.start()
    yield upgrade(database.owner_url)
    database.stop()
    shutil.rmtree(path)


@dataclass
class House:
    """One key file, the console's and a worker's view of it, and tenants with known credentials."""

    key_path: Path
    console: Store
    gateway: Store
    tenants: list[TenantId]

    def __post_init__(self) -> None:
        self.keys = key_file.FileKeys(self.key_path)
        self.vault = Vault(self.keys)
        self.custody = KeyCustody(self.console, self.vault)
        self.worker = Vault(key_file.FileKeys(self.key_path))

    async def serve(self) -> int:
        """What a worker does all day: open every credential, by the policy as it is now."""
        async with self.gateway.platform(Purpose.SNAPSHOT, consistent=True) as session:
            policy = await read_policy(session)
        ours = [item for item in policy.credentials.values() if item.tenant_id in self.tenants]
        for credential in ours:
            tenant = policy.tenants[credential.tenant_id]
            self.worker.forget(tenant.id)  # as if it had not been used for a while
            assert self.worker.open_credential(tenant, credential, host=HOST).matches(f"sk-{tenant.name}")
        return len(ours)

    async def acts(self, action: str) -> int:
        """How often an act was recorded, which is when it was completed."""
        async with self.console.platform(Purpose.REPORTING) as session:
            found = await events.latest(session, limit=events.LIMIT_MAX, search=events.Search(kind="act"))
        return sum(f'"action":"{action}"' in item.body for item in found)

    async def ring(self, tenant_id: TenantId) -> tuple[envelope.WrappedKey, ...]:
        async with self.console.tenant(tenant_id) as session:
            kept = await custody.read_data_key(session)
        return envelope.unpack_ring(kept.data_key) if kept else ()


@pytest.fixture
async def house(roles: RoleSecrets, tmp_path: Path) -> AsyncIterator[House]:
    key_file.create(tmp_path / "kek")
    console = await Store.open(roles.console_dsn, roles.claim_key)
    gateway = await Store.open(roles.gateway_dsn, roles.claim_key)
    made = House(tmp_path / "kek", console, gateway, [])
    for name in (f"{tmp_path.name}-a", f"{tmp_path.name}-b"):
        tenant = await tenant_acts.create_tenant(console, made.vault, actor=OPERATOR, name=name)
        made.tenants.append(tenant.tenant_id)
        for number in range(2):
            await credential_acts.add_credential(
                console,
                made.vault,
                actor=OPERATOR,
                tenant_id=tenant.tenant_id,
                new=credential_acts.NewCredential("openai", f"key {number}", [HOST], Secret(f"sk-{name}")),
            )
    yield made
    for tenant_id in made.tenants:  # so that the next test's rotation meets no tenant of another key
        async with console.tenant(tenant_id) as session:
            await custody.destroy_data_key(session)
    await console.close()
    await gateway.close()


async def test_a_tenants_key_rotates_and_the_earlier_one_opens_nothing(house: House) -> None:
    tenant_id = house.tenants[0]
    (before,) = await house.ring(tenant_id)
    assert await house.custody.rotate_tenant(actor=OPERATOR, tenant_id=tenant_id) == 2
    (after,) = await house.ring(tenant_id)
    assert after.key_id != before.key_id
    assert await house.serve() == 4


async def test_the_key_encryption_key_rotates_and_the_earlier_file_opens_nothing(
    house: House, tmp_path: Path
) -> None:
    shutil.copy(house.key_path, tmp_path / "stolen")
    assert await house.custody.rotate_kek(actor=OPERATOR, keys=house.keys) == 2
    assert await house.serve() == 4
    assert len(key_file.read(house.key_path).keys) == 1
    async with house.gateway.platform(Purpose.SNAPSHOT) as session:
        policy = await read_policy(session)
    thief = Vault(key_file.FileKeys(tmp_path / "stolen"))
    for credential in policy.credentials.values():
        if credential.tenant_id in house.tenants:
            with pytest.raises(Unopenable):
                thief.open_credential(policy.tenants[credential.tenant_id], credential, host=HOST)


async def test_one_tenant_that_does_not_open_is_named_and_keeps_the_earlier_key(house: House) -> None:
    broken, whole = house.tenants
    async with house.console.tenant(broken) as session:
        foreign = Vault(key_file.FileKeys(house.key_path)).new_data_key(whole)
        await custody.write_data_key(session, tenant_id=broken, version=1, data_key=foreign)
    with pytest.raises(Unopenable, match="-a do not open"):
        await house.custody.rotate_kek(actor=OPERATOR, keys=house.keys)
    assert len(key_file.read(house.key_path).keys) == 2
    (rewrapped,) = await house.ring(whole)
    assert rewrapped.kek == key_file.read(house.key_path).keys[-1].name


async def test_a_second_factor_that_does_not_open_is_named_and_keeps_the_earlier_key(house: House) -> None:
    name, now = f"mallory {uuid4()}", datetime.now(UTC)
    digest = uuid4().bytes + uuid4().bytes
    async with house.console.platform(Purpose.ADMINISTRATION) as session:
        await administrators.invite(
            session,
            tenant_id=PLATFORM,
            name=name,
            role="auditor",
            digest=digest,
            expires_at=now + timedelta(hours=1),
        )
    async with house.console.platform(Purpose.SIGN_IN) as session:
        enrolment = administrators.Enrolment("-", totp_secret=b"-", totp_step=0)
        person = await administrators.accept(session, digest=digest, now=now, enrolment=enrolment)
    with pytest.raises(Unopenable, match=f"keys of {name} do not open"):
        await house.custody.rotate_kek(actor=OPERATOR, keys=house.keys)
    assert len(key_file.read(house.key_path).keys) == 2
    async with house.console.platform(Purpose.ADMINISTRATION) as session:
        await administrators.replace_totp_secret(session, administrator_id=person.id, totp_secret=b"")
    assert await house.custody.rotate_kek(actor=OPERATOR, keys=house.keys) == 2
    assert len(key_file.read(house.key_path).keys) == 1
    assert await house.serve() == 4


async def test_a_shredded_tenants_envelopes_do_not_open_and_others_do(house: House) -> None:
    shredded, other = house.tenants
    outcome = await house.custody.shred_tenant(actor=OPERATOR, tenant_id=shredded)
    assert (outcome.envelopes, outcome.unopenable) == (2, 2)
    with pytest.raises(NotFound):
        await house.custody.rotate_tenant(actor=OPERATOR, tenant_id=shredded)
    house.tenants = [other]
    assert await house.serve() == 2


async def test_a_data_key_that_has_sealed_enough_wants_a_rotation(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = house.tenants[0]
    monkeypatch.setattr(key_custody, "DATA_KEY_OPERATIONS_MAX", 2)
    with pytest.raises(Exhausted, match="rotate-tenant"):
        await credential_acts.add_credential(
            house.console,
            house.vault,
            actor=OPERATOR,
            tenant_id=tenant_id,
            new=credential_acts.NewCredential("openai", "one more", [HOST], Secret("sk-never-sealed")),
        )
    monkeypatch.setattr(key_custody, "DATA_KEY_OPERATIONS_MAX", 4)
    await house.custody.rotate_tenant(actor=OPERATOR, tenant_id=tenant_id)
    assert await house.serve() == 4


@pytest.mark.parametrize("level", ["kek", "tenant", "credential"])
async def test_killed_at_random_points_under_traffic_no_call_fails_and_no_row_is_lost(
    house: House, roles: RoleSecrets, level: str
) -> None:
    served = 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    chance = random.Random(20261124)
    for _ in range(KILLS):
        rotation = context.Process(
            target=rotate_for_ever, args=(roles, house.key_path, house.tenants, level), daemon=True
        )
        rotation.start()
        ends_at = asyncio.get_running_loop().time() + chance.uniform(0.05, KILLED_WITHIN_S)
        while asyncio.get_running_loop().time() < ends_at:
            served += await house.serve()
        rotation.kill()
        while rotation.is_alive():
            served += await house.serve()
    assert served > 0
    assert await house.acts("credential.rotate" if level == "credential" else f"vault.rotate_{level}") > 0

    house.keys = key_file.FileKeys(house.key_path)
    await house.custody.rotate_kek(actor=OPERATOR, keys=house.keys)
    for tenant_id in house.tenants:
        await house.custody.rotate_tenant(actor=OPERATOR, tenant_id=tenant_id)
        assert len(await house.ring(tenant_id)) == 1
    assert len(key_file.read(house.key_path).keys) == 1
    assert await house.serve() == 4


def rotate_for_ever(roles: RoleSecrets, key_path: Path, tenants: list[TenantId], level: str) -> None:
    """In a process of its own, to be killed."""

    async def rotate() -> None:
        store = await Store.open(roles.console_dsn, roles.claim_key)
        keys = key_file.FileKeys(key_path)
        kept = KeyCustody(store, Vault(keys))
        while True:
            if level == "kek":
                await kept.rotate_kek(actor=OPERATOR, keys=keys)
            for tenant_id in tenants:
                if level == "credential":
                    await rotate_credentials(store, Vault(keys), tenant_id)
                else:
                    await kept.rotate_tenant(actor=OPERATOR, tenant_id=tenant_id)

    asyncio.run(rotate())


async def rotate_credentials(store: Store, vault: Vault, tenant_id: TenantId) -> None:
    """The next version of each credential, of the same secret, so that every call can tell a right one."""
    async with store.tenant(tenant_id) as session:
        tenant = await key_custody.keyed_tenant(session, tenant_id)
        found = await credentials.every(session)
    for credential in found:
        await credential_acts.rotate_credential(
            store,
            vault,
            actor=OPERATOR,
            tenant_id=tenant_id,
            credential_id=credential.id,
            secret=Secret(f"sk-{tenant.name}"),
        )
