"""HTTP/2 frames that say what HTTP/1 has no words for, or too many (RFC 9113 section 8.2 and 10.3)."""

import socket
import ssl

import hpack
import hyperframe.frame as frames
import pytest

from tests.attacks.conversation import BODY, Attacker
from tests.standins.hostile import http2
from tests.standins.office import HOSTS

GOOD = HOSTS["openai"]
LISTENERS = ("gateway", "proxy")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Fields = list[tuple[bytes, bytes]]


def fields(attacker: Attacker, listener: str) -> Fields:
    """A good request's."""
    authority = GOOD if listener == "proxy" else attacker.gateway_host
    path = "/v1/chat/completions" if listener == "proxy" else attacker.path()
    return [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", authority.encode()),
        (b":path", path.encode()),
        (b"authorization", attacker.bearer[1].encode()),
        (b"content-type", b"application/json"),
    ]


def encoded(found: Fields) -> bytes:
    return hpack.Encoder().encode(found, huffman=False)


def head(block: bytes, *flags: str, stream: int = 1) -> bytes:
    made = frames.HeadersFrame(stream, data=block)
    for flag in ("END_HEADERS", *flags):
        made.flags.add(flag)
    return made.serialize()


def data(body: bytes, *flags: str, stream: int = 1) -> bytes:
    made = frames.DataFrame(stream, data=body)
    for flag in flags:
        made.flags.add(flag)
    return made.serialize()


def ask(attacker: Attacker, listener: str, *sent: bytes) -> int | str:
    """The status that came for stream 1, ``reset`` or ``closed``; a hang is a failure."""
    with http2(attacker.office.product, listener, attacker.office.ca_file, GOOD) as sock:
        sock.settimeout(8)
        try:
            sock.sendall(PREFACE + frames.SettingsFrame(0).serialize() + b"".join(sent))
            return _outcome(sock)
        except (ConnectionError, ssl.SSLError, socket.gaierror):
            return "closed"


def _outcome(sock: ssl.SSLSocket) -> int | str:
    received, decoder = bytearray(), hpack.Decoder()
    while True:
        while len(received) >= 9:
            frame, length = frames.Frame.parse_frame_header(memoryview(received[:9]))
            if len(received) < 9 + length:
                break
            body = memoryview(bytes(received[9 : 9 + length]))
            del received[: 9 + length]
            if isinstance(frame, frames.GoAwayFrame):
                return "closed"
            if isinstance(frame, frames.RstStreamFrame):
                return "reset"
            if isinstance(frame, frames.HeadersFrame):
                frame.parse_body(body)
                return int(dict(decoder.decode(bytes(frame.data)))[":status"])
        more = sock.recv(1 << 16)
        if not more:
            return "closed"
        received += more


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_good_request_is_served(attacker: Attacker, listener: str) -> None:
    block = encoded(fields(attacker, listener))
    assert ask(attacker, listener, head(block), data(BODY, "END_STREAM")) == 200


