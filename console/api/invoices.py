"""What a tenant owes for a month, for programs and for spreadsheets."""

from datetime import date
from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromPath

from console.api.price_shapes import Invoice
from console.api.shapes import PROBLEMS
from console.errors import Invalid
from console.people import person_of, requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, note_look, reading
from store import invoices

_JSON, _CSV = "application/json", "text/csv"


@get(
    "/tenants/{tenant_id:uuid}/invoices/{month:str}",
    guards=[requires(Permission.TENANT_USAGE_VIEW)],
    responses=PROBLEMS,
)
async def show(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], month: FromPath[str]
) -> Response[Invoice]:
    """What the tenant used in a month, such as `2026-11`, by its own clocks; `2026-11.csv` for a spreadsheet.

    Without a suffix the header `Accept` decides, between `application/json` and `text/csv`.
    """
    first, kind = _asked(request, month)
    store = services_of(request).store
    tenant = await known_tenant(store, tenant_id)
    await note_look(store, person_of(request), actor_of(request, via="api"), tenant_id=tenant.tenant_id)
    async with reading(store, tenant.tenant_id) as session:
        found = await invoices.lines(session, period=invoices.month_of(first, tenant.time_zone))
    made = invoices.invoice(tenant, first, found)
    headers = {"vary": "accept"}
    if kind == _JSON:
        return Response(Invoice.model_validate(made), media_type=_JSON, headers=headers)
    headers["content-disposition"] = f'attachment; filename="invoice-{made.month}.csv"'
    written: Response[Any] = Response(
        invoices.as_csv(made).encode(), media_type=f"{_CSV}; charset=utf-8; header=present", headers=headers
    )
    return written


def _asked(request: Request[Any, Any, Any], month: str) -> tuple[date, str]:
    """The month and the media type of a path's last part; raises ``Invalid``."""
    text, dot, suffix = month.partition(".")
    kind = {"json": _JSON, "csv": _CSV}.get(suffix)
    if not dot:
        kind = request.accept.best_match([_JSON, _CSV], default=_JSON)
    try:
        first = invoices.read_month(text)
    except ValueError:
        kind = None
    if kind is None:
        raise Invalid("Ask for a month, such as 2026-11, 2026-11.json or 2026-11.csv.")
    return first, kind
