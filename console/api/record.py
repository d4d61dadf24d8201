"""What happened: usage and events, of all tenants or of one."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath, FromQuery, QueryParameter

from console.api.shapes import PROBLEMS, Event, Usage
from console.people import person_of, requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, note_look, reading
from policy.identifiers import TenantId
from store import events, usage
from store.events import Search
from store.usage import Grouping

EVENTS_MAX = 1000
Since = FromQuery[datetime | None]
Most = Annotated[int, QueryParameter(ge=1, le=EVENTS_MAX)]


@get("/usage", guards=[requires(Permission.PLATFORM_USAGE_VIEW)], responses=PROBLEMS)
async def usage_of_all(
    request: Request[Any, Any, Any],
    since: Since = None,
    until: Since = None,
    group_by: FromQuery[Grouping] = Grouping.TENANT,
) -> list[Usage]:
    """Sums of every tenant's usage, the last 30 days unless told."""
    return await _usage(request, None, since, until, group_by)


@get("/tenants/{tenant_id:uuid}/usage", guards=[requires(Permission.TENANT_USAGE_VIEW)], responses=PROBLEMS)
async def usage_of_tenant(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    since: Since = None,
    until: Since = None,
    group_by: FromQuery[Grouping] = Grouping.USER,
) -> list[Usage]:
    """Sums of the tenant's usage, the last 30 days unless told."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _usage(request, tenant.tenant_id, since, until, group_by)


@get("/events", guards=[requires(Permission.PLATFORM_EVENT_VIEW)], responses=PROBLEMS)
async def events_of_all(
    request: Request[Any, Any, Any],
    until: Since = None,
    kind: FromQuery[str | None] = None,
    limit: Most = 100,
) -> list[Event]:
    """The last events of every tenant and of the platform, newest first."""
    return await _events(request, None, Search(until=until, kind=kind), limit)


@get("/tenants/{tenant_id:uuid}/events", guards=[requires(Permission.TENANT_EVENT_VIEW)], responses=PROBLEMS)
async def events_of_tenant(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    until: Since = None,
    kind: FromQuery[str | None] = None,
    limit: Most = 100,
) -> list[Event]:
    """The tenant's last events, newest first."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _events(request, tenant.tenant_id, Search(until=until, kind=kind), limit)


async def _usage(
    request: Request[Any, Any, Any],
    tenant_id: TenantId | None,
    since: datetime | None,
    until: datetime | None,
    group_by: Grouping,
) -> list[Usage]:
    services = services_of(request)
    await _note(request, tenant_id)
    end = until or services.clock()
    begin = since or end - timedelta(days=30)
    async with reading(services.store, tenant_id) as session:
        found = await usage.totals(session, since=begin, until=end, grouping=group_by)
    return [Usage.model_validate(total) for total in found]


async def _events(
    request: Request[Any, Any, Any], tenant_id: TenantId | None, search: Search, limit: int
) -> list[Event]:
    await _note(request, tenant_id)
    async with reading(services_of(request).store, tenant_id) as session:
        found = await events.latest(session, limit=limit, search=search)
    return [
        Event(tenant_id=item.tenant_id, sequence=item.sequence, event=json.loads(item.body)) for item in found
    ]


async def _note(request: Request[Any, Any, Any], tenant_id: TenantId | None) -> None:
    actor = actor_of(request, via="api")
    await note_look(services_of(request).store, person_of(request), actor, tenant_id=tenant_id)
