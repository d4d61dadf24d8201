"""Ways round the decryption: other protocols in a tunnel, upgrades, redirects."""

import socket
import ssl

import pytest

from tests.attacks.conversation import Attacker, exchange, request
from tests.standins.answers import Answer
from tests.standins.office import HOSTS
from tests.standins.wire import connect

GOOD = HOSTS["openai"]


def _tunnel(attacker: Attacker, authority: str = f"{GOOD}:443") -> socket.socket:
    host, _, port = authority.rpartition(":")
    return connect(host, int(port), attacker.office.product.url("proxy"))


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02\x03" * 64,
        b"EHLO evil\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 90,
    ],
)
def test_raw_bytes_in_a_tunnel_to_a_provider(attacker: Attacker, raw: bytes) -> None:
    with _tunnel(attacker) as sock:
        reply = exchange(
            sock, raw + b"\r\n\r\n", patience_s=20
        )  # a hello may be unfinished: a deadline ends it
    attacker.assert_refused(reply)


def test_plain_http_in_a_tunnel_to_a_provider(attacker: Attacker) -> None:
    with _tunnel(attacker) as sock:
        attacker.assert_refused(exchange(sock, request(headers=[attacker.bearer])))


def test_tls_without_a_name_in_a_tunnel_to_a_provider(attacker: Attacker) -> None:
    attacker.tunnel(f"{GOOD}:443", None, request(headers=[attacker.bearer]))
    attacker.assert_nothing_escaped()
    assert all(seen.host == GOOD for seen in attacker.office.provider.seen)


def test_cleartext_http2_upgrade(attacker: Attacker) -> None:
    headers = [attacker.bearer, ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")]
    headers.append(("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"))
    reply = attacker.gateway(request(attacker.path(), headers, host=attacker.gateway_host))
    assert not reply.hung
    assert reply.status != 101
    for seen in attacker.office.provider.seen:
        assert "h2c" not in (seen.header("upgrade") or "")


@pytest.mark.parametrize("listener", ["gateway", "proxy"])
def test_cleartext_http2_by_prior_knowledge(attacker: Attacker, listener: str) -> None:
    reply = getattr(attacker, listener)(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    )
    attacker.assert_refused(reply)


def test_an_upgrade_that_the_provider_accepts_opens_no_tunnel(attacker: Attacker) -> None:
    raw = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: rawtcp\r\nConnection: upgrade\r\n\r\nsecret"
    attacker.office.provider.play(GOOD, Answer.verbatim(raw))
    headers = [attacker.bearer, ("Connection", "upgrade"), ("Upgrade", "rawtcp")]
    reply = attacker.gateway(request(attacker.path(), headers, host=attacker.gateway_host))
    assert reply.status != 101
    assert b"secret" not in reply.raw


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(attacker: Attacker, status: int) -> None:
    answer = Answer.json(status, {}, ("location", "https://evil.test/v1/chat/completions"))
    attacker.office.provider.play(GOOD, answer)
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert not reply.hung
    assert [seen.host for seen in attacker.office.provider.seen] == [GOOD]


def test_alternative_services_are_not_offered(attacker: Attacker) -> None:
    """``Alt-Svc`` would lead the client to QUIC, past us."""
    attacker.office.provider.play(GOOD, Answer.json(200, {}, ("alt-svc", 'h3=":443"; ma=86400')))
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert reply.status == 200
    assert reply.header("alt-svc") is None


def test_a_client_hello_in_many_small_pieces(attacker: Attacker) -> None:
    """The name is read all the same; the call is served as any other."""
    context = ssl.create_default_context(cafile=attacker.office.ca_file)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=GOOD)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    with _tunnel(attacker) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(hello), 7):
            sock.sendall(hello[start : start + 7])
        incoming.write(sock.recv(1 << 16))
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(sock.recv(1 << 16))
        assert ("DNS", GOOD) in (tls.getpeercert() or {})["subjectAltName"]
