"""The catalogue for people: which is in force, and what it says about a host."""

from typing import Any

from litestar import MediaType, Request, get
from litestar.params import FromQuery
from litestar.response import Template

from console.pages import shared
from console.people import person_of, signed_in
from console.permissions import Permission
from console.services import services_of
from console.views import reading, view_of
from policy.catalogue import matching
from store import catalogues

SHOWN_MAX = 200


@get("/catalogue", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(request: Request[Any, Any, Any], search: FromQuery[str] = "") -> Template:
    """The entries that a search finds, by host; without one the first of all."""
    services, person = services_of(request), person_of(request)
    person.require(Permission.PLATFORM_CATALOGUE_VIEW, tenant_id=None)
    view = view_of(person, tenant="", period="")
    async with reading(services.store, None) as session:
        current = await services.defaults.catalogues.in_force(session)
        loaded = await catalogues.history(session)
    found = matching(current, search)
    context = {
        "version": current.version,
        "origin": catalogues.origin(current, loaded),
        "size": len(current),
        "loaded": loaded,
        "entries": found[:SHOWN_MAX],
        "found": len(found),
        "search": search,
    }
    return Template("catalogue.html", context=shared(request, view) | context)
