"""Proxies of other kinds, and of one's own behind the gateway: none is let be one, and each is listed."""

import asyncio
import socket

import pytest

from tests.addons.running import Running, running
from tests.standins.answers import Answer
from tests.standins.wire import connect

SOCKS = {
    "SOCKS4": b"\x04\x01\x01\xbb\xcb\x00\x71\x09user\x00",
    "SOCKS4a": b"\x04\x01\x01\xbb\x00\x00\x00\x01user\x00api.openai.com\x00",
    "SOCKS5": b"\x05\x01\x00\x05\x01\x00\x03\x0eapi.openai.com\x01\xbb",
}
DOORS = ("proxy", "gateway", "a tunnel")
# A question for the address of llm.example, in the form of DNS over TCP (RFC 1035, section 4.2.2).
DNS = bytes.fromhex("001d123401000001000000000000036c6c6d076578616d706c650000010001")
MASQUE = "/.well-known/masque/udp/203.0.113.9/443/"


def said(raw: socket.socket, words: bytes) -> bytes:
    """Everything that is answered until the connection is closed."""
    answered = b""
    try:
        raw.sendall(words)
        while received := raw.recv(4096):
            answered += received
    except ConnectionError:
        pass  # closed with a reset, as some of it was not read: no answer follows
    return answered


def as_far_as(gateway: Running, words: bytes, end: bytes) -> bytes:
    """What the proxy answers, as far as ``end``."""
    answered = b""
    with socket.create_connection(("127.0.0.1", gateway.ports["proxy"]), 10) as raw:
        raw.sendall(words)
        while end not in answered and (received := raw.recv(4096)):
            answered += received
    return answered


def at(gateway: Running, door: str, words: bytes) -> bytes:
    if door == "a tunnel":
        with connect("bank.example", 443, gateway.proxy, 10) as raw:
            return said(raw, words)
    with socket.create_connection(("127.0.0.1", gateway.ports[door]), 10) as raw:
        return said(raw, words)


@pytest.mark.parametrize("door", DOORS)
async def test_socks_is_no_request_at_any_door(gateway: Running, door: str) -> None:
    for words in SOCKS.values():
        answered = await asyncio.to_thread(at, gateway, door, words)
        assert answered.startswith(b"HTTP/1.1 400")
    (event,) = gateway.events()  # the rest are counted
    assert (event["kind"], event["rule"], event["decision"]) == ("connection", "valid-framing", "deny")
    assert gateway.provider.connections == []


async def test_a_tunnel_to_a_name_server_is_no_way_to_ask_it(gateway: Running) -> None:
    """mitmproxy would answer questions itself."""
    proxy = gateway.proxy
    with await asyncio.to_thread(connect, "llm.example", 53, proxy, 10) as raw:
        assert await asyncio.to_thread(said, raw, DNS) == b""
    (event,) = gateway.events()
    assert (event["rule"], event["host"], event["port"]) == ("valid-framing", "llm.example", 53)


@pytest.mark.parametrize(
    "request_line",
    [
        "CONNECT api.openai.com:443 HTTP/1.1",
        "CONNECT llm.example:443 HTTP/1.1",
        "GET http://api.openai.com/v1/models HTTP/1.1",
    ],
)
async def test_within_tls_that_is_looked_into_there_is_no_proxy(
    short_path, valkey_url, provider, request_line: str
) -> None:
    """A relay of one's own, asked for a tunnel to a provider."""
    words = f"{request_line}\r\nhost: {request_line.split()[1]}\r\n\r\n".encode()

    def ask(gateway: Running) -> bytes:
        proxy = gateway.proxy
        with (
            connect("llm.example", 443, proxy, 10) as raw,
            gateway.trusted().wrap_socket(raw, server_hostname="llm.example") as secured,
        ):
            return said(secured, words)

    async with running(short_path, valkey_url, provider, discovery={"decrypt_unknown": True}) as gateway:
        assert b"400" in (await asyncio.to_thread(ask, gateway)).split(b"\r\n")[0]
        (event,) = gateway.events()
    assert (event["kind"], event["reason"]) == ("call", "request_malformed")
    assert provider.seen == []


def switching(protocol: str) -> bytes:
    return (
        f"GET http://bank.example{MASQUE} HTTP/1.1\r\nhost: bank.example\r\nconnection: upgrade\r\n"
        f"upgrade: {protocol}\r\ncapsule-protocol: ?1\r\n\r\n"
    ).encode()


def accepts(protocol: str) -> Answer:
    """A server that switches and says a word."""
    head = f"HTTP/1.1 101 Switching Protocols\r\nupgrade: {protocol}\r\nconnection: upgrade\r\n\r\n"
    return Answer.verbatim(f"{head}secret".encode())


@pytest.mark.parametrize("protocol", ["connect-udp", "connect-ip", "tcp", "h2c"])
async def test_no_other_protocol_is_switched_to(gateway: Running, protocol: str) -> None:
    """CONNECT-UDP over HTTP/1.1 is RFC 9298, section 3.2; the wish is not passed on, and so not granted."""
    gateway.provider.play("bank.example", accepts(protocol))
    answered = await asyncio.to_thread(as_far_as, gateway, switching(protocol), b"}")
    assert answered.startswith(b"HTTP/1.1 502")
    assert b"secret" not in answered
    (seen,) = gateway.provider.seen
    assert seen.header("upgrade") is None
