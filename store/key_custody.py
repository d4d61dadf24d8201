"""Rotating and destroying the keys that protect credentials, while everything goes on serving.

Each step is a transaction of its own and starts from what it finds, so a rotation that was killed at any
point is ended by asking for it again. Locks keep a rotation from missing what is sealed meanwhile.
"""

from asyncio import to_thread
from dataclasses import dataclass, replace
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import CredentialId, TenantId
from policy.snapshot import Credential, Tenant
from store import administrators, content, credentials, custody, tenants
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import NotFound
from vault.errors import Exhausted, Unopenable
from vault.vault import Vault

# Each record has a key of its own (vault.aead), so no AES key comes near 2**32 uses (SP 800-38D, 8.3);
# this is a second bound, on how much one stolen data key can open.
DATA_KEY_OPERATIONS_MAX = 2**20

# Any two numbers that nothing else uses: the classes of our advisory locks.
_KEK_LOCK = 0x636B656B
_TENANT_LOCK = 0x63746B79


class RotatingKeys(Protocol):
    """A source of key-encryption keys that can hold an earlier and a newer key at once."""

    @property
    def rotating(self) -> bool: ...

    def add_key(self) -> str: ...

    def drop_earlier_keys(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Shredding:
    """What is left of a shredded tenant: so many envelopes, none of which opens."""

    envelopes: int
    unopenable: int


class KeyCustody:
    """The acts on keys. Each raises the errors of ``store.errors`` and ``vault.errors``."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def rotate_kek(self, *, actor: Actor, keys: RotatingKeys | None) -> int:
        """Wrap every data key by a new key-encryption key and drop the earlier ones.

        ``keys`` is ``None`` where the source rotates by itself (a KMS): then its newest key wraps, no more.
        Returns how many tenants' rings were wrapped anew. Nobody can create a tenant meanwhile; calls go on.
        """
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            await session.execute(select(func.pg_advisory_xact_lock(_KEK_LOCK, 0)))
            if keys is not None and not await to_thread(lambda: keys.rotating):
                await to_thread(keys.add_key)
            rewrapped, broken = 0, []
            for tenant in await tenants.every(session):
                try:
                    rewrapped += await self._rewrap(tenant.tenant_id)
                except Unopenable:
                    broken.append(tenant.name)
                # So that PostgreSQL does not take this transaction, which holds the lock, for idle.
                await session.execute(select(1))
            broken += await self._rewrap_second_factors(session)
            await record(
                session,
                actor,
                "vault.rotate_kek",
                tenant_id=None,
                target="kek",
                rings=rewrapped,
                unopenable=broken or None,
            )
        if broken:
            raise Unopenable(f"the keys of {', '.join(broken)} do not open; no earlier key was dropped")
        # Only now, when it is committed that nothing is wrapped by them any more. Dying before this line
        # leaves them in place, and the next rotation drops them.
        if keys is not None:
            await to_thread(keys.drop_earlier_keys)
        return rewrapped

    async def rotate_tenant(self, *, actor: Actor, tenant_id: TenantId) -> int:
        """Seal every credential of a tenant under a new data key and drop the earlier ones.

        Returns how many credentials were sealed anew.
        """
        async with self._store.tenant(tenant_id) as session:
            await lock_tenant_keys(session, tenant_id)
            tenant = await keyed_tenant(session, tenant_id)
            if not self._vault.is_rotating(tenant):
                await share_kek(session)
                ring = await to_thread(self._vault.with_new_data_key, tenant)
                await self._write(session, tenant_id, ring, newer=True)
            names = [item.id for item in await credentials.every(session) if item.revoked_at is None]
        resealed = 0
        for credential_id in names:
            resealed += await self._reseal(tenant_id, credential_id)
        async with self._store.tenant(tenant_id) as session:
            await lock_tenant_keys(session, tenant_id)
            tenant = await keyed_tenant(session, tenant_id)
            await self._vault.unlock(tenant)
            await self._refuse_stragglers(session, tenant)
            await self._rewrap_content_key(session, tenant)
            ring = self._vault.without_earlier_data_keys(tenant)
            await self._write(session, tenant_id, ring, newer=False)
            await record(
                session,
                actor,
                "vault.rotate_tenant",
                tenant_id=tenant_id,
                target=tenant_id,
                resealed=resealed,
            )
        return resealed

    async def shred_tenant(self, *, actor: Actor, tenant_id: TenantId) -> Shredding:
        """Destroy a tenant's data key, then show of every envelope that it does not open any more.

        There is no way back. The tenant's calls are refused from then on.
        """
        async with self._store.tenant(tenant_id) as session:
            await lock_tenant_keys(session, tenant_id)
            before = await keyed_tenant(session, tenant_id)
            await custody.destroy_data_key(session)
            if await custody.read_data_key(session) is not None:
                raise Unopenable("the data key is still there")
            sealed = [item for item in await _sealed(session) if item.envelope]
            unopenable = sum(_does_not_open(self._vault, before, item) for item in sealed)
            outcome = Shredding(len(sealed), unopenable)
            await record(
                session,
                actor,
                "vault.shred_tenant",
                tenant_id=tenant_id,
                target=tenant_id,
                envelopes=outcome.envelopes,
                unopenable=outcome.unopenable,
            )
        return outcome

    async def _rewrap(self, tenant_id: TenantId) -> bool:
        async with self._store.tenant(tenant_id) as session:
            await lock_tenant_keys(session, tenant_id)
            try:
                tenant = await keyed_tenant(session, tenant_id)
            except NotFound:
                return False
            ring = await to_thread(self._vault.rewrapped, tenant)
            await self._write(session, tenant_id, ring, newer=False)
            return True

    async def _rewrap_content_key(self, session: AsyncSession, tenant: Tenant) -> None:
        kept = await content.find_policy(session)
        if kept is not None:
            await content.put_policy(
                session,
                keep=kept.keep,
                bytes_max=kept.bytes_max,
                content_key=self._vault.rewrapped_content_key(tenant, kept.content_key),
            )

    async def _rewrap_second_factors(self, session: AsyncSession) -> list[str]:
        """Returns who of the administrators has one that does not open; theirs stays as it is."""
        broken = []
        for person in await administrators.every(session):
            if not person.totp_secret:
                continue
            try:
                sealed = await to_thread(
                    self._vault.rewrapped_second_factor,
                    person.totp_secret,
                    tenant_id=person.tenant_id,
                    name=person.name,
                )
            except Unopenable:
                broken.append(person.name)
            else:
                await administrators.replace_totp_secret(
                    session, administrator_id=person.id, totp_secret=sealed
                )
        return broken

    async def _reseal(self, tenant_id: TenantId, credential_id: CredentialId) -> bool:
        async with self._store.tenant(tenant_id) as session:
            await lock_tenant_keys(session, tenant_id)
            tenant = await keyed_tenant(session, tenant_id)
            await self._vault.unlock(tenant)
            row = await credentials.get(session, credential_id=credential_id)
            item = await sealed_credential(session, row)
            if not item.envelope or self._vault.is_current(tenant, item):
                return False
            await count_use(session)
            await custody.write_envelope(
                session,
                credential_id=item.id,
                version=item.version,
                envelope=self._vault.resealed(tenant, item),
            )
        return True

    async def _refuse_stragglers(self, session: AsyncSession, tenant: Tenant) -> None:
        for item in await _sealed(session):
            if item.envelope and not self._vault.is_current(tenant, item):
                raise Exhausted(f"the credential {item.name!r} was sealed meanwhile; ask again")

    async def _write(self, session: AsyncSession, tenant_id: TenantId, ring: bytes, *, newer: bool) -> None:
        kept = await custody.read_data_key(session)
        version = kept.version if kept else 1
        await custody.write_data_key(session, tenant_id=tenant_id, version=version + newer, data_key=ring)


async def share_kek(session: AsyncSession) -> None:
    """Before a data key is wrapped: wait for a rotation of the key-encryption key, and keep it waiting."""
    await session.execute(select(func.pg_advisory_xact_lock_shared(_KEK_LOCK, 0)))


async def lock_tenant_keys(session: AsyncSession, tenant_id: TenantId) -> None:
    """Before a tenant's keys or envelopes are written: one at a time, until the transaction ends."""
    # 31 bits of the id: two tenants that share them wait for each other, no more.
    await session.execute(select(func.pg_advisory_xact_lock(_TENANT_LOCK, tenant_id.int & 0x7FFFFFFF)))


async def keyed_tenant(session: AsyncSession, tenant_id: TenantId) -> Tenant:
    """The tenant with its ring of data keys; raises ``NotFound`` where it has none (any more)."""
    tenant = await tenants.get(session, tenant_id=tenant_id)
    kept = await custody.read_data_key(session)
    if kept is None:
        raise NotFound(f"the tenant {tenant.name!r} has no data key")
    zone = ZoneInfo(tenant.time_zone)
    return Tenant(tenant_id, tenant.name, tenant.region, zone, tenant.enabled, kept.data_key)


async def count_use(session: AsyncSession) -> None:
    """Count a sealing under the tenant's data key; raises ``Exhausted`` beyond what it may."""
    if await custody.count_data_key_use(session) > DATA_KEY_OPERATIONS_MAX:
        raise Exhausted("the tenant's data key is used up; run `conduit vault rotate-tenant`")


async def sealed_credential(session: AsyncSession, item: credentials.Credential) -> Credential:
    """A credential of the tenant with its envelope, empty where there is none, as the vault opens it."""
    kept = await custody.read_envelope(session, credential_id=item.id)
    return Credential(
        id=item.id,
        tenant_id=item.tenant_id,
        provider=item.bound_provider,
        name=item.name,
        hosts=item.hosts,
        version=item.version,
        envelope=kept.envelope if kept else b"",
        revoked=item.revoked_at is not None,
    )


async def _sealed(session: AsyncSession) -> list[Credential]:
    """The tenant's credentials with their envelopes."""
    return [await sealed_credential(session, item) for item in await credentials.every(session)]


def _does_not_open(vault: Vault, before: Tenant, item: Credential) -> bool:
    try:
        vault.open_credential(replace(before, data_key=b""), item, host=item.hosts[0])
    except Unopenable:
        return True
    return False
