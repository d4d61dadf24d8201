"""The catalogue of AI endpoints: which is in force, what it says, and taking a signed one."""

from asyncio import to_thread
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from console.api.catalogue_shapes import (
    BODY_BYTES_MAX,
    Catalogue,
    CatalogueCheck,
    CatalogueEntry,
    ChangedFact,
    LoadedCatalogue,
    OfferedCatalogue,
)
from console.api.shapes import PROBLEMS
from console.errors import NotFound
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import reading
from policy import catalogue as policy_catalogue
from policy.catalogue_diff import difference
from store import catalogue_acts, catalogues
from store.catalogue_acts import Offered
from store.hosts import stated_host
from store.inventory_document import entry_document

ENTRIES_MAX = 1000


@get("/catalogue", guards=[requires(Permission.PLATFORM_CATALOGUE_VIEW)], responses=PROBLEMS)
async def show(request: Request[Any, Any, Any]) -> Catalogue:
    """Which catalogue is in force, and which were loaded, the newest first."""
    services = services_of(request)
    async with reading(services.store, None) as session:
        current = await services.defaults.catalogues.in_force(session)
        loaded = await catalogues.history(session)
    return Catalogue(
        version=current.version,
        entries=len(current),
        origin=catalogues.origin(current, loaded),
        loaded=[LoadedCatalogue.model_validate(each) for each in loaded],
    )


@get("/catalogue/entries", guards=[requires(Permission.PLATFORM_CATALOGUE_VIEW)], responses=PROBLEMS)
async def list_entries(
    request: Request[Any, Any, Any],
    search: FromQuery[str] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=ENTRIES_MAX)] = 100,
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
) -> list[CatalogueEntry]:
    """The entries in force whose host, provider, product or kind holds `search`, by host."""
    current = await _in_force(request)
    found = policy_catalogue.matching(current, search)
    return [CatalogueEntry.model_validate(entry_document(entry)) for entry in found[offset : offset + limit]]


@get(
    "/catalogue/entries/{host:str}", guards=[requires(Permission.PLATFORM_CATALOGUE_VIEW)], responses=PROBLEMS
)
async def find_entry(request: Request[Any, Any, Any], host: FromPath[str]) -> CatalogueEntry:
    """The entry that a host falls under, by itself or by a pattern."""
    entry = (await _in_force(request)).find(stated_host(host))
    if entry is None:
        raise NotFound("The catalogue does not know this host.")
    return CatalogueEntry.model_validate(entry_document(entry))


@post(
    "/catalogue/check",
    guards=[requires(Permission.PLATFORM_CATALOGUE_LOAD)],
    responses=PROBLEMS,
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
)
async def check(request: Request[Any, Any, Any], data: JSONBody[OfferedCatalogue]) -> CatalogueCheck:
    """Say whether a catalogue would be taken, and what it changes; nothing is changed by it."""
    services = services_of(request)
    offered = Offered(data.entries, data.note)
    async with reading(services.store, None) as session:
        before = await services.defaults.catalogues.in_force(session)
    after, refusal = await to_thread(catalogue_acts.judged, offered, services.defaults.catalogues, before)
    found = await to_thread(difference, before, after)
    return CatalogueCheck(
        version=after.version,
        refusal=refusal,
        added=[entry.host for entry in found.added],
        removed=[entry.host for entry in found.removed],
        changed=[ChangedFact.model_validate(each) for each in found.changed],
    )


@post(
    "/catalogue",
    guards=[requires(Permission.PLATFORM_CATALOGUE_LOAD)],
    responses=PROBLEMS,
    request_max_body_size=BODY_BYTES_MAX,
)
async def load(request: Request[Any, Any, Any], data: JSONBody[OfferedCatalogue]) -> LoadedCatalogue:
    """Put a signed catalogue in force in every worker, within a second and without a restart."""
    services = services_of(request)
    loaded = await catalogue_acts.load_catalogue(
        services.store,
        actor=actor_of(request, via="api"),
        offered=Offered(data.entries, data.note),
        known=services.defaults.catalogues,
    )
    return LoadedCatalogue.model_validate(loaded)


async def _in_force(request: Request[Any, Any, Any]) -> policy_catalogue.Catalogue:
    services = services_of(request)
    async with reading(services.store, None) as session:
        return await services.defaults.catalogues.in_force(session)
