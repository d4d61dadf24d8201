"""The event of a sign-in. Acts, which change something, are ``store.acts``."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address

from uuid_utils.compat import uuid7

from policy.event import SCHEMA, timestamp
from policy.identifiers import TenantId
from store.tenants import PLATFORM


def sign_in(
    now: datetime,
    outcome: str,
    *,
    tenant_id: TenantId | None,
    name: str | None,
    address: IPv4Address | IPv6Address | None = None,
) -> dict[str, object]:
    """Somebody came in (``accepted``), was turned away (``refused``) or left (``signed_out``)."""
    source = None if address is None else str(address)
    return _event(now, "sign_in", tenant_id, actor=name, outcome=outcome, source_address=source)


def _event(now: datetime, kind: str, tenant_id: TenantId | None, **facts: str | None) -> dict[str, object]:
    """A flat event. What belongs to no tenant is the platform's; facts that are absent are left out."""
    return {
        "schema": SCHEMA,
        "id": str(uuid7()),
        "at": timestamp(now),
        "kind": kind,
        "tenant_id": str(PLATFORM if tenant_id is None else tenant_id),
        **{name: value for name, value in facts.items() if value is not None},
    }
