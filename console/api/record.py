"""What happened: usage and events, of all tenants or of one."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath, FromQuery

from console.api.shapes import PROBLEMS, Event, Passed, Trace, Usage
from console.people import person_of, requires
from console.permissions import Permission
from console.searches import question_of, search_of
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, note_look, reading
from policy.identifiers import PlaceholderId, TenantId
from store import events, placeholders, usage
from store.trace import trace
from store.tunnels import tunnels
from store.usage import Grouping

Since = FromQuery[datetime | None]


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
async def events_of_all(request: Request[Any, Any, Any]) -> list[Event]:
    """The events of every tenant and of the platform that a question asks for, newest first.

    The query: `since`, `until` (RFC 3339), `kind`, `placeholder` (an id), `host`, `model`, `address`, `ja4`,
    `decision` (`allow`, `deny`), `reason`, `outcome`, `finding`, and `limit` (1 to 1000, else 100).
    """
    return await _events(request, None)


@get("/tenants/{tenant_id:uuid}/events", guards=[requires(Permission.TENANT_EVENT_VIEW)], responses=PROBLEMS)
async def events_of_tenant(request: Request[Any, Any, Any], tenant_id: FromPath[UUID]) -> list[Event]:
    """The tenant's events that a question asks for, newest first: as for all, and by `user` or `credential`.

    Those are names or ids.
    """
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _events(request, tenant.tenant_id)


@get("/tunnels", guards=[requires(Permission.PLATFORM_EVENT_VIEW)], responses=PROBLEMS)
async def tunnels_of_all(
    request: Request[Any, Any, Any], since: Since = None, until: Since = None
) -> list[Passed]:
    """What passed undecrypted for all tenants, by host, the most bytes first; the last 7 days unless told."""
    return await _tunnels(request, None, since, until)


@get("/tenants/{tenant_id:uuid}/tunnels", guards=[requires(Permission.TENANT_EVENT_VIEW)], responses=PROBLEMS)
async def tunnels_of_tenant(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], since: Since = None, until: Since = None
) -> list[Passed]:
    """What passed undecrypted for the tenant, by host, the most bytes first; the last 7 days unless told."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    return await _tunnels(request, tenant.tenant_id, since, until)


@get(
    "/tenants/{tenant_id:uuid}/placeholders/{placeholder_id:uuid}/trace",
    guards=[requires(Permission.TENANT_PLACEHOLDER_VIEW)],
    responses=PROBLEMS,
)
async def trace_of_placeholder(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], placeholder_id: FromPath[UUID]
) -> Trace:
    """Everything that a placeholder touched: endpoints, models, addresses, refusals, money, when."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    await _note(request, tenant.tenant_id)
    identity = PlaceholderId(placeholder_id)
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        await placeholders.get(session, placeholder_id=identity)
        return Trace.model_validate(await trace(session, placeholder_id=identity))


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


async def _tunnels(
    request: Request[Any, Any, Any],
    tenant_id: TenantId | None,
    since: datetime | None,
    until: datetime | None,
) -> list[Passed]:
    services = services_of(request)
    await _note(request, tenant_id)
    end = until or services.clock()
    async with reading(services.store, tenant_id) as session:
        found = await tunnels(session, since=since or end - timedelta(days=7), until=end)
    return [Passed.model_validate(each) for each in found]


async def _events(request: Request[Any, Any, Any], tenant_id: TenantId | None) -> list[Event]:
    question = question_of(request.query_params)
    await _note(request, tenant_id)
    async with reading(services_of(request).store, tenant_id) as session:
        search = await search_of(session, question, tenant_id=tenant_id)
        found = await events.latest(session, limit=question.limit, search=search) if search else []
    return [
        Event(tenant_id=item.tenant_id, sequence=item.sequence, event=json.loads(item.body)) for item in found
    ]


async def _note(request: Request[Any, Any, Any], tenant_id: TenantId | None) -> None:
    actor = actor_of(request, via="api")
    await note_look(services_of(request).store, person_of(request), actor, tenant_id=tenant_id)
