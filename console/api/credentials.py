"""Providers' keys: taken over TLS or from this machine, with a one-time code, never given back."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody
from pydantic import SecretStr

from console.api.credential_shapes import (
    CredentialChange,
    CredentialRevocation,
    CredentialRotation,
    NewCredential,
)
from console.api.shapes import PROBLEMS, Credential
from console.errors import NotAllowed
from console.people import person_of, requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of, address_of
from console.views import known_tenant, reading
from policy.identifiers import CredentialId, TenantId
from store import credential_acts, credentials
from vault.secret import Secret


@get(
    "/tenants/{tenant_id:uuid}/credentials",
    guards=[requires(Permission.TENANT_CREDENTIAL_VIEW)],
    responses=PROBLEMS,
)
async def list_credentials(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Credential]:
    """The tenant's provider keys, never the keys themselves."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [Credential.model_validate(found) for found in await credentials.every(session)]


@post(
    "/tenants/{tenant_id:uuid}/credentials",
    guards=[requires(Permission.TENANT_CREDENTIAL_ADD)],
    responses=PROBLEMS,
)
async def add_credential(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewCredential]
) -> Credential:
    """Keep a provider's key; holding one for calls sanctions its provider for the tenant."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    hosts = data.hosts or services.provider_hosts(data.provider)
    await _step_up(request, data.code)
    added = await credential_acts.add_credential(
        services.store,
        services.vault,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        new=credential_acts.NewCredential(
            data.provider,
            data.name,
            hosts,
            Secret(data.secret.get_secret_value()),
            credentials.Options(data.weight, data.pool, data.purpose, data.provider_key_id),
        ),
    )
    return Credential.model_validate(added)


@put(
    "/tenants/{tenant_id:uuid}/credentials/{credential_id:uuid}",
    guards=[requires(Permission.TENANT_CREDENTIAL_SET)],
    responses=PROBLEMS,
)
async def change_credential(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    credential_id: FromPath[UUID],
    data: JSONBody[CredentialChange],
) -> Credential:
    """State weight, pool or the provider's id of a key anew."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    changed = await credential_acts.change_credential(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        credential_id=CredentialId(credential_id),
        change=credential_acts.CredentialChange(data.weight, data.pool, data.provider_key_id),
    )
    return Credential.model_validate(changed)


@post(
    "/tenants/{tenant_id:uuid}/credentials/{credential_id:uuid}/rotation",
    guards=[requires(Permission.TENANT_CREDENTIAL_ROTATE)],
    responses=PROBLEMS,
    status_code=200,
)
async def rotate_credential(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    credential_id: FromPath[UUID],
    data: JSONBody[CredentialRotation],
) -> Credential:
    """Put a new key in place of the old one; calls in flight end with the one that they have."""
    services = services_of(request)
    held = await _held(request, tenant_id, credential_id)
    await _step_up(request, data.code)
    rotated = await credential_acts.rotate_credential(
        services.store,
        services.vault,
        actor=actor_of(request, via="api"),
        tenant_id=TenantId(tenant_id),
        credential_id=held.id,
        secret=Secret(data.secret.get_secret_value()),
    )
    return Credential.model_validate(rotated)


@post(
    "/tenants/{tenant_id:uuid}/credentials/{credential_id:uuid}/revocation",
    guards=[requires(Permission.TENANT_CREDENTIAL_REVOKE)],
    responses=PROBLEMS,
    status_code=200,
)
async def revoke_credential(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    credential_id: FromPath[UUID],
    data: JSONBody[CredentialRevocation],
) -> Credential:
    """End a key and destroy its envelope; its placeholders are refused from then on."""
    services = services_of(request)
    held = await _held(request, tenant_id, credential_id)
    await _step_up(request, data.code)
    revoked = await credential_acts.revoke_credential(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=TenantId(tenant_id),
        credential_id=held.id,
    )
    return Credential.model_validate(revoked)


async def _held(
    request: Request[Any, Any, Any], tenant_id: UUID, credential_id: UUID
) -> credentials.Credential:
    """The tenant's credential; raises ``NotFound``, so that no code is spent on what is not there."""
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    async with reading(store, tenant.tenant_id) as session:
        return await credentials.get(session, credential_id=CredentialId(credential_id))


async def _step_up(request: Request[Any, Any, Any], code: SecretStr) -> None:
    """The asker's own fresh code, on a way that nobody else can read.

    Raises ``NotAllowed`` where browsers reach the console without TLS and the caller is another machine, and
    ``SignInFailed``.
    """
    services, address = services_of(request), address_of(request)
    if not services.secure and (address is None or not address.is_loopback):
        raise NotAllowed("A key is taken over TLS, or from the gateway's own machine.")
    await services.step_up.prove(person_of(request).name, code.get_secret_value(), address=address)
