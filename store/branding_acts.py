"""The acts of how a tenant's coaching page looks, each with its event in the same transaction."""

from policy.branding import Branding, InvalidBranding, checked
from policy.identifiers import TenantId
from store import branding as brandings
from store.acts import Actor, record
from store.branding import KeptBranding
from store.door import Store
from store.errors import InvalidRecord


async def set_branding(
    store: Store, *, actor: Actor, tenant_id: TenantId, branding: Branding
) -> KeptBranding:
    """Say how the page looks; raises ``InvalidRecord`` for what cannot stand on it."""
    try:
        sound = checked(branding)
    except InvalidBranding as error:
        raise InvalidRecord(str(error)) from error
    async with store.tenant(tenant_id) as session:
        made = await brandings.put(session, branding=sound)
        await record(
            session,
            actor,
            "branding.set",
            tenant_id=tenant_id,
            target=tenant_id,
            name=made.name or None,
            colour=made.colour,
            logo_bytes=len(made.logo),
            hours=made.hours,
        )
    return made


async def clear_branding(store: Store, *, actor: Actor, tenant_id: TenantId) -> KeptBranding:
    """Show the plain page again; raises ``NotFound``."""
    async with store.tenant(tenant_id) as session:
        ended = await brandings.clear(session)
        await record(session, actor, "branding.clear", tenant_id=tenant_id, target=tenant_id)
    return ended
