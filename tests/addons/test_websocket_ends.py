"""How WebSocket sessions end, by a side of theirs or by the gateway, also where nobody says anything."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from policy.exchange import EndpointState
from policy.snapshot import EndpointException, EndpointRule
from tests.addons.running import with_exceptions, with_rules
from tests.addons.sessions import CLEAR, change, ended, open_realtime, open_through_the_proxy, refused
from tests.standins.sessions import CLOSE, TEXT, Peer, echo

# By one of the two


async def test_a_provider_that_goes_without_a_word_is_told_to_the_client(launched):
    async def go(peer: Peer) -> None:
        peer.accept()

    async with launched(go) as (gateway, _):
        client = await open_realtime(gateway)
        assert (await client.hear())[1][0] == 1011
        assert (await ended(gateway))["outcome"] == "aborted_by_provider"


async def test_a_client_that_goes_without_a_word_is_told_to_the_provider(launched):
    heard = asyncio.Queue()

    async def listen(peer: Peer) -> None:
        peer.accept()
        heard.put_nowait(await peer.hear())

    async with launched(listen) as (gateway, _):
        client = await open_realtime(gateway)
        client.writer.close()
        assert await heard.get() == (CLOSE, (1001, ""))
        assert (await ended(gateway))["outcome"] == "aborted_by_client"


async def test_a_providers_close_reaches_the_client(launched):
    async def close(peer: Peer) -> None:
        peer.accept()
        peer.close(4001, "session expired")
        await peer.drain_to_end()

    async with launched(close) as (gateway, _):
        client = await open_realtime(gateway)
        assert await client.hear() == (CLOSE, (4001, "session expired"))


# By the gateway


async def test_a_revoked_placeholder_closes_a_session_in_which_both_are_silent(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    change(gateway, revoked=True)
    event, closing = (await client.hear_until(CLOSE))[-2:]
    assert json.loads(event[1])["error"]["code"] == "placeholder_revoked"
    assert closing[1][0] == 1008
    event = await ended(gateway)
    assert (event["outcome"], event["reason"]) == ("cut", "placeholder_revoked")


async def test_a_revoked_placeholder_closes_a_silent_session_within_a_tunnel(echoing):
    gateway, _ = echoing
    client = await open_through_the_proxy(gateway)
    change(gateway, revoked=True)
    assert await refused(client) == "placeholder_revoked"


async def test_a_policy_that_changes_something_else_leaves_a_session_open(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    gateway.snapshots.current = replace(gateway.snapshots.current, version=2)
    (visit,) = gateway.engine.chain._connections.open_visits()
    while visit.judged_by is not gateway.snapshots.current:
        await asyncio.sleep(0.01)
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)


@pytest.mark.parametrize(
    ("state", "reason"), [(EndpointState.BLOCKED, "shadow_endpoint"), (EndpointState.MONITORED, None)]
)
async def test_an_endpoint_that_is_blocked_meanwhile_closes_its_sessions(echoing, state, reason):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    (visit,) = gateway.engine.chain._connections.open_visits()
    rule = EndpointRule(None, "api.openai.com", state)
    gateway.snapshots.current = with_rules(gateway.snapshots.current, rule)
    if reason is not None:
        assert await refused(client) == reason
        return
    while visit.judged_by is not gateway.snapshots.current:
        await asyncio.sleep(0.01)
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)


async def test_an_exception_that_is_over_closes_its_sessions(echoing):
    gateway, _ = echoing
    policy = gateway.snapshots.current
    (user,) = policy.users.values()
    blocked = with_rules(policy, EndpointRule(user.tenant_id, "api.openai.com", EndpointState.BLOCKED))
    ends = datetime.now(UTC) + timedelta(seconds=1)
    excepted = EndpointException(uuid7(), user.tenant_id, "api.openai.com", user.id, None, ends)
    gateway.snapshots.current = with_exceptions(blocked, excepted)
    client = await open_realtime(gateway)
    assert (client.status, await refused(client)) == (101, "shadow_endpoint")


async def test_a_placeholder_that_expires_closes_its_session(echoing):
    gateway, _ = echoing
    change(gateway, expires_at=datetime.now(UTC) + timedelta(seconds=1))
    client = await open_realtime(gateway)
    assert (client.status, await refused(client)) == (101, "placeholder_expired")


async def test_a_policy_that_is_too_old_closes_a_session(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    gateway.snapshots.age_s = 1_000
    assert await refused(client) == "degraded"


async def test_a_session_in_which_nobody_says_anything_is_closed(launched):
    async with launched(echo, limits={"session_idle_timeout_s": 0.2}) as (gateway, _):
        client = await open_realtime(gateway)
        assert await refused(client) == "upstream_timeout"


async def test_a_session_ends_at_its_next_pause_when_the_gateway_restarts(echoing):
    gateway, _ = echoing
    client = await open_realtime(gateway)
    draining = asyncio.ensure_future(gateway.engine.drain(20))
    closing = (await client.hear_until(CLOSE))[-1]
    assert (closing[1][0], closing[1][1].split(": ")[1]) == (1013, "degraded")
    client.close()
    assert await draining