INJECTED: dict[str, Fields] = {
    "line-break-in-a-value": [(b"x-a", b"b\r\nauthorization: Bearer evil")],
    "bare-return-in-a-value": [(b"x-a", b"b\rc")],
    "bare-feed-in-a-value": [(b"x-a", b"b\nc")],
    "nul-in-a-value": [(b"x-a", b"b\x00c")],
    "line-break-in-a-name": [(b"x-a\r\nx-b", b"c")],
    "colon-in-a-name": [(b"x-a: b", b"c")],
    "space-in-a-name": [(b"x a", b"b")],
    "empty-name": [(b"", b"b")],
    "capitals-in-a-name": [(b"X-A", b"b")],
    "transfer-encoding": [(b"transfer-encoding", b"chunked")],
    "connection": [(b"connection", b"close")],
    "keep-alive": [(b"keep-alive", b"timeout=5")],
    "proxy-connection": [(b"proxy-connection", b"keep-alive")],
    "upgrade": [(b"upgrade", b"h2c")],
    "te-other-than-trailers": [(b"te", b"gzip")],
    "two-content-lengths": [(b"content-length", b"5"), (b"content-length", b"6")],
    "content-length-too-small": [(b"content-length", b"1")],
    "content-length-too-large": [(b"content-length", b"999999")],
    "content-length-that-is-none": [(b"content-length", b"+5")],
    "pseudo-header-after-others": [(b":path", b"/v1/models")],
    "unknown-pseudo-header": [(b":protocol", b"websocket")],
    "response-pseudo-header": [(b":status", b"200")],
    "second-authority": [(b":authority", b"evil.test")],
    "host-of-another": [(b"host", b"evil.test")],
    "second-authorization": [(b"authorization", b"Bearer other")],
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("kind", INJECTED)
def test_a_field_that_http1_would_read_otherwise(attacker: Attacker, listener: str, kind: str) -> None:
    block = encoded(fields(attacker, listener) + INJECTED[kind])
    outcome = ask(attacker, listener, head(block), data(BODY, "END_STREAM"))
    assert outcome in ("reset", "closed") or 400 <= int(outcome) < 500, outcome
    assert attacker.office.provider.seen == []


REPLACED = {
    "authority-of-another": (b":authority", b"evil.test"),
    "authority-with-user": (b":authority", b"evil.test@api.openai.com"),
    "authority-empty": (b":authority", b""),
    "path-with-space": (b":path", b"/v1/chat/completions HTTP/1.1\r\nx: y"),
    "path-absolute": (b":path", b"https://evil.test/v1/chat/completions"),
    "path-empty": (b":path", b""),
    "path-asterisk": (b":path", b"*"),
    "path-without-slash": (b":path", b"v1/chat/completions"),
    "method-with-space": (b":method", b"POST /x HTTP/1.1\r\n"),
    "method-lower-case": (b":method", b"post"),
    "method-trace": (b":method", b"TRACE"),
    "method-connect": (b":method", b"CONNECT"),
    "scheme-http": (b":scheme", b"http"),
    "scheme-file": (b":scheme", b"file"),
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("kind", REPLACED)
def test_a_pseudo_header_that_is_none(attacker: Attacker, listener: str, kind: str) -> None:
    """Refused, or (the gateway's own authority and scheme say nothing) served as what it is."""
    name, value = REPLACED[kind]
    block = encoded(
        [(name, value) if each == name else (each, old) for each, old in fields(attacker, listener)]
    )
    outcome = ask(attacker, listener, head(block), data(BODY, "END_STREAM"))
    harmless = listener == "gateway" and name in (b":authority", b":scheme")
    for seen in attacker.office.provider.seen:
        assert harmless or kind == "scheme-http"
        assert (seen.host, seen.target) == (GOOD, "/v1/chat/completions")
    assert outcome in ("reset", "closed") or 400 <= int(outcome) < 500 or harmless or kind == "scheme-http"


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("protocol", [b"websocket", b"connect-udp", b"connect-ip"])
def test_an_extended_connect(attacker: Attacker, listener: str, protocol: bytes) -> None:
    """RFC 8441, which was not offered, and MASQUE over it (RFC 9298)."""
    path = (b":path", b"/.well-known/masque/udp/203.0.113.9/443/")
    asked = dict([*fields(attacker, listener), path])
    block = encoded([(b":method", b"CONNECT"), (b":protocol", protocol), *list(asked.items())[1:]])
    outcome = ask(attacker, listener, head(block), data(b"", "END_STREAM"))
    assert outcome in ("reset", "closed") or 400 <= int(outcome) < 500, outcome
    assert attacker.office.provider.seen == []


@pytest.mark.parametrize("missing", [b":method", b":scheme", b":authority", b":path"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_a_pseudo_header_that_is_missing(attacker: Attacker, listener: str, missing: bytes) -> None:
    block = encoded([each for each in fields(attacker, listener) if each[0] != missing])
    outcome = ask(attacker, listener, head(block), data(BODY, "END_STREAM"))
    assert outcome in ("reset", "closed") or 400 <= int(outcome) < 500
    assert attacker.office.provider.seen == []


def continuations(block: bytes, count: int, *, ends: bool) -> bytes:
    first = frames.HeadersFrame(1, data=block[:10])
    sent = first.serialize()
    rest = block[10:]
    step = max(1, len(rest) // count + 1)
    for start in range(0, len(rest), step):
        made = frames.ContinuationFrame(1, data=rest[start : start + step])
        if ends and start + step >= len(rest):
            made.flags.add("END_HEADERS")
        sent += made.serialize()
    return sent


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_head_in_continuations_without_end(attacker: Attacker, listener: str) -> None:
    """CVE-2024-27316: each costs memory and none ends the head."""
    block = encoded(
        [*fields(attacker, listener), *((b"x-%d" % number, b"a" * 500) for number in range(2000))]
    )
    assert ask(attacker, listener, continuations(block, 500, ends=False)) == "closed"


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_head_that_is_small_on_the_wire_alone(attacker: Attacker, listener: str) -> None:
    """CVE-2016-6581: one entry of the table, named four thousand times."""
    encoder = hpack.Encoder()
    block = encoder.encode(fields(attacker, listener), huffman=False)
    block += encoder.encode([(b"x-large", b"a" * 3000)], huffman=False)
    block += bytes([0x80 | 62]) * 8000
    outcome = ask(attacker, listener, head(block), data(BODY, "END_STREAM"))
    assert outcome == "closed"
    assert attacker.office.provider.seen == []


FLOODS = {
    "pings": lambda: frames.PingFrame(0, opaque_data=b"12345678").serialize() * 3000,
    "settings": lambda: frames.SettingsFrame(0, settings={4: 65535}).serialize() * 3000,
    "empty-data": lambda: data(b"") * 3000,
    "priorities": lambda: frames.PriorityFrame(3, depends_on=0, stream_weight=1).serialize() * 3000,
    "unknown-frames": lambda: (b"\x00\x00\x00\xbb\x00\x00\x00\x00\x00") * 3000,
    "window-updates-of-nothing": lambda: (
        frames.WindowUpdateFrame(1, window_increment=1).serialize()[:-1] + b"\x00"
    ),
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_frames_that_cost_nothing(attacker: Attacker, listener: str, kind: str) -> None:
    block = encoded(fields(attacker, listener))
    assert ask(attacker, listener, head(block), FLOODS[kind]()) in ("closed", "reset")


@pytest.mark.parametrize("listener", LISTENERS)
def test_resets_that_the_gateway_is_made_to_send(attacker: Attacker, listener: str) -> None:
    """CVE-2025-8671: each stream is opened well and then broken, so that it is the server who resets it."""
    encoder = hpack.Encoder()
    sent = []
    for number in range(600):
        stream = 2 * number + 1
        block = encoder.encode(fields(attacker, listener), huffman=False)
        zero = frames.WindowUpdateFrame(stream, window_increment=1).serialize()[:-4] + bytes(4)
        sent += [head(block, stream=stream), zero]
    assert ask(attacker, listener, *sent) == "closed"


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ((b"authorization", b"Bearer evil"), 400),
        ((b"host", b"evil.test"), 400),
        ((b"x-checksum", b"evil"), 200),
    ],
)
@pytest.mark.parametrize("listener", LISTENERS)
def test_trailers(attacker: Attacker, listener: str, field: tuple[bytes, bytes], status: int) -> None:
    """Those that carry authority are refused, others are dropped."""
    encoder = hpack.Encoder()
    block, trailer = encoder.encode(fields(attacker, listener), huffman=False), encoder.encode([field])
    assert ask(attacker, listener, head(block), data(BODY), head(trailer, "END_STREAM")) == status
    assert (attacker.office.provider.seen == []) == (status == 400)
    for connection in attacker.office.provider.connections:
        assert b"evil" not in connection.raw
