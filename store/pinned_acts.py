"""The acts about clients that pin a certificate, each with its event in the same transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime

from policy.identifiers import TenantId
from store import pinned
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord
from store.hosts import stated_host
from store.pinned import PinnedBypass

REASON_LENGTH_MAX = 2000


@dataclass(frozen=True, slots=True)
class NewBypass:
    """``host`` is passed to unread, for a stated reason, until ``expires_at``."""

    host: str
    reason: str
    expires_at: datetime


async def bypass_pinned(store: Store, *, actor: Actor, tenant_id: TenantId, new: NewBypass) -> PinnedBypass:
    """Let TLS to a host pass unread. The actor is who approved it.

    Raises ``InvalidRecord`` for a host that is none, without a reason, or for a time that is over.
    """
    host, reason = stated_host(new.host), new.reason.strip()
    if not 0 < len(reason) <= REASON_LENGTH_MAX:
        raise InvalidRecord("a bypass states its reason, in at most 2000 characters")
    if new.expires_at <= datetime.now(UTC):
        raise InvalidRecord("a bypass ends in the future")
    async with store.tenant(tenant_id) as session:
        made = await pinned.put(
            session, host=host, reason=reason, approved_by=actor.name, expires_at=new.expires_at
        )
        await record(
            session,
            actor,
            "pinned.bypass",
            tenant_id=tenant_id,
            target=host,
            reason=reason,
            expires_at=made.expires_at.isoformat(),
        )
    return made


async def block_pinned(store: Store, *, actor: Actor, tenant_id: TenantId, host: str) -> PinnedBypass:
    """Let nothing pass unread to a host any more; raises ``NotFound`` where it did not before."""
    name = stated_host(host)
    async with store.tenant(tenant_id) as session:
        ended = await pinned.remove(session, host=name)
        await record(session, actor, "pinned.block", tenant_id=tenant_id, target=name)
    return ended
