"""Proofs that stand alone: of one event, and of a record that only grew (docs/record-format.md)."""

from typing import Any
from uuid import UUID

from litestar import MediaType, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from pydantic import Field

from console.api.shapes import PROBLEMS, Given
from console.errors import Invalid
from console.people import person_of, requires
from console.permissions import Permission
from console.services import services_of
from console.sessions import actor_of
from console.views import known_tenant, note_look
from store.canonical import canonical
from store.proof import prove_consistency, prove_inclusion

NOTE_CHARACTERS_MAX = 10_000
SEQUENCE_MAX = 2**63 - 1


class NewConsistencyProof(Given):
    """Two checkpoints, as signed notes; without ``second`` the newest that the store has."""

    first: str = Field(min_length=1, max_length=NOTE_CHARACTERS_MAX)
    second: str | None = Field(None, min_length=1, max_length=NOTE_CHARACTERS_MAX)


@get(
    "/tenants/{tenant_id:uuid}/proofs/inclusion",
    guards=[requires(Permission.TENANT_EVENT_VIEW)],
    responses=PROBLEMS,
)
async def inclusion(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    event_id: FromQuery[UUID | None] = None,
    sequence: FromQuery[int | None] = None,
) -> Response[bytes]:
    """That an event, named by its id or its number, is in the tenant's record. `conduit audit verify-proof`
    checks the answer offline.
    """
    if (event_id is None) == (sequence is None) or not 0 < (sequence or 1) <= SEQUENCE_MAX:
        raise Invalid("Name the event by event_id, or by sequence.")
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    await note_look(
        services.store, person_of(request), actor_of(request, via="api"), tenant_id=tenant.tenant_id
    )
    return _document(
        await prove_inclusion(
            services.store,
            tenant.tenant_id,
            event_id=event_id,
            sequence=sequence,
            key=services.record_key(),
        )
    )


@post(
    "/tenants/{tenant_id:uuid}/proofs/consistency",
    guards=[requires(Permission.TENANT_EVENT_VIEW)],
    responses=PROBLEMS,
    status_code=200,
)
async def consistency(
    request: Request[Any, Any, Any], tenant_id: FromPath[UUID], data: JSONBody[NewConsistencyProof]
) -> Response[bytes]:
    """That the tenant's record only grew since a checkpoint that somebody kept."""
    services = services_of(request)
    tenant = await known_tenant(services.store, tenant_id)
    return _document(
        await prove_consistency(
            services.store,
            tenant.tenant_id,
            first=data.first,
            second=data.second,
            key=services.record_key(),
        )
    )


def _document(proof: dict[str, Any]) -> Response[bytes]:
    """As `conduit audit prove` writes it, byte for byte."""
    return Response(canonical(proof) + b"\n", media_type=MediaType.JSON)
