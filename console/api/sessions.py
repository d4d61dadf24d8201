"""Who holds which address: told by an organisation's DHCP, VPN or directory, asked for by investigators."""

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from console.api.shapes import PROBLEMS, AddressSession, NewSessions
from console.people import requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, reading
from policy.snapshot import Address
from store import address_sessions, session_acts
from store.address_sessions import NewSession
from store.errors import InvalidRecord


@post(
    "/tenants/{tenant_id:uuid}/sessions",
    guards=[requires(Permission.TENANT_SESSION_BEGIN)],
    responses=PROBLEMS,
)
async def begin_sessions(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewSessions]
) -> list[AddressSession]:
    """Tell who holds which addresses, all or none; one that is told again goes on for longer."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    now = datetime.now(UTC)
    begun = await session_acts.begin_sessions(
        services_of(request).store,
        actor=actor_of(request, via="api"),
        tenant_id=tenant.tenant_id,
        sessions=[
            NewSession(item.address, item.user, data.source, item.started_at or now, item.expires_at)
            for item in data.sessions
        ],
    )
    return [AddressSession.model_validate(session) for session in begun]


@get(
    "/tenants/{tenant_id:uuid}/sessions",
    guards=[requires(Permission.TENANT_SESSION_VIEW)],
    responses=PROBLEMS,
)
async def find_sessions(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    address: FromQuery[str | None] = None,
    at: FromQuery[datetime | None] = None,
) -> list[AddressSession]:
    """Who held ``address`` at a moment (now, if none is named); without an address, every live session."""
    tenant = await known_tenant(services_of(request).store, tenant_id)
    moment = at or datetime.now(UTC)
    where = _address(address) if address is not None else None
    async with reading(services_of(request).store, tenant.tenant_id) as session:
        if where is None:
            found = await address_sessions.live(session, at=moment)
        else:
            held = await address_sessions.holder(session, address=where, at=moment)
            found = [held] if held is not None else []
    return [AddressSession.model_validate(item) for item in found]


def _address(text: str) -> Address:
    # Not as a union in the signature: msgspec decodes one custom type in a query parameter, not two.
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidRecord("address should be an IP address") from error
