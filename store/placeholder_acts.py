"""Acts about placeholders, each with its event in the same transaction."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import PlaceholderId, TenantId
from store import credentials, placeholders
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord
from vault import placeholder
from vault.secret import Secret
from vault.vault import Vault


@dataclass(frozen=True, slots=True)
class IssuedPlaceholder:
    """A new placeholder. ``text`` is shown to its holder once and kept nowhere."""

    record: placeholders.Placeholder
    text: Secret


async def issue_placeholder(
    store: Store, vault: Vault, *, actor: Actor, tenant_id: TenantId, binding: placeholders.Binding
) -> IssuedPlaceholder:
    """Issue a placeholder in the shape of its credential's provider. Only its digest is kept."""
    await vault.ready()
    async with store.tenant(tenant_id) as session:
        text = placeholder.issue(await _provider(session, binding))
        with text.revealed() as revealed:
            digest = vault.digest(revealed)
        created = await placeholders.create(session, digest=digest, binding=binding)
        await record(
            session,
            actor,
            "placeholder.issue",
            tenant_id=tenant_id,
            target=created.id,
            user_id=str(binding.member_id),
            credential_id=str(binding.credential_id) if binding.credential_id else None,
            pool=binding.pool,
            models=sorted(binding.models) or None,
            networks=[str(network) for network in binding.networks] or None,
            expires_at=binding.expires_at.isoformat() if binding.expires_at else None,
            honeytoken=binding.honeytoken or None,
        )
    return IssuedPlaceholder(created, text)


async def revoke_placeholder(
    store: Store, *, actor: Actor, tenant_id: TenantId, placeholder_id: PlaceholderId
) -> placeholders.Placeholder:
    """End a placeholder."""
    async with store.tenant(tenant_id) as session:
        revoked = await placeholders.revoke(session, placeholder_id=placeholder_id)
        await record(session, actor, "placeholder.revoke", tenant_id=tenant_id, target=placeholder_id)
    return revoked


async def _provider(session: AsyncSession, binding: placeholders.Binding) -> str:
    """Whose keys it takes the shape of; raises where it would stand for nothing."""
    if binding.credential_id is None:
        pool = await credentials.in_pool(session, pool=binding.pool or "")
        if not pool:
            raise InvalidRecord(f"the tenant has no pool {binding.pool!r}")
        return pool[0].provider
    credential = await credentials.get(session, credential_id=binding.credential_id)
    if credential.revoked_at is not None:
        raise InvalidRecord(f"the credential {credential.name!r} has been revoked")
    if credential.purpose is not credentials.Purpose.CALLS:
        raise InvalidRecord(f"the credential {credential.name!r} is not for calls")
    return credential.provider
