"""Acts about limits, each with its event in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.identifiers import LimitId, PlaceholderId, TenantId, UserId
from policy.limits import LimitKind, Window
from store import limits
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One limit to set. ``amount`` is in the unit of ``kind``; ``window`` is for budgets only."""

    kind: LimitKind
    amount: int
    window: Window | None = None


async def set_limits(
    store: Store,
    *,
    actor: Actor,
    tenant_id: TenantId,
    changes: Sequence[LimitChange],
    user_id: UserId | None = None,
    placeholder_id: PlaceholderId | None = None,
) -> list[limits.LimitRule]:
    """Set limits for the tenant, or for one user or placeholder of it; all of them or none."""
    if user_id is not None and placeholder_id is not None:
        raise InvalidRecord("a limit is for a user or for a placeholder, not for both")
    async with store.tenant(tenant_id) as session:
        rules = [
            await limits.put(
                session,
                kind=change.kind,
                amount=change.amount,
                member_id=user_id,
                placeholder_id=placeholder_id,
                window=change.window,
            )
            for change in changes
        ]
        await record(
            session,
            actor,
            "limit.set",
            tenant_id=tenant_id,
            target=placeholder_id or user_id or tenant_id,
            **{_limit_name(change): change.amount for change in changes},
        )
    return rules


async def remove_limit(
    store: Store, *, actor: Actor, tenant_id: TenantId, limit_id: LimitId
) -> limits.LimitRule:
    """Remove a limit."""
    async with store.tenant(tenant_id) as session:
        rule = await limits.remove(session, limit_id=limit_id)
        await record(
            session, actor, "limit.remove", tenant_id=tenant_id, target=limit_id, limit=rule.kind.value
        )
    return rule


def _limit_name(change: LimitChange) -> str:
    return f"{change.kind.value}_{change.window.value}" if change.window else change.kind.value
