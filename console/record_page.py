"""The record for people: a search over events, and everything that one placeholder touched."""

import json
from typing import Any
from uuid import UUID

from litestar import MediaType, Request, get
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from console.pages import shared, tenants_to_choose
from console.people import person_of, signed_in
from console.permissions import Permission
from console.searches import question_of, search_of
from console.services import services_of
from console.sessions import actor_of
from console.views import note_look, reading, view_of
from policy.identifiers import PlaceholderId
from store import credentials, events, members, placeholders
from store.trace import trace

KINDS = ("call", "tunnel", "act", "sign_in", "incident")


@get("/record", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(request: Request[Any, Any, Any], tenant: FromQuery[str] = "") -> Template:
    """The events that a question asks for, newest first; without one the newest of all."""
    services, view = services_of(request), view_of(person_of(request), tenant=tenant, period="")
    question = question_of(request.query_params, without=("tenant",))
    async with reading(services.store, view.tenant_id) as session:
        search = await search_of(session, question, tenant_id=view.tenant_id)
        found = await events.latest(session, limit=question.limit, search=search) if search else []
    named = await tenants_to_choose(request, view)
    await note_look(services.store, view.person, actor_of(request, via="console"), tenant_id=view.tenant_id)
    rows = [
        {"tenant_id": item.tenant_id, "sequence": item.sequence, "at": item.at, **_shown(item.body)}
        for item in found
    ]
    asked = {name: value for name, value in question.model_dump().items() if value and name != "limit"}
    context = {"rows": rows, "question": question, "asked": asked, "kinds": KINDS, "tenants": named}
    return Template("record.html", context=shared(request, view) | context)


@get(
    "/record/placeholders/{placeholder_id:uuid}",
    guards=[signed_in],
    media_type=MediaType.HTML,
    include_in_schema=False,
)
async def touched(
    request: Request[Any, Any, Any], placeholder_id: FromPath[UUID], tenant: FromQuery[str] = ""
) -> Template:
    """Everything that one placeholder touched: the answer to "this one has leaked"."""
    services, view = services_of(request), view_of(person_of(request), tenant=tenant, period="")
    whose = view.one_tenant()
    view.person.require(Permission.TENANT_PLACEHOLDER_VIEW, tenant_id=whose)
    identity = PlaceholderId(placeholder_id)
    async with reading(services.store, whose) as session:
        held = await placeholders.get(session, placeholder_id=identity)
        found = await trace(session, placeholder_id=identity)
        holder = await members.get(session, member_id=held.member_id)
        # One that is bound to a pool names no credential of its own.
        bound = held.credential_id
        credential = None if bound is None else await credentials.get(session, credential_id=bound)
    await note_look(services.store, view.person, actor_of(request, via="console"), tenant_id=view.tenant_id)
    context = {"held": held, "trace": found, "holder": holder, "credential": credential}
    return Template("record_trace.html", context=shared(request, view) | context)


def _shown(body: str) -> dict[str, Any]:
    """An event's facts for a row, and its whole text for who unfolds it."""
    event = json.loads(body)
    return {
        "kind": event["kind"],
        "who": event.get("user") or event.get("actor"),
        "what": event.get("host") or f"{event.get('action', '')} {event.get('target', '')}".strip(),
        "model": event.get("model"),
        "address": event.get("source_address"),
        "ja4": event.get("ja4"),
        "placeholder_id": event.get("placeholder_id"),
        "decision": event.get("decision"),
        "result": event.get("reason") or event.get("outcome"),
        "whole": json.dumps(event, indent=2, ensure_ascii=False),
    }
