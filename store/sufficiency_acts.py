"""Acts about which sources of identity are enough, each with its event in the same transaction."""

from collections.abc import Collection

from policy.exchange import IdentitySource
from policy.identifiers import TenantId
from store import sufficiency
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord
from store.hosts import stated_pattern
from store.sufficiency import SufficiencyRule

EVERY_HOST = "*"


async def require_sources(
    store: Store, *, actor: Actor, tenant_id: TenantId, host: str, sources: Collection[IdentitySource]
) -> SufficiencyRule:
    """Call for one of ``sources`` where the tenant calls ``host``, ``*.name`` or ``*`` (every host).

    Raises ``InvalidRecord`` for a host that is none, and without a source: that would admit nobody.
    """
    if not sources:
        raise InvalidRecord("a rule names at least one source of identity")
    async with store.tenant(tenant_id) as session:
        made = await sufficiency.put(session, host=_pattern(host), sources=sources)
        await record(
            session,
            actor,
            "sufficiency.set",
            tenant_id=tenant_id,
            target=made.host,
            sources=[str(source) for source in made.sources],
        )
    return made


async def clear_sources(store: Store, *, actor: Actor, tenant_id: TenantId, host: str) -> SufficiencyRule:
    """Take a tenant's rule for a host back; raises ``NotFound``, and ``InvalidRecord`` as above."""
    async with store.tenant(tenant_id) as session:
        ended = await sufficiency.clear(session, host=_pattern(host))
        await record(
            session,
            actor,
            "sufficiency.clear",
            tenant_id=tenant_id,
            target=ended.host,
            sources=[str(source) for source in ended.sources],
        )
    return ended


def _pattern(text: str) -> str:
    return text if text == EVERY_HOST else stated_pattern(text)
