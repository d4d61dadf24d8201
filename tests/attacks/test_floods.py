"""What is cheap to send and dear to take: resets, bombs, heads and bodies without end.

Bounded by counts and memory, not by time; ``bench.hostile`` measures the same in full.
"""

import os
import socket
import zlib

import httpx
import pytest

from tests.attacks.conversation import Attacker, exchange, request
from tests.standins.answers import Answer, Gate
from tests.standins.hostile import BOMBS, Memory, http2, rapid_resets, workers
from tests.standins.office import HOSTS

GOOD = HOSTS["openai"]
MIB = 1 << 20
# A bomb's size when decoded; what the bench takes by default is beyond a gigabyte.
BOMB_MIB = int(os.environ.get("CONDUIT_TEST_BOMB_MIB", "1100"))
PATHS = {"gateway": "/openai/v1/chat/completions", "proxy": "/v1/chat/completions"}
bombs: dict[str, bytes] = {}


def bomb(coding: str) -> bytes:
    if coding not in bombs:
        bombs[coding] = BOMBS[coding](BOMB_MIB)
    return bombs[coding]


@pytest.mark.parametrize("listener", PATHS)
def test_rapid_reset_ends_in_goaway(attacker: Attacker, listener: str) -> None:
    """Within the bound nothing happens to the connection; beyond it says ENHANCE_YOUR_CALM."""
    office = attacker.office
    authority = GOOD if listener == "proxy" else attacker.gateway_host
    for count, ended in ((50, False), (5000, True)):
        with http2(office.product, listener, office.ca_file, GOOD) as sock:
            key = office.placeholders["openai"]
            sent, calmed = rapid_resets(sock, count, authority, PATHS[listener], key)
            assert calmed == ended
            assert sent == count or ended
    assert office.provider.seen == []
    attacker.turned_away("http2-flood")


@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_as_a_request(attacker: Attacker, coding: str) -> None:
    memory = Memory(workers(attacker.office.product))
    headers = [attacker.bearer, ("Content-Type", "application/json"), ("Content-Encoding", coding)]
    raw = request(attacker.path(), headers, bomb(coding), host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 400, 413, 415)
    assert memory.risen() < 64 * MIB


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_as_an_answer(attacker: Attacker, coding: str, kind: str) -> None:
    office = attacker.office
    headers = (("content-type", kind), ("content-encoding", coding))
    office.provider.play(GOOD, Answer(200, headers, (bomb(coding),)))
    memory = Memory(workers(office.product))
    url = f"{office.product.url('gateway')}{PATHS['gateway']}"
    came = 0
    body = {"model": "gpt-4o-mini", "messages": [], "max_tokens": 5, "stream": kind != "application/json"}
    sent = {"authorization": attacker.bearer[1]}
    with httpx.stream("POST", url, json=body, headers=sent, timeout=30, trust_env=False) as answer:
        for part in answer.iter_raw():
            came += len(part)
    assert came < 64 * MIB
    assert kind != "application/json" or answer.headers["x-conduit-reason"] == "upstream_unreachable"
    assert memory.risen() < 64 * MIB


def test_an_answer_that_is_packed_as_answers_are_is_passed_on(attacker: Attacker) -> None:
    """The permitting twin: 4 MiB, packed 30 to 1."""
    plain = b"".join(os.urandom(16).hex().encode() + b" " * 1000 for _ in range(4096))
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(plain) + packer.flush()
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    attacker.office.provider.play(GOOD, Answer(200, headers, (packed,)))
    url = f"{attacker.office.product.url('gateway')}{PATHS['gateway']}"
    body = {"model": "gpt-4o-mini", "messages": [], "max_tokens": 5}
    sent = {"authorization": attacker.bearer[1]}
    answer = httpx.post(url, json=body, headers=sent, timeout=30, trust_env=False)
    assert (answer.status_code, answer.content) == (200, plain)


def test_what_is_sent_ahead_of_an_answer_is_bounded(attacker: Attacker) -> None:
    """The next requests wait in memory while the first is answered: not without end."""
    office = attacker.office
    gate = Gate()
    office.provider.play(GOOD, Answer(200, chunks=(b"{}",), gate=gate))
    memory = Memory(workers(office.product))
    first = request(attacker.path(), [attacker.bearer], host=attacker.gateway_host)
    with socket.create_connection((office.product.address, office.product.ports["gateway"]), 10) as sock:
        sock.sendall(first)
        assert gate.reached.wait(10)
        reply = exchange(sock, b"GET / HTTP/1.1\r\n" * (2 << 20))
    gate.open()
    assert not reply.hung
    assert memory.risen() < 16 * MIB
    attacker.turned_away("sent-ahead")


def test_a_client_hello_without_end(attacker: Attacker) -> None:
    """A record after another, all of one ClientHello that claims sixteen megabytes."""
    record = b"\x16\x03\x01\x40\x00"
    hello = record + b"\x01\xff\xff\xf0\x03\x03" + bytes(16378) + (record + bytes(16384)) * 20
    reply = attacker.gateway(hello)
    attacker.assert_refused(reply)
    attacker.turned_away("client-hello")


@pytest.mark.parametrize("listener", ["gateway", "proxy"])
def test_slow_connections_leave_others_served(attacker: Attacker, listener: str) -> None:
    """Heads and bodies that do not come to their end, and silence; ``bench.hostile`` says what they cost."""
    product = attacker.office.product
    body = request(attacker.path(), [attacker.bearer, ("Content-Length", "1000")], b"{")
    held = []
    for number in range(150):
        sock = socket.create_connection((product.address, product.ports[listener]), 10)
        sock.sendall((b"POST / HTTP/1.1\r\nX-Slow: ", body, b"")[number % 3])
        held.append(sock)
    for _ in range(10):
        attacker.assert_works()
    for sock in held:
        sock.close()
