"""The same attack through every door that it can reach: base URL, tunnel, and redirected TLS.

What each door alone can be told is in ``test_host_confusion`` and ``test_escapes``.
"""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.attacks.conversation import BODY, PATIENCE_S, Attacker, Reply, exchange, request
from tests.standins.namespaces import PROVIDER_ADDRESS
from tests.standins.office import HOSTS, Office
from tests.standins.product import in_namespace
from tests.standins.wire import connect

GOOD = HOSTS["openai"]
PATH = "/v1/chat/completions"
MODES = ("gateway", "tunnel", "transparent")


@dataclass(frozen=True)
class Door:
    """One way to the provider, and the attacker at it."""

    mode: str
    attacker: Attacker
    client: str | None = None

    @property
    def path(self) -> str:
        return f"/openai{PATH}" if self.mode == "gateway" else PATH

    @property
    def host(self) -> str:
        return self.attacker.gateway_host if self.mode == "gateway" else GOOD

    def ask(self, raw: bytes) -> Reply:
        """Send bytes as they are; what comes back."""
        if self.mode == "gateway":
            return self.attacker.gateway(raw)
        if self.mode == "tunnel":
            return self.attacker.tunnel(f"{GOOD}:443", GOOD, raw)
        return in_namespace(self.client, lambda: self._redirected(raw))

    def _redirected(self, raw: bytes) -> Reply:
        context = ssl.create_default_context(cafile=self.attacker.office.ca_file)
        with (
            connect(PROVIDER_ADDRESS, 443, timeout_s=PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=GOOD) as tls,
        ):
            return exchange(tls, raw)


@pytest.fixture(params=MODES)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """Each door in turn, its provider having seen nothing yet."""
    client = None
    if request.param == "transparent":
        office, net = request.getfixturevalue("network")
        client = net.client
    else:
        office = request.getfixturevalue("office")
    found: Office = office
    found.provider.forget()
    opened = Door(request.param, Attacker(found), client)
    yield opened
    opened.attacker.assert_nothing_escaped()


def good(door: Door, *headers: tuple[str, str], body: bytes = BODY) -> bytes:
    return request(door.path, [door.attacker.bearer, *headers], body, host=door.host)


def test_the_honest_are_served(door: Door) -> None:
    """So that no attack below is refused because nothing works."""
    assert door.ask(good(door)).status == 200
    office = door.attacker.office
    assert office.provider.seen[-1].keys == (office.keys["openai"],)


LINES = {
    "length-and-chunked": "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "two-lengths": "Content-Length: 5\r\nContent-Length: 6",
    "two-equal-lengths": "Content-Length: 5\r\nContent-Length: 5",
    "a-list-of-lengths": "Content-Length: 5, 5",
    "a-signed-length": "Content-Length: +5",
    "a-length-in-hex": "Content-Length: 0x5",
    "a-length-with-underscore": "Content-Length: 1_0",
    "a-length-in-other-digits": "Content-Length: \xb2",
    "a-negative-length": "Content-Length: -1",
    "an-empty-length": "Content-Length:",
    "chunked-twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "chunked-chunked": "Transfer-Encoding: chunked, chunked",
    "chunked-not-last": "Transfer-Encoding: chunked, identity",
    "chunked-after-gzip": "Transfer-Encoding: gzip, chunked",
    "chunked-with-parameter": "Transfer-Encoding: chunked;a=b",
    "chunked-in-quotes": 'Transfer-Encoding: "chunked"',
    "chunked-after-tab": "Transfer-Encoding: \x0bchunked",
    "chunked-after-unicode-space": "Transfer-Encoding: \xa0chunked",
    "chunked-with-comma": "Transfer-Encoding: ,chunked",
    "identity": "Transfer-Encoding: identity",
    "space-before-colon": "Transfer-Encoding : chunked",
    "folded-framing": "Transfer-Encoding:\r\n chunked",
    "folded": "Content-Length: 5\r\nX-A: b\r\n c",
    "folded-first": "\r\n X-A: b",
    "bare-return": "Content-Length: 5\r\nX-A: b\rTransfer-Encoding: chunked",
    "nul": "Content-Length: 5\r\nX-A: b\x00c",
    "no-name": "Content-Length: 5\r\n: b",
    "no-colon": "Content-Length: 5\r\nno colon",
    "two-authorizations": "Content-Length: 5\r\nAuthorization: Bearer other",
    "two-hosts": "Content-Length: 5\r\nHost: evil.test",
    "hop-by-hop-authorization": "Content-Length: 5\r\nConnection: authorization",
    "framing-with-underscore": "Content-Length: 5\r\nTransfer_Encoding: chunked",
    "length-with-underscores": "Content-Length: 5\r\nContent_Length: 6",
    "authorization-with-underscore": "Content-Length: 5\r\nX_Api_Key: other",
    "hop-by-hop-of-ours": "Content-Length: 5\r\nConnection: x-conduit-identity",
}


