"""Acts about provider keys, each with its event in the same transaction. Only here are they sealed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import CredentialId, TenantId
from store import credentials, custody, key_custody
from store.acts import Actor, record
from store.door import Store
from store.errors import AlreadyExists
from store.hosts import stated_host
from vault import credential_kinds
from vault.envelope import Binding
from vault.secret import Secret
from vault.vault import Vault


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A key of ``provider``, for ``hosts`` and no other."""

    provider: str
    name: str
    hosts: Sequence[str]
    secret: Secret


async def add_credential(
    store: Store, vault: Vault, *, actor: Actor, tenant_id: TenantId, new: NewCredential
) -> credentials.Credential:
    """Seal a provider key for its hosts; holding it sanctions its provider."""
    bound = tuple(sorted({stated_host(host) for host in new.hosts}))
    async with store.tenant(tenant_id) as session:
        if await credentials.find(session, name=new.name):
            raise AlreadyExists(f"the tenant has a credential named {new.name!r} already")
        credential = await credentials.create(session, provider=new.provider, name=new.name, hosts=bound)
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
    """Put a new provider key in place of the old one. Calls in flight end with the one they have."""
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


async def _seal(
    vault: Vault, session: AsyncSession, credential: credentials.Credential, secret: Secret
) -> None:
    with secret.revealed() as text:
        credential_kinds.parse(text)  # raises now rather than at each call
    await key_custody.lock_tenant_keys(session, credential.tenant_id)
    tenant = await key_custody.keyed_tenant(session, credential.tenant_id)
    await key_custody.count_use(session)
    await vault.unlock(tenant)
    binding = Binding(
        tenant_id=credential.tenant_id,
        credential_id=credential.id,
        provider=credential.provider,
        hosts=credential.hosts,
        version=credential.version,
    )
    sealed = vault.seal_credential(tenant, binding, secret)
    await custody.write_envelope(
        session, credential_id=credential.id, version=credential.version, envelope=sealed
    )
