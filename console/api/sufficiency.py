"""Which sources of identity a tenant takes for enough, by host."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, NewSufficiencyRule, SufficiencyRule
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from store import sufficiency, sufficiency_acts


@get(
    "/tenants/{tenant_id:uuid}/sufficiency",
    guards=[requires(Permission.TENANT_SUFFICIENCY_VIEW)],
    responses=PROBLEMS,
)
async def list_sufficiency(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID]
) -> list[SufficiencyRule]:
    """What the tenant takes for enough; the operator's own rules stand in the settings."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        return [SufficiencyRule.model_validate(rule) for rule in await sufficiency.every(session)]


@put(
    "/tenants/{tenant_id:uuid}/sufficiency/{host:str}",
    guards=[requires(Permission.TENANT_SUFFICIENCY_SET)],
    responses=PROBLEMS,
)
async def set_sufficiency(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    host: FromPath[str],
    data: JSONBody[NewSufficiencyRule],
) -> SufficiencyRule:
    """Call for one of these sources for ``host``, ``*.name`` or ``*``; the most exact rule counts."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    made = await sufficiency_acts.require_sources(
        services.store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        host=host,
        sources=data.sources,
    )
    return SufficiencyRule.model_validate(made)


@delete(
    "/tenants/{tenant_id:uuid}/sufficiency/{host:str}",
    guards=[requires(Permission.TENANT_SUFFICIENCY_SET)],
    responses=PROBLEMS,
)
async def clear_sufficiency(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], host: FromPath[str]
) -> None:
    """Take a rule back: a wider one counts, or any source."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await sufficiency_acts.clear_sources(
        services.store, actor=actor_of(request, via="api"), tenant_id=tenant.tenant_id, host=host
    )
