"""What the pages of one view share: what their templates are told, and the tenants to choose from."""

from typing import Any

from litestar import Request

from console.formatting import Formatter, locale_of
from console.services import services_of
from console.views import View, reading
from policy.identifiers import TenantId
from store import tenants


def shared(request: Request[Any, Any, Any], view: View) -> dict[str, Any]:
    """What every template of a page needs."""
    return {"view": view, "person": view.person, "format": formatter_of(request)}


def formatter_of(request: Request[Any, Any, Any]) -> Formatter:
    """Writes values as the reader's browser asks for."""
    return Formatter(locale_of(request.headers.get("accept-language", "")))


async def tenants_to_choose(request: Request[Any, Any, Any], view: View) -> dict[TenantId, str] | None:
    """The tenants that somebody of the platform may choose from; ``None`` for people of a tenant."""
    if not view.person.of_platform:
        return None
    async with reading(services_of(request).store, None) as session:
        return {each.tenant_id: each.name for each in await tenants.every(session)}
