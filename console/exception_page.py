"""Exceptions on an endpoint's page: who may use it all the same, why and until when; granting and ending."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from console.errors import Invalid
from console.forms import Form
from console.people import person_of, signed_in
from console.services import services_of
from console.sessions import actor_of
from console.views import reading, view_of
from policy.identifiers import TenantId
from store import endpoint_acts, endpoints, members, teams
from store.hosts import stated_host

DAYS_MAX = 365


class ExceptionForm(Form):
    """``name`` is of a user or a team of the tenant."""

    kind: Literal["user", "team"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]


@dataclass(frozen=True, slots=True)
class Excepted:
    """An exception and whose it is, in words."""

    held: endpoints.EndpointException
    who: str
    over: bool


async def excepted(session: AsyncSession, *, host: str, now: datetime) -> list[Excepted]:
    """The exceptions from the state of a host, those that are over included, the newest first."""
    found = [each for each in await endpoints.exceptions(session) if each.host == host]
    if not found:
        return []
    names: Mapping[UUID | None, str] = {
        **{member.id: member.name for member in await members.every(session)},
        **{team.id: f"team {team.name}" for team in await teams.every(session)},
    }
    return [
        Excepted(each, names.get(each.member_id or each.team_id, "somebody"), over=each.expires_at <= now)
        for each in reversed(found)
    ]


@post("/inventory/{host:str}/exceptions", guards=[signed_in], include_in_schema=False)
async def grant(
    request: Request[Any, Any, Any],
    host: FromPath[str],
    data: Annotated[ExceptionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
) -> Redirect:
    """Let one user, or one team, use the endpoint for some days, and show it again."""
    whose = _allowed(request, tenant)
    services = services_of(request)
    async with reading(services.store, whose) as session:
        subject = await _subject(session, data)
    made = await endpoint_acts.except_subject(
        services.store,
        actor=actor_of(request, via="console"),
        tenant_id=whose,
        new=endpoint_acts.NewException(
            host, subject, data.reason, services.clock() + timedelta(days=data.days)
        ),
    )
    return Redirect(f"/inventory/{made.host}?tenant={whose}&exception=granted", status_code=303)


@post(
    "/inventory/{host:str}/exceptions/{exception_id:uuid}/end",
    guards=[signed_in],
    include_in_schema=False,
)
async def end(
    request: Request[Any, Any, Any],
    host: FromPath[str],
    exception_id: FromPath[UUID],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
    tenant: FromQuery[str] = "",
) -> Redirect:
    """End an exception before its time. ``data`` carries the form's token alone."""
    del data
    whose = _allowed(request, tenant)
    await endpoint_acts.end_exception(
        services_of(request).store,
        actor=actor_of(request, via="console"),
        tenant_id=whose,
        exception_id=exception_id,
    )
    return Redirect(f"/inventory/{stated_host(host)}?tenant={whose}&exception=ended", status_code=303)


def _allowed(request: Request[Any, Any, Any], tenant: str) -> TenantId:
    person = person_of(request)
    view = view_of(person, tenant=tenant, period="")
    whose = view.one_tenant()
    person.require(view.endpoint_permission, tenant_id=whose)
    return whose


async def _subject(session: AsyncSession, data: ExceptionForm) -> endpoints.ExceptionSubject:
    name = data.name.strip()
    if data.kind == "user":
        member = await members.find(session, name=name)
        if member is not None:
            return endpoints.ExceptionSubject(member_id=member.id)
    else:
        team = await teams.find(session, name=name)
        if team is not None:
            return endpoints.ExceptionSubject(team_id=team.id)
    raise Invalid(f"The tenant has no {data.kind} of this name.")
