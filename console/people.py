"""Who has signed in, and the guards that hold a route to a permission.

A guard answers for the route's tenant first: a tenant that is not the person's is ``NotFound``, whatever
the role, so that nothing tells whether it exists.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from console.errors import NotAllowed, NotFound, NotSignedIn
from console.permissions import Permission, Role, permissions_of
from policy.identifiers import TenantId
from store.console_sessions import ConsoleSession
from store.tenants import PLATFORM

Guard = Callable[[ASGIConnection, BaseRouteHandler], Awaitable[None]]  # type: ignore[type-arg]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in. ``tenant_id`` is ``PLATFORM`` for people who act on every tenant."""

    id: UUID
    tenant_id: TenantId
    name: str
    role: Role

    @property
    def of_platform(self) -> bool:
        return self.tenant_id == PLATFORM

    def holds(self, permission: Permission) -> bool:
        """For showing or hiding a control; to enforce, use ``require``."""
        return permission in permissions_of(self.role, platform=self.of_platform)

    def require(self, permission: Permission, *, tenant_id: TenantId | None) -> None:
        """Raise ``NotFound`` for a tenant that is not the person's, else ``NotAllowed`` without permission.

        ``tenant_id`` ``None`` means the whole platform.
        """
        if tenant_id is not None and not self.of_platform and tenant_id != self.tenant_id:
            raise NotFound
        if not self.holds(permission):
            raise NotAllowed


async def signed_in(connection: ASGIConnection, _handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """The guard of routes that anybody signed in may use; raises ``NotSignedIn``."""
    person_of(connection)


def requires(permission: Permission) -> Guard:
    """A guard for routes; those under a tenant have ``tenant_id`` in their path."""

    async def guard(connection: ASGIConnection, _handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
        tenant_id: UUID | None = connection.path_params.get("tenant_id")
        person_of(connection).require(
            permission, tenant_id=None if tenant_id is None else TenantId(tenant_id)
        )

    guard.permission = permission  # type: ignore[attr-defined]  # read by the test that lists the routes
    return guard


def person_of(connection: ASGIConnection) -> Person:  # type: ignore[type-arg]
    """The person of this request; raises ``NotSignedIn``."""
    person = connection.scope.get("user")
    if not isinstance(person, Person):
        raise NotSignedIn
    return person


def person_in(found: ConsoleSession | None) -> Person:
    """Whose live session it is; raises ``NotSignedIn`` for none, and for a role that does not exist."""
    if found is None:
        raise NotSignedIn
    try:
        role = Role(found.role)
    except ValueError:
        raise NotSignedIn from None
    return Person(found.administrator_id, found.tenant_id, found.name, role)
