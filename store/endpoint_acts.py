"""Acts about who may use an endpoint, and with whose accounts, each with its event in the same transaction.

Who may is decided before, by the console; what is decided about the endpoints themselves is here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from policy.accounts import InvalidAccount, Restriction, checked
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from store import accounts, endpoints
from store.accounts import StatedAccounts
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.endpoints import EndpointException, ExceptionSubject
from store.errors import InvalidRecord
from store.hosts import stated_host


@dataclass(frozen=True, slots=True)
class NewException:
    """``subject`` may use ``host``, for a stated reason, until ``expires_at``."""

    host: str
    subject: ExceptionSubject
    reason: str
    expires_at: datetime


async def except_subject(
    store: Store, *, actor: Actor, tenant_id: TenantId, new: NewException
) -> EndpointException:
    """Let a user or a team use a host that is held back. The actor is who approved it.

    Raises ``InvalidRecord`` for a host that is none, without a reason, or for a time that is over.
    """
    name = stated_host(new.host)
    if not new.reason.strip():
        raise InvalidRecord("an exception states its reason")
    if new.expires_at <= datetime.now(UTC):
        raise InvalidRecord("an exception ends in the future")
    async with store.tenant(tenant_id) as session:
        made = await endpoints.add_exception(
            session,
            host=name,
            subject=new.subject,
            reason=new.reason.strip(),
            approved_by=actor.name,
            expires_at=new.expires_at,
        )
        await record(
            session,
            actor,
            "endpoint.except",
            tenant_id=tenant_id,
            target=name,
            exception=str(made.id),
            user=str(made.member_id) if made.member_id else None,
            team=str(made.team_id) if made.team_id else None,
            reason=made.reason,
            expires_at=made.expires_at.isoformat(),
        )
    return made


async def end_exception(
    store: Store, *, actor: Actor, tenant_id: TenantId, exception_id: UUID
) -> EndpointException:
    """End an exception before its time; raises ``NotFound``."""
    async with store.tenant(tenant_id) as session:
        ended = await endpoints.remove_exception(session, exception_id=exception_id)
        await record(
            session,
            actor,
            "endpoint.unexcept",
            tenant_id=tenant_id,
            target=ended.host,
            exception=str(ended.id),
        )
    return ended


async def state_accounts(
    store: Store,
    *,
    actor: Actor,
    tenant_id: TenantId,
    product: str,
    stated: Sequence[str],
    restrictions: Sequence[Restriction],
) -> StatedAccounts:
    """State which accounts of a product are the tenant's own; raises ``InvalidRecord`` for what is none.

    ``restrictions`` are those known (``config/account_restrictions.csv``); the product is one of theirs.
    """
    known = [each.product for each in restrictions]
    if product not in known:
        raise InvalidRecord(f"{product!r} has no restriction header; known are {', '.join(known)}")
    try:
        own = checked(stated)
    except InvalidAccount as error:
        raise InvalidRecord(str(error)) from error
    async with store.tenant(tenant_id) as session:
        made = await accounts.put(session, product=product, accounts=own)
        await record(session, actor, "accounts.set", tenant_id=tenant_id, target=product, accounts=own)
    return made


async def clear_accounts(store: Store, *, actor: Actor, tenant_id: TenantId, product: str) -> StatedAccounts:
    """Let any account of a product be used again; raises ``NotFound``."""
    async with store.tenant(tenant_id) as session:
        ended = await accounts.clear(session, product=product)
        await record(session, actor, "accounts.clear", tenant_id=tenant_id, target=product)
    return ended


async def set_endpoint_state(
    store: Store,
    *,
    actor: Actor,
    host: str,
    state: EndpointState,
    tenant_id: TenantId | None = None,
    note: str = "",
) -> endpoints.Rule | endpoints.PlatformRule:
    """Decide about a host, for one tenant or, without one, for all that have no decision of their own."""
    name = stated_host(host)
    detail = {"state": state.value, "note": note or None}
    rule: endpoints.Rule | endpoints.PlatformRule
    if tenant_id is None:
        async with store.platform(Purpose.ADMINISTRATION) as session:
            rule = await endpoints.set_platform_rule(session, host=name, state=state, note=note)
            await record(session, actor, "endpoint.set", tenant_id=None, target=name, **detail)
    else:
        async with store.tenant(tenant_id) as session:
            rule = await endpoints.set_rule(session, host=name, state=state, note=note, decided_by=actor.name)
            await record(session, actor, "endpoint.set", tenant_id=tenant_id, target=name, **detail)
    return rule


async def clear_endpoint_state(
    store: Store, *, actor: Actor, host: str, tenant_id: TenantId | None = None
) -> endpoints.Rule | endpoints.PlatformRule:
    """Take a decision back, one tenant's or, without one, that for all; raises ``NotFound``."""
    name = stated_host(host)
    rule: endpoints.Rule | endpoints.PlatformRule
    if tenant_id is None:
        async with store.platform(Purpose.ADMINISTRATION) as session:
            rule = await endpoints.clear_platform_rule(session, host=name)
            await record(session, actor, "endpoint.clear", tenant_id=None, target=name)
    else:
        async with store.tenant(tenant_id) as session:
            rule = await endpoints.clear_rule(session, host=name)
            await record(session, actor, "endpoint.clear", tenant_id=tenant_id, target=name)
    return rule
