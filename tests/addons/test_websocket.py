"""WebSocket sessions through the real data plane, by every way in: what passes, and what is recorded."""

from ipaddress import ip_network

from policy.snapshot import TenantNetwork
from tests.addons.running import REAL_KEY
from tests.addons.sessions import CLEAR, ended, open_realtime, open_through_the_proxy
from tests.builders import a_snapshot
from tests.standins.sessions import CLOSE, GONE, PING, PONG, TEXT, dial, frame, handshake


async def test_a_session_opens_with_the_real_key_and_its_messages_pass(echoing):
    gateway, there = echoing
    client = await open_realtime(gateway)
    assert client.status == 101
    assert client.headers["x-conduit-request-id"]
    assert there.peers[0].headers["authorization"] == f"Bearer {REAL_KEY}"
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)
    client.close(1000, "done")
    assert await client.hear() == (CLOSE, (1000, "done"))
    assert (await client.hear())[0] == GONE
    event = await ended(gateway)
    assert (event["outcome"], event["status"], event["close_code"]) == ("finished", 101, 1000)
    assert (event["messages_up"], event["messages_down"]) == (1, 1)
    assert event["bytes_up"] > len(CLEAR) < event["bytes_down"]


async def test_a_session_opens_through_the_proxy(echoing):
    gateway, there = echoing
    client = await open_through_the_proxy(gateway)
    client.send(TEXT, CLEAR)
    assert (client.status, await client.hear()) == (101, (TEXT, CLEAR))
    assert REAL_KEY in there.peers[0].head


async def test_a_websocket_to_what_is_no_ai_passes_byte_for_byte(echoing):
    """Nobody reads it, so it is written down as a tunnel is: by name and volume."""
    gateway, there = echoing
    compressed = frame(TEXT, b"\xcaH\xcd\xc9\xc9\x07\x00", rsv=4, mask=True)
    request = handshake(
        "http://chat.example/room", "chat.example", "sec-websocket-extensions: permessage-deflate"
    )
    client = await dial(gateway.ports["proxy"], request)
    assert client.status == 101
    assert there.peers[0].headers["sec-websocket-extensions"] == "permessage-deflate"
    client.raw(frame(PING, b"x", mask=True))
    assert await client.hear() == (PONG, b"x")
    client.raw(compressed)
    (visit,) = gateway.engine.chain._connections.open_visits()
    assert (await client.hear())[0] == GONE  # the stand-in takes no compression, as it saw the reserved bit
    assert (visit.exchange.bytes_up, visit.exchange.outcome.value) == (7 + len(compressed), "finished")
    event = await ended(gateway)
    assert (event["kind"], event["host"], event["port"]) == ("tunnel", "chat.example", 80)
    assert (event["decision"], event["bytes_up"]) == ("allow", 7 + len(compressed))


async def test_a_session_at_a_host_that_only_its_traffic_gives_away_is_one(echoing):
    """Monitored, as unknown AI is by default: it goes with its own key, inspected and recorded."""
    gateway, there = echoing
    (tenant,) = gateway.snapshots.current.tenants.values()
    home = TenantNetwork(tenant.id, ip_network("127.0.0.0/8"))
    gateway.snapshots.current = a_snapshot(tenants=[tenant], networks=[home])
    own = "authorization: Bearer sk-proj-0123456789abcdefghijkl"
    offered = "sec-websocket-extensions: permessage-deflate"
    request = handshake("http://chat.example/v1/realtime", "chat.example", own, offered)
    client = await dial(gateway.ports["proxy"], request)
    assert client.status == 101
    assert "sec-websocket-extensions" not in there.peers[0].headers
    client.send(TEXT, CLEAR)
    assert await client.hear() == (TEXT, CLEAR)
    client.close()
    event = await ended(gateway)
    assert (event["host"], event["verdict"], event["operation"]) == ("chat.example", "ai", "realtime")
    assert (event["messages_up"], event["outcome"]) == (1, "finished")
