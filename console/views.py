"""What one request looks at: the whole platform or one tenant, over one period; and who may.

The database decides which rows a session sees. This module only chooses the session.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from console.errors import NotFound
from console.people import Person
from console.periods import Period, period_named
from console.permissions import Permission
from policy.identifiers import TenantId
from store import tenants
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store


@dataclass(frozen=True, slots=True)
class View:
    """``tenant_id`` ``None`` is the whole platform. Make it with ``view_of``, which checks permission."""

    person: Person
    tenant_id: TenantId | None
    period: Period

    @property
    def query(self) -> str:
        """The query string that leads back here."""
        tenant = {"tenant": str(self.tenant_id)} if self.tenant_id is not None else {}
        return "?" + urlencode({"period": self.period.name, **tenant})

    def one_tenant(self) -> TenantId:
        """The tenant, for what is one tenant's alone; raises ``NotFound`` for a view of all."""
        if self.tenant_id is None:
            raise NotFound
        return self.tenant_id

    @property
    def endpoint_permission(self) -> Permission:
        """What deciding on an endpoint takes here."""
        if self.tenant_id is None:
            return Permission.PLATFORM_ENDPOINT_SET
        return Permission.TENANT_ENDPOINT_SET


def view_of(person: Person, *, tenant: str, period: str) -> View:
    """The view that a query asks for; somebody of a tenant gets that tenant where none is named.

    Raises ``NotFound`` for a tenant that is not the person's or is no id, ``NotAllowed`` without permission.
    """
    tenant_id = _tenant_id(tenant) if tenant else None
    if tenant_id is None and not person.of_platform:
        tenant_id = person.tenant_id
    needed = Permission.PLATFORM_EVENT_VIEW if tenant_id is None else Permission.TENANT_EVENT_VIEW
    person.require(needed, tenant_id=tenant_id)
    return View(person, tenant_id, period_named(period))


@asynccontextmanager
async def reading(store: Store, tenant_id: TenantId | None) -> AsyncIterator[AsyncSession]:
    """A session that sees one tenant's rows, or for ``None`` every tenant's, for reporting."""
    door = store.platform(Purpose.REPORTING) if tenant_id is None else store.tenant(tenant_id)
    async with door as session:
        yield session


async def note_look(store: Store, person: Person, actor: Actor, *, tenant_id: TenantId | None) -> None:
    """Write down that somebody of the platform looked: at one tenant, in its own chain, or at all of them.

    People of a tenant look at what is theirs, and leave no such event.
    """
    if not person.of_platform:
        return
    if tenant_id is None:
        async with store.platform(Purpose.ADMINISTRATION) as session:
            await record(session, actor, "record.view", tenant_id=None, target="all tenants")
    else:
        async with store.tenant(tenant_id) as session:
            await record(session, actor, "record.view", tenant_id=tenant_id, target=tenant_id)


def _tenant_id(text: str) -> TenantId:
    try:
        return TenantId(UUID(text))
    except ValueError:
        raise NotFound from None


async def known_tenant(store: Store, tenant_id: UUID) -> tenants.Tenant:
    """The tenant of a path; raises ``NotFound`` for none, and for the platform itself.

    The route's guard has settled before that the person may know of it.
    """
    if tenant_id == tenants.PLATFORM:
        raise NotFound
    async with reading(store, TenantId(tenant_id)) as session:
        return await tenants.get(session, tenant_id=TenantId(tenant_id))
