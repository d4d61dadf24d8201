"""Keys: taken elsewhere, put in odd places, doubled, echoed."""

import base64
import gzip
import zlib

import brotli
import pytest
import zstandard

from tests.attacks.conversation import Attacker, request
from tests.standins.answers import Answer
from tests.standins.office import HOSTS

GOOD = HOSTS["openai"]


def test_a_placeholder_in_the_body_is_not_exchanged(attacker: Attacker) -> None:
    held = attacker.office.placeholders["openai"].encode()
    body = b'{"model": "gpt-4", "user": "' + held + b'"}'
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], body, host=attacker.gateway_host))
    assert not reply.hung
    for seen in attacker.office.provider.seen:
        assert attacker.office.keys["openai"].encode() not in seen.body
    attacker.assert_nothing_escaped()


@pytest.mark.parametrize("where", ["query", "cookie", "path", "header"])
def test_a_placeholder_in_an_odd_place_is_not_exchanged(attacker: Attacker, where: str) -> None:
    held = attacker.office.placeholders["openai"]
    target = attacker.path()
    headers = [attacker.bearer]
    match where:
        case "query":
            target += f"?token={held}"
        case "cookie":
            headers.append(("Cookie", f"session={held}"))
        case "path":
            target = attacker.path(f"/v1/files/{held}")
        case _:
            headers.append(("X-Custom", held))
    reply = attacker.gateway(request(target, headers, host=attacker.gateway_host))
    assert not reply.hung
    attacker.assert_nothing_escaped()
    for seen in attacker.office.provider.seen:
        assert seen.everything.count(attacker.office.keys["openai"].encode()) == 1


@pytest.mark.parametrize("name", ["Authorization", "authorization", "x-api-key", "api-key", "x-goog-api-key"])
def test_a_real_key_beside_the_placeholder(attacker: Attacker, name: str) -> None:
    value = "sk-proj-" + "Ab1" * 16
    headers = [attacker.bearer, (name, f"Bearer {value}" if name.lower() == "authorization" else value)]
    attacker.assert_refused(attacker.gateway(request(attacker.path(), headers, host=attacker.gateway_host)))


def test_the_same_placeholder_twice(attacker: Attacker) -> None:
    raw = request(attacker.path(), [attacker.bearer, attacker.bearer], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw))


def test_two_placeholders_of_two_providers(attacker: Attacker) -> None:
    headers = [attacker.bearer, ("x-api-key", attacker.office.placeholders["anthropic"])]
    attacker.assert_refused(attacker.gateway(request(attacker.path(), headers, host=attacker.gateway_host)))


@pytest.mark.parametrize("provider", ["anthropic", "google", "mistral"])
def test_a_placeholder_taken_to_another_provider(attacker: Attacker, provider: str) -> None:
    raw = request(f"/{provider}/v1/messages", [attacker.bearer], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 403)


def test_a_placeholder_from_a_network_that_it_is_not_bound_to(attacker: Attacker) -> None:
    office = attacker.office
    _, held = office.issue("openai", "--cidr", "198.51.100.0/24")
    office.in_force()
    elsewhere = attacker.gateway(
        request(attacker.path(), [("Authorization", f"Bearer {held}")], host=attacker.gateway_host)
    )
    attacker.assert_refused(elsewhere, 401, 403)


@pytest.mark.parametrize(
    "header", ["x-conduit-tenant", "x-conduit-user", "x-tenant-id", "x-forwarded-for", "via"]
)
def test_a_header_that_claims_an_identity(attacker: Attacker, header: str) -> None:
    raw = request(attacker.path(), [(header, "acme")], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 401)


@pytest.mark.parametrize("name", ["x-conduit-request-id", "x-conduit-reason", "x-conduit-tenant"])
def test_headers_of_ours_do_not_reach_the_provider(attacker: Attacker, name: str) -> None:
    raw = request(attacker.path(), [attacker.bearer, (name, "planted")], host=attacker.gateway_host)
    attacker.gateway(raw)
    for seen in attacker.office.provider.seen:
        assert seen.header(name) is None


@pytest.mark.parametrize("header", ["x-conduit-reason", "x-conduit-request-id"])
def test_a_provider_cannot_speak_in_our_name(attacker: Attacker, header: str) -> None:
    attacker.office.provider.play(GOOD, Answer.json(200, {}, (header, "planted")))
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert reply.status == 200
    assert b"planted" not in reply.raw


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def _decoded(coding: str, body: bytes) -> bytes:
    match coding:
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case "br":
            return bytes(brotli.decompress(body))
        case _:
            return zstandard.ZstdDecompressor().decompress(body)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_key_echoed_in_a_compressed_answer(attacker: Attacker, coding: str) -> None:
    key = attacker.office.keys["openai"].encode()
    body = CODINGS[coding](b'{"echo": "' + key + b'"}')
    headers = (("content-type", "application/json"), ("content-encoding", coding))
    attacker.office.provider.play(GOOD, Answer(200, headers, (body,)))
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    shown = reply.raw.partition(b"\r\n\r\n")[2]
    if reply.status == 200 and reply.header("content-encoding") == coding:
        if reply.header("transfer-encoding"):
            shown = _dechunked(shown)
        shown += _decoded(coding, shown)
    assert key not in shown


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


@pytest.mark.parametrize("form", ["base64", "url", "json-escaped"])
def test_a_key_echoed_in_another_form(attacker: Attacker, form: str) -> None:
    key = attacker.office.keys["openai"]
    forms = {
        "base64": base64.b64encode(key.encode()),
        "url": "".join(f"%{byte:02x}" for byte in key.encode()).encode(),
        "json-escaped": "".join(f"\\u{ord(letter):04x}" for letter in key).encode(),
    }
    answer = Answer(200, (("content-type", "application/json"),), (b'{"echo": "' + forms[form] + b'"}',))
    attacker.office.provider.play(GOOD, answer)
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert forms[form] not in reply.raw


def test_a_key_echoed_across_many_chunks(attacker: Attacker) -> None:
    key = attacker.office.keys["openai"].encode()
    pieces = tuple(key[start : start + 5] for start in range(0, len(key), 5))
    answer = Answer(200, (("content-type", "text/event-stream"),), (b"data: ", *pieces, b"\n\n")).slow(0.01)
    attacker.office.provider.play(GOOD, answer)
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert key not in _dechunked(reply.raw.partition(b"\r\n\r\n")[2])
