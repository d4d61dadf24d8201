"""Placeholders, which stand for credentials."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, IssuedPlaceholder, NewPlaceholder, Placeholder
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.identifiers import CredentialId, PlaceholderId, UserId
from store import placeholder_acts, placeholders


@get(
    "/tenants/{tenant_id:uuid}/placeholders",
    guards=[requires(Permission.TENANT_PLACEHOLDER_VIEW)],
    responses=PROBLEMS,
)
async def list_placeholders(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Placeholder]:
    """The tenant's placeholders, without their text, which is kept nowhere."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [Placeholder.model_validate(found) for found in await placeholders.every(session)]


@post(
    "/tenants/{tenant_id:uuid}/placeholders",
    guards=[requires(Permission.TENANT_PLACEHOLDER_ISSUE)],
    responses=PROBLEMS,
)
async def issue_placeholder(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewPlaceholder]
) -> IssuedPlaceholder:
    """Issue a placeholder. Its text is in this answer and nowhere else."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    issued = await placeholder_acts.issue_placeholder(
        services_of(request).store,
        services_of(request).vault,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        binding=placeholders.Binding(
            member_id=UserId(data.user_id),
            credential_id=CredentialId(data.credential_id) if data.credential_id else None,
            pool=data.pool,
            models=data.models,
            networks=data.networks,
            expires_at=data.expires_at,
            honeytoken=data.honeytoken,
        ),
    )
    with issued.text.revealed() as text:
        return IssuedPlaceholder(id=issued.record.id, placeholder=text)


@delete(
    "/tenants/{tenant_id:uuid}/placeholders/{placeholder_id:uuid}",
    guards=[requires(Permission.TENANT_PLACEHOLDER_REVOKE)],
    responses=PROBLEMS,
)
async def revoke_placeholder(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], placeholder_id: FromPath[UUID]
) -> None:
    """End a placeholder; calls with it are refused within a second."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    await placeholder_acts.revoke_placeholder(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        placeholder_id=PlaceholderId(placeholder_id),
    )
