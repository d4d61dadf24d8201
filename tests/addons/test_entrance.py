"""What never becomes a call: an event each, counted where many come; and refusals that reach the writer."""

import asyncio
import contextlib
import socket
from ipaddress import ip_network

import pytest

from addons import turned_away
from policy.snapshot import TenantNetwork
from tests.addons.running import Running
from tests.addons.test_protocol import head, talk
from tests.builders import a_snapshot, a_tenant

CONNECT = b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n"


async def refused(gateway: Running, count: int = 1) -> list[dict[str, object]]:
    """The events of refused connections, once there are so many."""
    async with asyncio.timeout(10):
        while len(found := [event for event in gateway.events() if event["kind"] == "connection"]) < count:
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize(
    ("raw", "rule", "status"),
    [
        (b"\x00\x01\x02\x03\r\n\r\n", "valid-framing", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "valid-framing", b"400"),
        (b" GET / HTTP/1.1\r\n\r\n", "valid-framing", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "valid-framing", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * (32 * 1024), "head-size", b"413"),
        (b"\x16\x03\x01\x00\x05" + b"x" * 64, "client-hello", b""),
    ],
)
async def test_rubbish_leaves_an_event(gateway: Running, raw: bytes, rule: str, status: bytes) -> None:
    tenant = a_tenant()
    home = TenantNetwork(tenant.id, ip_network("127.0.0.0/8"))
    gateway.snapshots.current = a_snapshot(tenants=[tenant], networks=[home])
    answer = await talk(gateway, raw)
    assert answer[9:12] == status
    (event,) = await refused(gateway)
    assert (event["reason"], event["rule"]) == ("request_malformed", rule)
    assert (event["tenant_id"], event["source_address"]) == (str(tenant.id), "127.0.0.1")
    assert (event["mode"], event["decision"], event["outcome"]) == ("gateway", "deny", "refused")
    assert "count" not in event


async def test_many_are_counted(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turned_away, "WINDOW_S", 0.2)
    for _ in range(5):
        await talk(gateway, b"\x00\r\n\r\n")
    first, rest = await refused(gateway, 2)
    assert "count" not in first
    assert (rest["count"], rest["source_address"]) == (4, "127.0.0.1")
    assert rest["id"] != first["id"]
    await talk(gateway, b"\x00\r\n\r\n")
    assert len(await refused(gateway, 3)) == 3


async def test_beyond_its_bound_sources_share_a_count(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turned_away, "SOURCES_MAX", 0)
    for _ in range(3):
        await talk(gateway, b"\x00\r\n\r\n")
    gateway.engine.chain.done()
    assert [event.get("count") for event in await refused(gateway, 2)] == [None, 2]


