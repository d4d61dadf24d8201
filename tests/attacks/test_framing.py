"""Where one request ends and the next begins: what the gateway and the provider could read differently."""

import json
import re
from pathlib import Path

import pytest

from tests.attacks.conversation import BODY, Attacker, Reply, request
from tests.standins.answers import Answer
from tests.standins.office import HOSTS

GARDEN = json.loads((Path(__file__).parent / "payloads" / "http_desync_payloads.json").read_text())
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\x00\r\n]*")
_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.[01]")


def assert_clean(raw: bytes) -> None:
    """Every head in ``raw`` is one that all implementations read alike (RFC 9112)."""
    rest = raw
    while rest:
        head, mark, rest = rest.partition(b"\r\n\r\n")
        assert mark, f"an unfinished head was forwarded: {head[:200]!r}"
        lines = head.split(b"\r\n")
        assert _LINE.fullmatch(lines[0]), f"forwarded: {lines[0]!r}"
        for line in lines[1:]:
            assert _FIELD.fullmatch(line), f"forwarded: {line!r}"
        names = [line.split(b":")[0].lower() for line in lines[1:]]
        assert names.count(b"host") == 1
        assert not (b"content-length" in names and b"transfer-encoding" in names)
        length = re.search(rb"(?im)^content-length:[ \t]*(\d+)\r?$", head)
        rest = rest[int(length[1]) :] if length else rest.rpartition(b"0\r\n\r\n")[2]


@pytest.mark.parametrize("number", range(len(GARDEN)))
@pytest.mark.parametrize("listener", ["gateway", "proxy"])
def test_a_trophy_of_the_http_garden(attacker: Attacker, listener: str, number: int) -> None:
    """As found, and with a good placeholder and target put in, so that it passes the identity check."""
    payload = GARDEN[number].encode("latin-1")
    for raw in (payload, _armed(attacker, payload)):
        reply: Reply = getattr(attacker, listener)(raw, 3.0)
        finished = not reply.hung or _incomplete(raw)
        assert finished, f"hung on {raw[:200]!r} after {reply.raw[:100]!r}"
    for connection in attacker.office.provider.connections:
        assert_clean(bytes(connection.raw))


def _armed(attacker: Attacker, payload: bytes) -> bytes:
    """The payload's first request, sent to a provider with a placeholder."""
    name, value = attacker.bearer
    line, mark, rest = payload.partition(b"\r\n")
    line = re.sub(rb"^(\S+ )/\S*", rb"\1/openai/v1/chat/completions", line)
    return line + mark + f"{name}: {value}\r\n".encode() + rest


def _incomplete(raw: bytes) -> bool:
    """Whether a server may rightly wait for more: a head or a body that has not ended."""
    head, mark, body = raw.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length:[ \t]*(\d+)[ \t]*\r?$", head)
    chunked = re.search(rb"(?im)^transfer-encoding:[ \t]*chunked[ \t]*\r?$", head)
    return not mark or bool(length and len(body) < int(length[1])) or bool(chunked)


def test_content_length_and_transfer_encoding_together(attacker: Attacker) -> None:
    headers = [attacker.bearer, ("Content-Length", "5"), ("Transfer-Encoding", "chunked")]
    raw = request(attacker.path(), headers, b"0\r\n\r\n", host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 400)


@pytest.mark.parametrize(
    "line",
    [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
    ],
)
def test_a_length_that_can_be_read_in_two_ways(attacker: Attacker, line: str) -> None:
    head = f"POST {attacker.path()} HTTP/1.1\r\nHost: {attacker.gateway_host}\r\n"
    head += f"{attacker.bearer[0]}: {attacker.bearer[1]}\r\n{line}\r\n\r\n"
    attacker.assert_refused(attacker.gateway(head.encode("latin-1") + b"0\r\n\r\n"), 400, 501)


@pytest.mark.parametrize(
    "line",
    [
        "X-Folded: one\r\n two",
        "X-Folded: one\r\n\tAuthorization: Bearer x",
        "X-Bare: one\rtwo",
        "X-Nul: one\x00two",
        "X Space: one",
        "X-Space : one",
        ": nameless",
        "no colon at all",
        "X-Bell: \x07",
        "X-Delete: \x7f",
    ],
)
def test_a_header_line_that_is_none(attacker: Attacker, line: str) -> None:
    head = f"POST {attacker.path()} HTTP/1.1\r\nHost: {attacker.gateway_host}\r\n"
    head += f"{attacker.bearer[0]}: {attacker.bearer[1]}\r\nContent-Length: {len(BODY)}\r\n{line}\r\n\r\n"
    attacker.assert_refused(attacker.gateway(head.encode("latin-1") + BODY), 400)


@pytest.mark.parametrize("version", ["HTTP/9.9", "HTTP/2.0", "HTTP/1.1x", "http/1.1", "HTTP/0.9"])
def test_a_version_that_is_none(attacker: Attacker, version: str) -> None:
    raw = request(attacker.path(), [attacker.bearer], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw.replace(b"HTTP/1.1", version.encode(), 1)), 400, 505)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PRI", "POST\x0b", 'G=":<>', "PROPFIND", "post"])
