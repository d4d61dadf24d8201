"""Acts of the review of AI endpoints: who looks after one, what was found, what was decided."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from policy.exchange import EndpointState
from policy.identifiers import TenantId
from store import endpoints, inventory
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord, MissingReference, NotFound
from store.hosts import stated_host
from store.inventory import Review


@dataclass(frozen=True, slots=True)
class Finding:
    """``owner`` and ``note`` are kept as they were where they are ``None``; ``state`` ends the review."""

    owner: str | None = None
    note: str | None = None
    state: EndpointState | None = None


async def review(store: Store, *, actor: Actor, tenant_id: TenantId, host: str, finding: Finding) -> Review:
    """Take an endpoint into review, or add to it; with a state, decide on it in the same transaction.

    Raises ``NotFound`` for an endpoint that was never seen, ``InvalidRecord`` for a decision without a note.
    """
    name = stated_host(host)
    try:
        async with store.tenant(tenant_id) as session:
            return await _reviewed(session, actor, tenant_id, name, finding)
    except MissingReference as error:
        raise NotFound(f"{name} was not seen") from error


async def _reviewed(
    session: AsyncSession, actor: Actor, tenant_id: TenantId, host: str, finding: Finding
) -> Review:
    before = await inventory.find_review(session, host=host)
    owner = finding.owner if finding.owner is not None else (before.owner if before else "")
    note = finding.note if finding.note is not None else (before.note if before else "")
    if finding.state is not None and not note.strip():
        raise InvalidRecord("a decision says why; give a note")
    made = await inventory.put_review(
        session, host=host, owner=owner.strip(), note=note.strip(), reviewed_by=actor.name
    )
    if finding.state is not None:
        await endpoints.set_rule(
            session, host=host, state=finding.state, note=made.note, decided_by=actor.name
        )
    await record(
        session,
        actor,
        "endpoint.review",
        tenant_id=tenant_id,
        target=host,
        owner=made.owner or None,
        note=made.note or None,
        state=finding.state.value if finding.state else None,
    )
    return made


async def reopen(store: Store, *, actor: Actor, tenant_id: TenantId, host: str) -> None:
    """Make an endpoint new again: its review and the tenant's decision go, and the default holds.

    Raises ``NotFound`` where there is neither.
    """
    name = stated_host(host)
    async with store.tenant(tenant_id) as session:
        reviewed = await inventory.find_review(session, host=name)
        if reviewed is not None:
            await inventory.clear_review(session, host=name)
        decided = any(rule.host == name for rule in await endpoints.rules(session))
        if decided:
            await endpoints.clear_rule(session, host=name)
        if reviewed is None and not decided:
            raise NotFound(f"{name} is new already")
        await record(session, actor, "endpoint.reopen", tenant_id=tenant_id, target=name)