async def test_rubbish_in_a_tunnel_says_where_it_was_to_go(gateway: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(CONNECT)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await reader.read()
    writer.close()
    (event,) = await refused(gateway)
    assert (event["host"], event["mode"], event["rule"]) == ("api.openai.com", "explicit", "valid-framing")


async def test_a_call_that_cannot_be_read_is_its_networks(gateway: Running) -> None:
    tenant = a_tenant()
    home = TenantNetwork(tenant.id, ip_network("127.0.0.0/8"))
    gateway.snapshots.current = a_snapshot(tenants=[tenant], networks=[home])
    await talk(gateway, head(gateway, "content-length: 2", "x: a\x00b", "connection: close"), b"{}")
    (event,) = gateway.events()
    assert (event["reason"], event["tenant_id"]) == ("request_malformed", str(tenant.id))


async def test_a_body_whose_framing_breaks_is_the_callers_fault(gateway: Running) -> None:
    answer = await talk(gateway, head(gateway, "transfer-encoding: chunked"), b"zz\r\n{}\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    (event,) = gateway.events()
    assert (event["reason"], event["outcome"]) == ("request_malformed", "refused")
    assert gateway.provider.seen == []


async def test_a_body_that_is_broken_off_is_the_callers_doing(gateway: Running) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
    writer.write(head(gateway, "content-length: 100") + b"{")
    await writer.drain()
    writer.close()
    async with asyncio.timeout(10):
        while gateway.engine.calls_in_flight or len(gateway.engine.chain._connections):
            await asyncio.sleep(0.01)
    assert [event["outcome"] for event in gateway.events() if "reason" in event] == []


@pytest.mark.parametrize("door", ["gateway", "proxy"])
async def test_one_connection_too_many_is_refused_and_recorded(gateway: Running, door: str) -> None:
    bounds = gateway.engine.chain._entrance._bounds
    object.__setattr__(bounds, "connections_per_address_max", 2)
    held = [await asyncio.open_connection("127.0.0.1", gateway.ports[door]) for _ in range(3)]
    assert await held[2][0].read() == b""
    (event,) = await refused(gateway)
    assert (event["reason"], event["rule"]) == ("concurrency_limited", "connections-max")
    held[0][1].close()
    async with asyncio.timeout(10):
        while gateway.engine.chain._connections.count("127.0.0.1") > 1:
            await asyncio.sleep(0.01)
    _, writer = held[1]
    for _, each in held:
        each.close()
    assert (await gateway.ask()).status_code == 200
    writer.close()


# Slow ones


@pytest.mark.parametrize("door", ["gateway", "proxy", "transparent"])
async def test_a_slow_head_is_timed_out_and_recorded(gateway: Running, door: str) -> None:
    gateway.engine.chain.deadlines.head_timeout_s = 0.1
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports[door])
    writer.write(b"GET / HT")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    if door != "transparent":  # closed at once: nothing was redirected
        assert (await refused(gateway))[0]["rule"] == "head-in-time"


async def test_a_slow_head_on_a_kept_connection_is_timed_out(gateway: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
    request = b"GET /openai/v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\n\r\n"
    writer.write(request % gateway.placeholder.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    gateway.engine.chain.deadlines.head_timeout_s = 0.1
    writer.write(b"GET / HT")
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert (await refused(gateway))[0]["rule"] == "head-in-time"


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(gateway: Running) -> None:
    gateway.engine.chain.deadlines.idle_timeout_s = 0.2
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
    request = b"GET /openai/v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\n\r\n"
    for _ in range(2):
        writer.write(request % gateway.placeholder.encode())
        assert b"HTTP/1.1 200" in await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert [event["kind"] for event in gateway.events()] == ["call"] * 4  # admitted and ended, twice


# The answer reaches whoever still writes


def small_buffers(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    return sock


def all_of(sock: socket.socket, body: bytes) -> bytes:
    """Write all, then read all; a reset at either raises."""
    sock.sendall(body)
    received = b""
    while data := sock.recv(1 << 16):
        received += data
    return received


BIG = b"x" * (1 << 20)


@pytest.mark.parametrize(
    "begin",
    [
        b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 1048576\r\n\r\n",
        b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 10485760000\r\n\r\n",
        b"POST /openai/v1/chat/completions HTTP/9.1\r\nhost: g\r\ncontent-length: 1048576\r\n\r\n",
        b"no http\r\n\r\n",
    ],
    ids=["unidentified", "too large", "version", "rubbish"],
)
@pytest.mark.parametrize("door", ["gateway", "proxy", "tunnel"])
async def test_a_refusal_reaches_who_still_writes(gateway: Running, begin: bytes, door: str) -> None:
    def ask() -> bytes:
        with small_buffers(gateway.ports["gateway" if door == "gateway" else "proxy"]) as sock:
            if door != "tunnel":
                target = b" http://api.openai.com/" if door == "proxy" else b" /"
                return all_of(sock, begin.replace(b" /", target, 1) + BIG)
            sock.sendall(CONNECT)
            sock.recv(4096)
            with gateway.trusted().wrap_socket(sock, server_hostname="api.openai.com") as secured:
                return all_of(secured, begin.replace(b"/openai", b"") + BIG)

    answer = await asyncio.to_thread(ask)
    assert b"x-conduit-reason: " in answer
    assert answer.endswith(b"}")


async def test_a_connection_that_lingers_is_closed_in_the_end(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever neither reads nor closes holds no place for ever."""
    monkeypatch.setattr("addons.connection_handler.LINGER_IDLE_S", 0.05)
    sock = small_buffers(gateway.ports["gateway"])
    await asyncio.to_thread(sock.sendall, b"no http\r\n\r\n")
    async with asyncio.timeout(10):
        while not await refused(gateway) or len(gateway.engine.chain._connections):
            await asyncio.sleep(0.01)
    with contextlib.suppress(OSError), sock:
        sock.sendall(b"more")


def test_the_reader_of_tls_errors_is_mitmproxys() -> None:
    """The words by which a handshake that never began is told from one that failed."""
    from inspect import getsource

    from mitmproxy.proxy.layers import tls

    from addons.client_hello import UNREADABLE

    assert UNREADABLE in getsource(tls.ClientTLSLayer.on_handshake_error)
