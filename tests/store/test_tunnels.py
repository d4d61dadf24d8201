"""Names and volume of what passed undecrypted, summed from the record."""

from datetime import UTC, datetime, timedelta
from typing import Any

from uuid_utils.compat import uuid7

from policy.event import timestamp
from policy.identifiers import TenantId
from store import chain
from store.claim import Purpose
from store.door import Store
from store.tunnels import Passed, tunnels

START = datetime(2026, 11, 1, tzinfo=UTC)


def tunnel(tenant: TenantId, minute: int, **facts: Any) -> dict[str, Any]:
    event = {
        "id": str(uuid7()),
        "at": timestamp(START + timedelta(minutes=minute)),
        "kind": "tunnel",
        "tenant_id": str(tenant),
        "host": "www.example.org",
        "decision": "allow",
        "outcome": "finished",
        "bytes_up": 10,
        "bytes_down": 100,
    }
    return {name: value for name, value in (event | facts).items() if value is not None}


async def record(gateway: Store, *events: dict[str, Any]) -> None:
    async with gateway.platform(Purpose.SHIPPING) as session:
        await chain.append(session, events)


async def test_connections_are_summed_by_host_within_the_time(
    gateway: Store, store: Store, tenant: TenantId, other_tenant: TenantId
) -> None:
    refused = {"decision": "deny", "reason": "shadow_endpoint", "bytes_up": None, "bytes_down": None}
    await record(
        gateway,
        tunnel(tenant, 0),
        tunnel(tenant, 1, bytes_down=1000, host="llm.example", verdict="suspect"),
        tunnel(tenant, 2, bytes_up=5, message='"bytes_down":700000'),
        tunnel(tenant, 3, **refused),
        tunnel(tenant, 4, kind="call"),
        tunnel(tenant, 60),
    )
    await record(gateway, tunnel(other_tenant, 1))
    async with gateway.tenant(tenant) as session:
        found = await tunnels(session, since=START, until=START + timedelta(hours=1))
        busiest = await tunnels(session, since=START, until=START + timedelta(hours=1), most=1)
    at = [START + timedelta(minutes=minute) for minute in range(4)]
    assert found == [
        Passed(tenant, "llm.example", 1, 0, 10, 1000, "suspect", at[1], at[1]),
        Passed(tenant, "www.example.org", 3, 1, 15, 200, None, at[0], at[3]),
    ]
    assert busiest == found[:1]
    async with store.platform(Purpose.REPORTING) as session:
        everywhere = await tunnels(session, since=START, until=START + timedelta(hours=1))
    assert {tenant, other_tenant} <= {each.tenant_id for each in everywhere}
