"""Names in a ClientHello that a server could read otherwise than the gateway: no tunnel leads there."""

import asyncio

import pytest

from tests.addons.running import Running
from tests.standins.hello import SERVER_NAME, hello, records, server_name
from tests.standins.wire import connect

HOST, OTHER = b"bank.example", b"llm.example"


def sends(*bodies: bytes) -> bytes:
    """A ClientHello with an extension for the server's name of each of these bodies."""
    return records(hello([0x1301], [(SERVER_NAME, body) for body in bodies]))


def listed(*names: bytes) -> bytes:
    """Several names in one extension, which RFC 6066 section 3 forbids for names of one type."""
    entries = b"".join(b"\x00" + len(name).to_bytes(2) + name for name in names)
    return len(entries).to_bytes(2) + entries


HIDDEN = {
    "two extensions": sends(server_name(HOST), server_name(OTHER)),
    "two extensions, turned round": sends(server_name(OTHER), server_name(HOST)),
    "the same twice": sends(server_name(HOST), server_name(HOST)),
    "two names in one": sends(listed(HOST, OTHER)),
    "UTF-16": sends(server_name("llm.example".encode("utf-16-be"))),
    "UTF-8": sends(server_name("llm.ex\u00e4mple".encode())),
    "a nul": sends(server_name(b"llm.example\x00bank.example")),
    "a port": sends(server_name(b"llm.example:443")),
    "empty": sends(server_name(b"")),
    "no list": sends(b""),
    "of another type": sends(b"\x00\x0e\x01" + len(OTHER).to_bytes(2) + OTHER),
    "another than the CONNECT's": sends(server_name(OTHER)),
}
RULES = {"another than the CONNECT's": "evasion:fronting", "no list": "client-hello"}
SPELLED = [b"bank.example", b"BANK.Example", b"bank.example."]


def tunnel(gateway: Running, host: bytes, message: bytes) -> bytes:
    """What comes back through a CONNECT to ``host``, in which ``message`` is said."""
    proxy = gateway.proxy
    with connect(host.decode(), 443, proxy, 10) as raw:
        raw.sendall(message)
        try:
            return raw.recv(100)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("kind", HIDDEN)
async def test_a_name_with_another_reading_is_refused_and_listed(gateway: Running, kind: str) -> None:
    assert await asyncio.to_thread(tunnel, gateway, HOST, HIDDEN[kind]) == b""
    (event,) = gateway.events()
    rule = RULES.get(kind, "evasion:ambiguous-name")
    assert (event["decision"], event["rule"]) == ("deny", rule)


@pytest.mark.parametrize("name", SPELLED)
async def test_another_spelling_of_the_same_name_is_the_same_name(gateway: Running, name: bytes) -> None:
    """It passes, though no server makes much of so bare a ClientHello."""
    await asyncio.to_thread(tunnel, gateway, name, sends(server_name(name)))
    (event,) = await gateway.recorded()
    assert (event["decision"], event["host"]) == ("allow", "bank.example")
