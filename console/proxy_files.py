"""Where browsers find the gateway: a PAC file, also under the name that WPAD asks for. Without a session."""

from typing import Any

from litestar import Request, Response, get

from console.headers import PROXY_FILES
from console.services import Services, services_of
from console.views import reading
from policy.proxy_configuration import MEDIA_TYPE, proxy_configuration
from store.errors import StoreError


@get(list(PROXY_FILES), include_in_schema=False)
async def proxy_file(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The file for the catalogue in force."""
    services = services_of(request)
    text = proxy_configuration(await _catalogue(services), services.proxy)
    return Response(text.encode("ascii"), media_type=MEDIA_TYPE)


async def _catalogue(services: Services) -> Any:
    """With the database away, the shipped one: a browser without a file would go everywhere directly."""
    catalogues = services.defaults.catalogues
    try:
        async with reading(services.store, None) as session:
            return await catalogues.in_force(session)
    except StoreError:
        return catalogues.shipped
