"""However a ClientHello is cut, it is read once, and its connection is treated as any other."""

import asyncio
import socket
import ssl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mitmproxy.proxy.layers import tls

from addons import client_hello
from addons.client_hello import Arriving
from tests.addons.running import Running, running
from tests.standins.hello import SERVER_NAME, hello, records, server_name
from tests.standins.wire import connect

MESSAGE = hello([0x1301], [(SERVER_NAME, server_name(b"www.example.org")), (0x0015, bytes(300))])


@example(1, [5000], b"")
@given(st.integers(1, 400), st.lists(st.integers(1, 400), min_size=1), st.binary(max_size=8))
def test_it_is_whole_when_mitmproxy_says_so(each: int, sizes: list[int], behind: bytes) -> None:
    sent, came, arriving = records(MESSAGE, each=each) + behind, bytearray(), Arriving()
    while len(came) < len(sent):
        for size in sizes:
            came += sent[len(came) : len(came) + size]
            whole = tls.parse_client_hello(bytes(came)) is not None
            assert arriving.is_whole(came) is whole
            if whole:
                return


@given(st.binary(min_size=5, max_size=40))
def test_rubbish_is_left_to_mitmproxy(rubbish: bytes) -> None:
    try:
        read = tls.get_client_hello(rubbish)
    except ValueError:
        assert Arriving().is_whole(bytearray(rubbish))
    else:
        assert Arriving().is_whole(bytearray(rubbish)) is (read is not None)


def test_each_record_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read anew with each packet, thirty kilobytes in records of one byte took fourteen seconds."""
    read = 0

    def counting(header: bytes) -> bool:
        nonlocal read
        read += 1
        return header.startswith(b"\x16\x03")

    monkeypatch.setattr(client_hello, "starts_like_tls_record", counting)
    came, arriving, sent = bytearray(), Arriving(), records(MESSAGE, each=1)
    for start in range(0, len(sent), 6):
        came += sent[start : start + 6]
        assert arriving.is_whole(came) is (len(came) == len(sent))
    assert read == len(sent) // 6


@pytest.mark.parametrize(("host", "opened"), [("bank.example", False), ("api.openai.com", True)])
async def test_in_records_of_one_byte_it_is_treated_as_any_other(
    gateway: Running, host: str, opened: bool
) -> None:
    authority = gateway.folder / "ca" / "ca.pem" if opened else gateway.provider.authority.ca_file
    await asyncio.to_thread(shake_hands, gateway.proxy, host, str(authority))


def shake_hands(proxy: str, host: str, authority: str) -> None:
    """A handshake that ends well only where this authority has signed for the host."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=authority).wrap_bio(incoming, outgoing, server_hostname=host)
    with connect(host, 443, proxy, 5) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        for start in range(0, len(cut := records(outgoing.read()[9:], each=1)), 60):
            raw.sendall(cut[start : start + 60])
        while True:
            received = raw.recv(1 << 16)
            assert received, "closed"
            incoming.write(received)
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                continue
            return


async def test_one_that_does_not_come_to_its_end_in_time_is_refused_and_listed(
    short_path, valkey_url, provider
) -> None:
    def begin(gateway: Running) -> bytes:
        with connect("bank.example", 443, gateway.proxy, 10) as raw:
            raw.sendall(records(MESSAGE)[:-1])
            return raw.recv(1)

    async with running(short_path, valkey_url, provider, limits={"head_timeout_s": 0.3}) as gateway:
        assert await asyncio.to_thread(begin, gateway) == b""
        (event,) = gateway.events()
    assert (event["kind"], event["rule"], event["host"]) == ("connection", "head-in-time", "bank.example")
