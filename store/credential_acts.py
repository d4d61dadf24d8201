"""Acts about provider keys, each with its event in the same transaction. Only here are they sealed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import CredentialId, TenantId
from store import credentials, custody, key_custody
from store.acts import Actor, record
from store.credentials import NO_OPTIONS, Options, Purpose
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord
from store.hosts import stated_host
from store.names import stated_name
from vault import credential_kinds
from vault.envelope import Binding
from vault.secret import Secret
from vault.vault import Vault

WEIGHT_MAX = 1000


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A key of ``provider``, for ``hosts`` and no other."""

    provider: str
    name: str
    hosts: Sequence[str]
    secret: Secret
    options: Options = NO_OPTIONS


@dataclass(frozen=True, slots=True)
class CredentialChange:
    """What is stated anew; ``None`` leaves it as it is, an empty text takes it away."""

    weight: int | None = None
    pool: str | None = None
    provider_key_id: str | None = None


async def add_credential(
    store: Store, vault: Vault, *, actor: Actor, tenant_id: TenantId, new: NewCredential
) -> credentials.Credential:
    """Seal a provider key for its hosts; holding one for calls sanctions its provider."""
    bound = tuple(sorted({stated_host(host) for host in new.hosts}))
    stated_name(new.name, "a credential")
    async with store.tenant(tenant_id) as session:
        await key_custody.lock_tenant_keys(session, tenant_id)
        if await credentials.find(session, name=new.name) or await credentials.in_pool(
            session, pool=new.name
        ):
            raise AlreadyExists(f"the tenant has a credential or a pool named {new.name!r} already")
        credential = await credentials.create(
            session, provider=new.provider, name=new.name, hosts=bound, options=new.options
        )
        await _check_options(session, credential)
        await _seal(vault, session, credential, new.secret)
        await record(
            session,
            actor,
            "credential.add",
            tenant_id=tenant_id,
            target=credential.id,
            name=new.name,
            provider=new.provider,
            hosts=bound,
            **_told(credential),
        )
    return credential


async def change_credential(
    store: Store, *, actor: Actor, tenant_id: TenantId, credential_id: CredentialId, change: CredentialChange
) -> credentials.Credential:
    """State weight, pool or the provider's id of a credential anew."""
    async with store.tenant(tenant_id) as session:
        await key_custody.lock_tenant_keys(session, tenant_id)
        before = await credentials.get(session, credential_id=credential_id)
        credential = await credentials.change(
            session,
            credential_id=credential_id,
            options=Options(
                weight=before.weight if change.weight is None else change.weight,
                pool=_stated(change.pool, before.pool),
                purpose=before.purpose,
                provider_key_id=_stated(change.provider_key_id, before.provider_key_id),
            ),
        )
        await _check_options(session, credential)
        await record(
            session,
            actor,
            "credential.change",
            tenant_id=tenant_id,
            target=credential_id,
            name=credential.name,
            **_told(credential),
        )
    return credential


async def rotate_credential(
    store: Store,
    vault: Vault,
    *,
    actor: Actor,
    tenant_id: TenantId,
    credential_id: CredentialId,
    secret: Secret,
) -> credentials.Credential:
    """Put a new provider key in place of the old one. Calls in flight end with the one they have.

    What was said of the old one ends with it: its health, and the id by which the provider knows it.
    """
    async with store.tenant(tenant_id) as session:
        credential = await credentials.rotate(session, credential_id=credential_id)
        await _seal(vault, session, credential, secret)
        await record(
            session,
            actor,
            "credential.rotate",
            tenant_id=tenant_id,
            target=credential_id,
            name=credential.name,
            version=credential.version,
        )
    return credential


async def revoke_credential(
    store: Store, *, actor: Actor, tenant_id: TenantId, credential_id: CredentialId
) -> credentials.Credential:
    """End a credential and destroy its envelope."""
    async with store.tenant(tenant_id) as session:
        credential = await credentials.revoke(session, credential_id=credential_id)
        await custody.destroy_envelope(session, credential_id=credential_id)
        await record(
            session,
            actor,
            "credential.revoke",
            tenant_id=tenant_id,
            target=credential_id,
            name=credential.name,
        )
    return credential


def _stated(anew: str | None, before: str | None) -> str | None:
    """By the rule of ``CredentialChange``: ``None`` leaves what was, an empty text takes it away."""
    return before if anew is None else anew or None


async def _check_options(session: AsyncSession, credential: credentials.Credential) -> None:
    """Those of a pool can stand for each other: the same provider, the same hosts.

    Whoever calls it holds the tenant's lock, so that no other is added meanwhile.
    """
    if credential.pool is not None:
        stated_name(credential.pool, "a pool")
    if not 0 <= credential.weight <= WEIGHT_MAX:
        raise InvalidRecord(f"a weight is from 0 to {WEIGHT_MAX}")
    if credential.pool is None:
        return
    if credential.purpose is not Purpose.CALLS:
        raise InvalidRecord("a credential that reads usage is in no pool")
    if await credentials.find(session, name=credential.pool):
        raise InvalidRecord(f"a credential is named {credential.pool!r}; give the pool a name of its own")
    for other in await credentials.in_pool(session, pool=credential.pool):
        if (other.provider, set(other.hosts)) != (credential.provider, set(credential.hosts)):
            raise InvalidRecord(
                f"the pool {credential.pool!r} is for {other.provider} at {', '.join(other.hosts)}"
            )


def _told(credential: credentials.Credential) -> dict[str, str | int | None]:
    """What an act's event says beside the name."""
    return {
        "weight": credential.weight,
        "pool": credential.pool,
        "purpose": credential.purpose.value,
        "provider_key_id": credential.provider_key_id,
    }


async def _seal(
    vault: Vault, session: AsyncSession, credential: credentials.Credential, secret: Secret
) -> None:
    with secret.revealed() as text:
        kind = credential_kinds.parse(text)  # raises now rather than at each call
    if credential.purpose is Purpose.USAGE and not isinstance(kind, credential_kinds.StaticKey):
        raise InvalidRecord("usage is read with an administrator's key, which is one word")
    await key_custody.lock_tenant_keys(session, credential.tenant_id)
    tenant = await key_custody.keyed_tenant(session, credential.tenant_id)
    await key_custody.count_use(session)
    await vault.unlock(tenant)
    binding = Binding(
        tenant_id=credential.tenant_id,
        credential_id=credential.id,
        provider=credential.bound_provider,
        hosts=credential.hosts,
        version=credential.version,
    )
    sealed = vault.seal_credential(tenant, binding, secret)
    await custody.write_envelope(
        session, credential_id=credential.id, version=credential.version, envelope=sealed
    )