@pytest.mark.parametrize("kind", LINES)
def test_framing_and_fields_with_two_readings(door: Door, kind: str) -> None:
    head = f"POST {door.path} HTTP/1.1\r\nHost: {door.host}\r\nAuthorization: {door.attacker.bearer[1]}\r\n"
    reply = door.ask(f"{head}{LINES[kind]}\r\n\r\n".encode("latin-1") + b"0\r\n\r\n")
    door.attacker.assert_refused(reply, 400, 501)


CHUNKS = {
    "size-with-sign": b"+2\r\n{}\r\n0\r\n\r\n",
    "size-in-0x": b"0x2\r\n{}\r\n0\r\n\r\n",
    "size-with-underscore": b"0_2\r\n{}\r\n0\r\n\r\n",
    "size-that-is-none": b"z\r\n{}\r\n0\r\n\r\n",
    "size-of-many-digits": b"0" * 40 + b"2\r\n{}\r\n0\r\n\r\n",
    "size-of-too-many-digits": b"f" * 30 + b"\r\n{}\r\n0\r\n\r\n",
    "size-with-space-before": b" 2\r\n{}\r\n0\r\n\r\n",
    "extension-with-bare-feed": b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "data-longer-than-said": b"2\r\n{}xx\r\n0\r\n\r\n",
    "end-without-return": b"2\r\n{}\n0\n\n",
    "bare-return-ends-line": b"2\r{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("kind", CHUNKS)
def test_chunks_with_two_readings(door: Door, kind: str) -> None:
    """Refused, or read as RFC 9112 section 7.1 has it: never passed on as it came, never half."""
    headers = [door.attacker.bearer, ("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]
    reply = door.ask(request(door.path, headers, CHUNKS[kind], host=door.host))
    door.attacker.assert_refused(reply, 400, 413)


BODIES = {
    "duplicate-key": b'{"model": "gpt-4o-mini", "model": "gpt-4o", "messages": []}',
    "utf-16": json.dumps({"model": "gpt-4o-mini", "messages": []}).encode("utf-16"),
    "byte-order-mark": b"\xef\xbb\xbf" + BODY,
    "nan": b'{"model": "gpt-4o-mini", "messages": [], "temperature": NaN}',
    "deep": b'{"model": "gpt-4o-mini", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "long-number": b'{"model": "gpt-4o-mini", "messages": [], "n": ' + b"9" * 6000 + b"}",
    "two-documents": BODY * 2,
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_can_be_read_in_two_ways(door: Door, kind: str) -> None:
    door.attacker.assert_refused(door.ask(good(door, body=BODIES[kind])), 400, 403)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, gzip", "unknown"])
def test_a_coding_that_is_not_looked_into(door: Door, coding: str) -> None:
    door.attacker.assert_refused(door.ask(good(door, ("Content-Encoding", coding))), 400, 415)


TARGETS = [
    "*",
    "//evil.test/v1",
    "/v1/%2e%2e/x",
    "/v1/chat\\completions",
    "/v1/chat/completions%00",
    "/v1/./x",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_with_two_readings(door: Door, target: str) -> None:
    before = "/openai" if door.mode == "gateway" and target.startswith("/") else ""
    raw = request(before + target, [door.attacker.bearer], host=door.host)
    door.attacker.assert_refused(door.ask(raw))


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "post", "PROPFIND", "PRI"])
def test_a_method_that_no_provider_has(door: Door, method: str) -> None:
    raw = request(door.path, [door.attacker.bearer], host=door.host, method=method)
    door.attacker.assert_refused(door.ask(raw))


@pytest.mark.parametrize("version", ["HTTP/9.9", "HTTP/2.0", "http/1.1", "HTTP/1.1x"])
def test_a_version_that_is_none(door: Door, version: str) -> None:
    door.attacker.assert_refused(door.ask(good(door).replace(b"HTTP/1.1", version.encode(), 1)), 400, 505)


def test_a_real_key_beside_the_placeholder(door: Door) -> None:
    door.attacker.assert_refused(door.ask(good(door, ("x-api-key", "sk-proj-" + "Ab1" * 16))))


def test_a_placeholder_of_another_provider(door: Door) -> None:
    held = door.attacker.office.placeholders["anthropic"]
    raw = request(door.path, [("Authorization", f"Bearer {held}")], host=door.host)
    door.attacker.assert_refused(door.ask(raw), 403)


@pytest.mark.parametrize("where", ["query", "cookie", "path", "body"])
def test_a_placeholder_in_an_odd_place(door: Door, where: str) -> None:
    held = door.attacker.office.placeholders["openai"]
    target = {"query": f"{door.path}?token={held}", "path": f"{door.path}/{held}"}.get(where, door.path)
    headers = [door.attacker.bearer, *([("Cookie", f"a={held}")] if where == "cookie" else [])]
    body = json.dumps({"model": "gpt-4o-mini", "messages": [], "user": held}).encode()
    raw = request(target, headers, body if where == "body" else BODY, host=door.host)
    door.attacker.assert_refused(door.ask(raw), 403)


@pytest.mark.parametrize("header", ["x-conduit-tenant", "x-conduit-user", "x-forwarded-for"])
def test_a_header_that_claims_an_identity(door: Door, header: str) -> None:
    reply = door.ask(request(door.path, [(header, "acme")], host=door.host))
    if door.mode == "transparent":  # whose its network is, and nobody else's
        assert all(seen.keys == () for seen in door.attacker.office.provider.seen)
    else:
        door.attacker.assert_refused(reply, 401, 403)


@pytest.mark.parametrize(
    "host", ["evil.test", "api.openai.com.evil.test", "api.openai.com@evil.test", "api.openai.com:8443", ""]
)
def test_a_host_header_of_another(door: Door, host: str) -> None:
    """At the gateway the path says where, and Host nothing; elsewhere all names must agree."""
    reply = door.ask(request(door.path, [door.attacker.bearer], host=host))
    assert not reply.hung
    seen = door.attacker.office.provider.seen
    assert all(each.host == GOOD for each in seen)
    assert door.mode == "gateway" or seen == []


def test_absolute_form_for_another(door: Door) -> None:
    raw = request(f"http://evil.test{door.path}", [door.attacker.bearer], host=door.host)
    reply = door.ask(raw)
    assert not reply.hung
    assert all(each.host == GOOD for each in door.attacker.office.provider.seen)


def test_a_second_request_behind_a_refused_one_is_not_served(door: Door) -> None:
    """What follows a request that could not be read has no beginning."""
    bad = good(door).replace(b"Content-Length: ", b"Content-Length: +", 1)
    reply = door.ask(bad + good(door))
    door.attacker.assert_refused(reply, 400)
    assert reply.raw.count(b"HTTP/1.1 ") == 1


def test_trailers_that_carry_authority(door: Door) -> None:
    chunk = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\nAuthorization: Bearer evil\r\n\r\n"
    headers = [door.attacker.bearer, ("Transfer-Encoding", "chunked"), ("Trailer", "Authorization")]
    reply = door.ask(request(door.path, headers, chunk, host=door.host))
    door.attacker.assert_refused(reply, 400)
    assert reply.reason == "request_malformed"
