"""Users, whom calls are attributed to, and invitations to the console itself."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, IssuedInvitation, NewInvitation, NewUser, User, UserChange
from console.enrolment import INVITATION_LIFETIME, invite
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import TenantId, UserId
from store import member_acts, members
from store.tenants import PLATFORM


@get("/tenants/{tenant_id:uuid}/users", guards=[requires(Permission.TENANT_USER_VIEW)], responses=PROBLEMS)
async def list_users(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[User]:
    """The tenant's users, by name."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [User.model_validate(member) for member in await members.every(session)]


@post("/tenants/{tenant_id:uuid}/users", guards=[requires(Permission.TENANT_USER_CREATE)], responses=PROBLEMS)
async def create_user(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewUser]
) -> User:
    """Create a user of the tenant."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    created = await member_acts.create_user(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        new=member_acts.NewUser(data.name, team=data.team, cost_centre=data.cost_centre),
    )
    return User.model_validate(created)


@put(
    "/tenants/{tenant_id:uuid}/users/{user_id:uuid}",
    guards=[requires(Permission.TENANT_USER_SET)],
    responses=PROBLEMS,
)
async def change_user(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    user_id: FromPath[UUID],
    data: JSONBody[UserChange],
) -> User:
    """Put a user elsewhere, or stop its calls; in force within a second."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    changed = await member_acts.change_user(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        user_id=UserId(user_id),
        change=member_acts.UserChange(data.team, data.cost_centre, data.enabled),
    )
    return User.model_validate(changed)


@post(
    "/tenants/{tenant_id:uuid}/invitations",
    guards=[requires(Permission.TENANT_ADMINISTRATOR_INVITE)],
    responses=PROBLEMS,
)
async def invite_to_tenant(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewInvitation]
) -> IssuedInvitation:
    """A one-time link for somebody who will see this tenant alone."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _invite(request, tenant.tenant_id, data)


@post("/invitations", guards=[requires(Permission.PLATFORM_ADMINISTRATOR_INVITE)], responses=PROBLEMS)
async def invite_to_platform(
    request: Request[Any, Any, Any], data: JSONBody[NewInvitation]
) -> IssuedInvitation:
    """A one-time link for somebody who will see every tenant."""
    return await _invite(request, PLATFORM, data)


async def _invite(
    request: Request[Any, Any, Any], tenant_id: TenantId, data: NewInvitation
) -> IssuedInvitation:
    services = services_of(request)
    now = services.clock()
    token = await invite(
        services.store,
        tenant_id=tenant_id,
        name=data.name,
        role=data.role,
        actor=actor_of(request, via="api"),
        now=now,
    )
    return IssuedInvitation(path=f"/setup?token={token}", expires_at=now + INVITATION_LIFETIME)
