"""What providers said of credentials, from the workers' incidents, for every worker's next policy."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from policy.incident import CREDENTIAL_ACCEPTED, CREDENTIAL_REFUSED
from store.derived_values import count, uuid_of

# A word about an earlier version is not about the key that is there now. The later of two words stands.
_REFUSED = text(
    "UPDATE conduit.credential SET refused_at = greatest(refused_at, :at), refused_status = :status,"
    " refusals = refusals + 1 WHERE tenant_id = :tenant AND id = :id AND version = :version"
    " AND revoked_at IS NULL"
)
_ACCEPTED = text(
    "UPDATE conduit.credential SET accepted_at = greatest(accepted_at, :at)"
    " WHERE tenant_id = :tenant AND id = :id AND version = :version AND revoked_at IS NULL"
)


async def record_health(session: AsyncSession, tenant: TenantId, events: Sequence[Mapping[str, Any]]) -> None:
    """Write down what freshly appended incidents of one tenant say of its credentials."""
    for event in events:
        action, detail = event.get("action"), event.get("detail")
        if event.get("kind") != "incident" or not isinstance(detail, Mapping):
            continue
        if action not in (CREDENTIAL_REFUSED, CREDENTIAL_ACCEPTED):
            continue
        credential = uuid_of(detail.get("credential_id"))
        if credential is None:
            continue
        told = {
            "tenant": tenant,
            "id": credential,
            "version": count(detail.get("version")),
            "at": datetime.fromisoformat(str(event["at"])),
        }
        if action == CREDENTIAL_REFUSED:
            await session.execute(_REFUSED, {**told, "status": count(detail.get("status"))})
        else:
            await session.execute(_ACCEPTED, told)
