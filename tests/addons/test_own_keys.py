"""A provider key of the caller's own stays here where the endpoint is sanctioned, and is noted elsewhere."""

import pytest

from policy.exchange import EndpointState
from policy.snapshot import EndpointRule
from tests.addons.running import Running, with_rules

KEY = "sk-proj-" + "aB3_" * 12
BODY = {"model": "gpt-4o-mini", "messages": [], "max_tokens": 5}


@pytest.mark.parametrize(
    ("headers", "query", "member"),
    [
        ({"cookie": f"key={KEY}"}, "", {}),
        ({"x-relay-authorization": f"Bearer {KEY}"}, "", {}),
        ({}, f"?api_key={KEY}", {}),
        ({}, "", {"api_key": KEY}),
    ],
)
@pytest.mark.parametrize("state", [EndpointState.SANCTIONED, EndpointState.MONITORED])
async def test_a_key_beside_the_placeholder(gateway: Running, headers, query, member, state):
    (tenant,) = gateway.snapshots.current.tenants
    gateway.snapshots.current = with_rules(
        gateway.snapshots.current, EndpointRule(tenant, "api.openai.com", state)
    )
    signed = headers | {"authorization": f"Bearer {gateway.placeholder}"}
    async with gateway.client() as client:
        url = gateway.url("openai", f"/v1/chat/completions{query}")
        answer = await client.post(url, json=BODY | member, headers=signed)
    refused = state is EndpointState.SANCTIONED
    assert answer.headers.get("x-conduit-reason") == ("unvaulted_key" if refused else None)
    assert len(gateway.provider.seen) == (0 if refused else 1)
    (event,) = [each for each in gateway.events() if "outcome" in each]
    assert "unvaulted_key" in event["findings"]
    assert KEY not in str(event)
