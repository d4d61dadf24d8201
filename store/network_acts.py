"""Acts about a tenant's source networks, each with its event in the same transaction."""

from policy.identifiers import TenantId
from policy.snapshot import Network
from store import networks
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord

NETWORK_PREFIX_MIN = {4: 8, 6: 16}


async def add_network(
    store: Store, *, actor: Actor, tenant_id: TenantId, network: Network
) -> networks.RegisteredNetwork:
    """Register a source network, which from then on names this tenant."""
    if network.prefixlen < NETWORK_PREFIX_MIN[network.version]:
        raise InvalidRecord(f"{network} is too wide to belong to one tenant")
    async with store.platform(Purpose.ADMINISTRATION) as session:
        holders = await networks.holders(session, network=network)
    if holders:
        # Not whose it is: a tenant's administrator may be asking.
        raise AlreadyExists(f"{network} is registered already")
    async with store.tenant(tenant_id) as session:
        added = await networks.add(session, network=network)
        await record(session, actor, "network.add", tenant_id=tenant_id, target=str(network))
    return added


async def remove_network(
    store: Store, *, actor: Actor, tenant_id: TenantId, network: Network
) -> networks.RegisteredNetwork:
    """Take a source network away from the tenant."""
    async with store.tenant(tenant_id) as session:
        removed = await networks.remove(session, network=network)
        await record(session, actor, "network.remove", tenant_id=tenant_id, target=str(network))
    return removed
