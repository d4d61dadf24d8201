"""Tenants."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, NewAllowance, NewTenant, Tenant, TenantEnabled, TenantSettings
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.money import MicroDollars
from store import tenant_acts, tenants


@get("/tenants", guards=[requires(Permission.PLATFORM_TENANT_VIEW)], responses=PROBLEMS)
async def list_all(request: Request[Any, Any, Any]) -> list[Tenant]:
    """Every tenant, by name."""
    async with reading(services_of(request).store, None) as session:
        return [Tenant.model_validate(tenant) for tenant in await tenants.every(session)]


@post("/tenants", guards=[requires(Permission.PLATFORM_TENANT_CREATE)], responses=PROBLEMS)
async def create(request: Request[Any, Any, Any], data: JSONBody[NewTenant]) -> Tenant:
    """Create a tenant with a data key of its own."""
    created = await tenant_acts.create_tenant(
        services_of(request).store,
        services_of(request).vault,
        actor=actor_of(request, via="api"),
        name=data.name,
        region=data.region,
        time_zone=data.time_zone,
    )
    return Tenant.model_validate(created)


@get("/tenants/{tenant_id:uuid}", guards=[requires(Permission.TENANT_TENANT_VIEW)], responses=PROBLEMS)
async def show(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> Tenant:
    """One tenant."""
    return Tenant.model_validate(await known_tenant(services_of(request).store, tenant_id))


@put(
    "/tenants/{tenant_id:uuid}/allowance", guards=[requires(Permission.TENANT_LIMIT_SET)], responses=PROBLEMS
)
async def set_allowance(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewAllowance]
) -> Tenant:
    """Say what becomes of the tenant's calls while the store of its limits is lost."""
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    allowance = MicroDollars(data.allowance) if data.allowance is not None else None
    changed = await tenant_acts.set_allowance(
        store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, allowance=allowance
    )
    return Tenant.model_validate(changed)


@put(
    "/tenants/{tenant_id:uuid}/enabled",
    guards=[requires(Permission.PLATFORM_TENANT_ENABLE)],
    responses=PROBLEMS,
)
async def enable(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[TenantEnabled]
) -> Tenant:
    """Let the tenant's calls through, or stop them all; in force within a second."""
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    changed = await tenant_acts.set_tenant_enabled(
        store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, enabled=data.enabled
    )
    return Tenant.model_validate(changed)


@put(
    "/tenants/{tenant_id:uuid}/settings", guards=[requires(Permission.TENANT_TENANT_SET)], responses=PROBLEMS
)
async def change(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[TenantSettings]
) -> Tenant:
    """Where the tenant's days turn, where its data may be processed, whose TLS is looked into.

    What is left out stays.
    """
    if data.data_residency:
        await _check_regions(request, data.data_residency)
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    how: dict[str, Any] = {"actor": actor_of(request, via="api"), "tenant_id": tenant.tenant_id}
    if data.time_zone is not None:
        tenant = await tenant_acts.set_time_zone(store, **how, time_zone=data.time_zone)
    if data.data_residency is not None:
        tenant = await tenant_acts.set_residency(store, **how, regions=data.data_residency)
    if data.decrypt_unknown is not None or data.never_decrypted is not None:
        unknown = tenant_acts.DecryptUnknown(data.decrypt_unknown) if data.decrypt_unknown else None
        tenant = await tenant_acts.set_decryption(store, **how, unknown=unknown, never=data.never_decrypted)
    return Tenant.model_validate(tenant)


async def _check_regions(request: Request[Any, Any, Any], regions: list[str]) -> None:
    """A region that no catalogued endpoint is in would allow nothing at all, so it is an error."""
    services = services_of(request)
    async with reading(services.store, None) as session:
        catalogue = await services.defaults.catalogues.in_force(session)
    tenant_acts.checked_residency(regions, catalogue)
