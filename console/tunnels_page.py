"""What passed through undecrypted, for people: names and volume, which is all that is known of it."""

from typing import Any

from litestar import MediaType, Request, get
from litestar.params import FromQuery
from litestar.response import Template

from console.pages import shared, tenants_to_choose
from console.people import person_of, signed_in
from console.periods import PERIODS
from console.services import services_of
from console.sessions import actor_of
from console.views import note_look, reading, view_of
from store.tunnels import tunnels


@get("/tunnels", guards=[signed_in], media_type=MediaType.HTML, include_in_schema=False)
async def page(
    request: Request[Any, Any, Any], tenant: FromQuery[str] = "", period: FromQuery[str] = ""
) -> Template:
    """By host, the most bytes first."""
    services, view = services_of(request), view_of(person_of(request), tenant=tenant, period=period)
    since, until = view.period.bounds(services.clock())
    async with reading(services.store, view.tenant_id) as session:
        found = await tunnels(session, since=since, until=until)
    named = await tenants_to_choose(request, view)
    await note_look(services.store, view.person, actor_of(request, via="console"), tenant_id=view.tenant_id)
    context = {"found": found, "tenants": named, "period": view.period, "periods": PERIODS}
    return Template("tunnels.html", context=shared(request, view) | context)
