"""Incidents name what befell whom, and one thing met twice is one event."""

from datetime import UTC, datetime
from uuid import UUID

from policy.event import PLATFORM_TENANT
from policy.identifiers import TenantId
from policy.incident import Severity, incident

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId(UUID(int=7))


def test_an_incident_without_a_tenant_is_the_platforms() -> None:
    event = incident("record.torn", AT, severity=Severity.WARNING, detail={"bytes": 3})
    assert event["tenant_id"] == PLATFORM_TENANT
    assert event["detail"] == {"bytes": 3}
    assert event["at"] == "2026-03-01T12:00:00.000000Z"


def test_one_thing_met_twice_is_one_event() -> None:
    def met(once: str | None, tenant: TenantId | None = TENANT) -> str:
        event = incident("limit.threshold", AT, severity=Severity.NOTICE, whose=tenant, once=once, detail={})
        return str(event["id"])

    assert met("a") == met("a")
    assert len({met("a"), met("b"), met("a", tenant=None), met(None), met(None)}) == 5
