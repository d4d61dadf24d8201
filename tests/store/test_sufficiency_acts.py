"""A tenant's rule about its sources of identity is in policy and record, or in neither."""

import json

import pytest

from policy.exchange import IdentitySource
from policy.identifiers import TenantId
from store import events, sufficiency, sufficiency_acts
from store.acts import Actor
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord, NotFound
from store.policy_rows import read_policy

ADA = Actor("ada", "console", "192.0.2.1")
TOKEN, NETWORK = IdentitySource.TOKEN, IdentitySource.NETWORK


async def test_a_rule_is_in_force_until_it_is_cleared(store: Store, gateway: Store, tenant: TenantId) -> None:
    about = {"actor": ADA, "tenant_id": tenant, "host": "*.OpenAI.com"}
    await sufficiency_acts.require_sources(store, **about, sources=[NETWORK])
    made = await sufficiency_acts.require_sources(store, **about, sources=[TOKEN, NETWORK])
    assert (made.host, made.sources) == ("*.openai.com", (NETWORK, TOKEN))
    async with gateway.platform(Purpose.SNAPSHOT, consistent=True) as session:
        policy = await read_policy(session)
    assert policy.sufficient(tenant, "api.openai.com") == {TOKEN, NETWORK}
    assert policy.sufficient(tenant, "openai.com") is None
    await sufficiency_acts.clear_sources(store, **about)
    async with store.tenant(tenant) as session:
        assert await sufficiency.every(session) == []
        told = [json.loads(each.body)["action"] for each in await events.latest(session, limit=9)]
    assert told == ["sufficiency.clear", "sufficiency.set", "sufficiency.set"]
    with pytest.raises(NotFound):
        await sufficiency_acts.clear_sources(store, **about)


@pytest.mark.parametrize(
    ("host", "sources"), [("*", []), ("two hosts", [TOKEN]), ("*.*.example", [TOKEN]), ("", [TOKEN])]
)
async def test_a_rule_without_host_or_source_is_not_made(
    store: Store, tenant: TenantId, host: str, sources: list[IdentitySource]
) -> None:
    with pytest.raises(InvalidRecord):
        await sufficiency_acts.require_sources(store, actor=ADA, tenant_id=tenant, host=host, sources=sources)
    async with store.tenant(tenant) as session:
        assert await sufficiency.every(session) == []