def test_a_method_that_no_provider_has(attacker: Attacker, method: str) -> None:
    raw = request(attacker.path(), [attacker.bearer], host=attacker.gateway_host, method=method)
    attacker.assert_refused(attacker.gateway(raw))


@pytest.mark.parametrize(
    "name", ["authorization", "host", "content-length", "x-api-key", "x-conduit-request-id"]
)
def test_connection_that_names_a_header_which_matters(attacker: Attacker, name: str) -> None:
    raw = request(attacker.path(), [attacker.bearer, ("Connection", name)], host=attacker.gateway_host)
    reply = attacker.gateway(raw)
    assert not reply.hung
    for seen in attacker.office.provider.seen:
        assert name not in (seen.header("connection") or "")
        assert seen.keys == (attacker.office.keys["openai"],)


def with_trailers(attacker: Attacker, *trailers: str) -> bytes:
    chunk = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n"
    chunk += "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n"
    headers = [attacker.bearer, ("Transfer-Encoding", "chunked")]
    return request(attacker.path(), headers, chunk, host=attacker.gateway_host)


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Host", "Content-Length", "Transfer-Encoding", "X_Api_Key", "Cookie", "x-conduit-a"],
)
def test_trailers_that_carry_authority(attacker: Attacker, name: str) -> None:
    reply = attacker.gateway(with_trailers(attacker, f"{name}: 5"))
    attacker.assert_refused(reply, 400)
    assert reply.reason == "request_malformed"


def test_a_placeholder_in_a_trailer(attacker: Attacker) -> None:
    attacker.assert_refused(attacker.gateway(with_trailers(attacker, f"X-A: {attacker.bearer[1]}")), 403)


def test_trailers_that_decide_nothing_are_dropped(attacker: Attacker) -> None:
    assert attacker.gateway(with_trailers(attacker, "X-Checksum: dropped", "Date: today")).status == 200
    assert all(b"dropped" not in each.raw for each in attacker.office.provider.connections)


def test_trailers_without_end(attacker: Attacker) -> None:
    """They are dropped, and not held until they end."""
    chunk = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n" + b"X-A: b\r\n" * 200_000
    headers = [attacker.bearer, ("Transfer-Encoding", "chunked")]
    attacker.assert_refused(
        attacker.gateway(request(attacker.path(), headers, chunk, host=attacker.gateway_host)), 400
    )


@pytest.mark.parametrize("count", [1, 5000])
def test_empty_lines_before_a_request_are_passed_over(attacker: Attacker, count: int) -> None:
    raw = request(attacker.path(), [attacker.bearer], host=attacker.gateway_host)
    assert attacker.gateway(b"\r\n" * count + raw).status == 200


def test_two_requests_in_one_write_are_two_calls(attacker: Attacker) -> None:
    good = request(attacker.path(), [attacker.bearer], host=attacker.gateway_host)
    bad = request("/anthropic/v1/messages", [attacker.bearer], host=attacker.gateway_host)
    attacker.gateway(good + bad)
    assert [seen.host for seen in attacker.office.provider.seen] == [HOSTS["openai"]]


def test_a_head_without_end(attacker: Attacker) -> None:
    raw = request(attacker.path(), [attacker.bearer, ("X-Long", "a" * 2_000_000)], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 400, 413, 431)


def test_a_head_of_very_many_lines(attacker: Attacker) -> None:
    headers = [attacker.bearer, *((f"X-{number}", "a") for number in range(5000))]
    raw = request(attacker.path(), headers, host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 400, 413, 431)


def test_a_body_over_the_limit_by_its_declared_length(attacker: Attacker) -> None:
    """Refused before it has arrived: nothing of it is sent here."""
    headers = [attacker.bearer, ("Content-Length", str(1 << 30))]
    raw = request(attacker.path(), headers, b"", host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 413)


ANSWERS = {
    "length-and-chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "short-body": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort",
    "no-answer": b"",
    "not-http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "nul-in-header": b"HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 2\r\n\r\nok",
    "head-without-end": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 2_000_000,
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: anything\r\nConnection: upgrade\r\n\r\nraw",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_provider_whose_answer_is_broken(attacker: Attacker, kind: str) -> None:
    """The caller gets an error or a visibly broken answer, never a second answer or a hang."""
    attacker.office.provider.play(HOSTS["openai"], Answer.verbatim(ANSWERS[kind]))
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert not reply.hung
    assert reply.raw.count(b"HTTP/1.1 ") <= 1
    assert b"\x00" not in reply.raw


@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints"])
def test_an_interim_answer_is_not_taken_for_the_answer(attacker: Attacker, status: str) -> None:
    interim = f"HTTP/1.1 {status}\r\nLink: </a>; rel=preload\r\n\r\n".encode()
    final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    attacker.office.provider.play(HOSTS["openai"], Answer.verbatim(interim + final))
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert not reply.hung
    assert reply.status == 200


def test_trailers_of_a_provider_do_not_hang_the_caller(attacker: Attacker) -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n"
    )
    attacker.office.provider.play(HOSTS["openai"], Answer.verbatim(raw))
    reply = attacker.gateway(request(attacker.path(), [attacker.bearer], host=attacker.gateway_host))
    assert not reply.hung
    assert reply.status in (200, 502)
