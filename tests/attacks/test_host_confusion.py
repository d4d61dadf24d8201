"""The caller names a host in several places at once: tunnel, SNI, Host, request target."""

import pytest

from tests.attacks.conversation import Attacker, request
from tests.standins.office import HOSTS

GOOD = HOSTS["openai"]
EVIL = "evil.test"


def test_tunnel_sni_and_host_that_agree_are_served(attacker: Attacker) -> None:
    reply = attacker.tunnel(f"{GOOD}:443", GOOD, request(headers=[attacker.bearer]))
    assert reply.status == 200, reply.raw[:500]


def test_tunnel_to_evil_with_sni_of_the_provider(attacker: Attacker) -> None:
    attacker.assert_refused(attacker.tunnel(f"{EVIL}:443", GOOD, request(headers=[attacker.bearer])))


def test_tunnel_to_the_provider_with_sni_of_evil(attacker: Attacker) -> None:
    raw = request(headers=[attacker.bearer], host=EVIL)
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", EVIL, raw))


def test_domain_fronting_by_the_host_header(attacker: Attacker) -> None:
    raw = request(headers=[attacker.bearer], host=EVIL)
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


def test_one_provider_in_the_tunnel_another_in_the_host_header(attacker: Attacker) -> None:
    raw = request(headers=[attacker.bearer], host=HOSTS["anthropic"])
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


def test_tunnel_to_an_address_with_the_host_of_the_provider(attacker: Attacker) -> None:
    provider = attacker.office.provider
    authority = f"{provider.address}:{provider.port}"
    attacker.assert_refused(attacker.tunnel(authority, GOOD, request(headers=[attacker.bearer])))


def test_tunnel_to_an_address_without_sni(attacker: Attacker) -> None:
    provider = attacker.office.provider
    authority = f"{provider.address}:{provider.port}"
    attacker.assert_refused(attacker.tunnel(authority, None, request(headers=[attacker.bearer])))


def test_plain_request_for_evil_with_the_host_header_of_the_provider(attacker: Attacker) -> None:
    attacker.assert_refused(attacker.proxy(request(f"http://{EVIL}/v1/chat/completions", [attacker.bearer])))


def test_plain_request_for_an_address_with_the_host_header_of_the_provider(attacker: Attacker) -> None:
    target = f"http://{attacker.office.provider.address}:{attacker.office.provider.plain_port}/v1/models"
    attacker.assert_refused(attacker.proxy(request(target, [attacker.bearer])))


def test_plain_http_to_the_provider_gets_no_key(attacker: Attacker) -> None:
    """Unencrypted, the key would be readable on the way."""
    reply = attacker.proxy(request(f"http://{GOOD}/v1/chat/completions", [attacker.bearer]))
    attacker.assert_refused(reply)


def test_absolute_form_inside_a_tunnel(attacker: Attacker) -> None:
    raw = request(f"http://{EVIL}/v1/chat/completions", [attacker.bearer])
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


@pytest.mark.parametrize("target", [f"http://{EVIL}/openai/v1/chat/completions", f"https://{EVIL}/v1/models"])
def test_absolute_form_at_the_gateway(attacker: Attacker, target: str) -> None:
    raw = request(target, [attacker.bearer], host=attacker.gateway_host)
    reply = attacker.gateway(raw)
    assert not reply.hung
    assert all(seen.host == GOOD for seen in attacker.office.provider.seen)


@pytest.mark.parametrize(
    "name",
    [f"{GOOD}.evil.test", f"evil{GOOD}", f"{GOOD}.evil.test.", "api.openai.com-evil.test", "openai.com"],
)
def test_a_name_that_only_resembles_the_provider(attacker: Attacker, name: str) -> None:
    attacker.tunnel(f"{name}:443", name, request(headers=[attacker.bearer], host=name))
    assert all(attacker.office.keys["openai"] not in seen.keys for seen in attacker.office.provider.seen)


@pytest.mark.parametrize("name", ["api.openai.com.", "API.OpenAI.com", "api.openai.com:443"])
def test_another_spelling_of_the_provider_is_the_provider(attacker: Attacker, name: str) -> None:
    """Served as the provider or refused; never treated as a host that no policy covers."""
    reply = attacker.tunnel(f"{GOOD}:443", GOOD, request(headers=[attacker.bearer], host=name))
    assert not reply.hung
    assert all(seen.keys == (attacker.office.keys["openai"],) for seen in attacker.office.provider.seen)


@pytest.mark.parametrize("name", ["аpi.openai.com", "api.оpenai.com", "ａｐｉ.openai.com"])
def test_a_homograph_of_the_provider(attacker: Attacker, name: str) -> None:
    raw = request(headers=[attacker.bearer], host=name.encode().decode("latin-1"))
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com@evil.test",
        "evil.test@api.openai.com",
        "api.openai.com\\evil.test",
        "api.openai.com, evil.test",
        "api.openai.com/evil.test",
        "api.openai.com evil.test",
        "api.openai.com:443:443",
        "api.openai.com:99999",
        "",
    ],
)
def test_a_host_header_that_is_no_host(attacker: Attacker, host: str) -> None:
    raw = request(headers=[attacker.bearer], host=host)
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


@pytest.mark.parametrize("second", [EVIL, GOOD])
def test_two_host_headers(attacker: Attacker, second: str) -> None:
    raw = request(headers=[("Host", second), attacker.bearer])
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


def test_no_host_header(attacker: Attacker) -> None:
    raw = request(headers=[attacker.bearer], host=None)
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", GOOD, raw))


@pytest.mark.parametrize("port", [8443, 80, 22])
def test_another_port_of_the_provider(attacker: Attacker, port: int) -> None:
    raw = request(headers=[attacker.bearer], host=f"{GOOD}:{port}")
    reply = attacker.tunnel(f"{GOOD}:{port}", GOOD, raw)
    assert reply.status != 200
    assert attacker.office.provider.seen == []


@pytest.mark.parametrize(
    "authority",
    [
        "127.0.0.1:{console}",
        "localhost:{console}",
        "2130706433:{console}",
        "0x7f.1:{console}",
        "0177.0.0.1:{console}",
        "[::1]:{console}",
        "[::ffff:127.0.0.1]:{console}",
        "0.0.0.0:{console}",
        "127.0.0.1:{proxy}",
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "[64:ff9b::7f00:1]:{console}",
    ],
)
def test_the_gateway_as_a_way_into_its_own_machine(attacker: Attacker, authority: str) -> None:
    """The tunnel may open (nothing is dialled yet), but nothing behind it answers."""
    ports = {name: str(port) for name, port in attacker.office.product.ports.items()}
    target = authority.format_map(ports)
    inner = request("/healthz/live", method="GET", body=b"", host=target)
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
    reply = attacker.proxy_in_two(head, inner)
    assert not reply.hung
    assert reply.status != 200, reply.raw[:600]


ODD_AUTHORITIES = {
    "zone": "[fe80::1%25eth0]:443",
    "zone-unescaped": "[fe80::1%lo]:443",
    "zone-on-a-public-address": "[2606:4700::1111%25eth0]:443",
    "ideographic-full-stops": "api\u3002openai\u3002com:443",
    "full-stop-before-another": "api.openai.com\u3002evil.test:443",
    "full-width": "\uff41\uff50\uff49.openai.com:443",
    "ligature": "api.openai.\ufb01:443",
    "sharp-s": "stra\u00dfe.openai.com:443",
    "joiner": "api.open\u200dai.com:443",
    "soft-hyphen": "api.open\u00adai.com:443",
    "right-to-left": "api.\u202eiaoenpo.com:443",
    "bad-a-label": "xn--a.openai.com:443",
    "a-label-of-ascii": "xn--api-.openai.com:443",
    "label-too-long": "a" * 64 + ".openai.com:443",
    "name-too-long": ".".join(["a" * 60] * 5) + ":443",
    "empty-label": "api..openai.com:443",
    "leading-dot": ".api.openai.com:443",
    "two-trailing-dots": "api.openai.com..:443",
    "percent": "api%2eopenai.com:443",
    "nul": "api.openai.com\x00.evil.test:443",
    "port-0": "api.openai.com:0",
    "port-too-large": "api.openai.com:65979",
    "port-negative": "api.openai.com:-443",
    "port-in-other-digits": "api.openai.com:\u0664\u0664\u0663",
    "no-port": "api.openai.com",
    "scheme": "https://api.openai.com:443",
    "path": "api.openai.com:443/v1",
    "user": "a@api.openai.com:443",
}


@pytest.mark.parametrize("kind", ODD_AUTHORITIES)
def test_a_tunnel_to_a_name_with_two_readings(attacker: Attacker, kind: str) -> None:
    """Refused; or it is read as one name, and what the tunnel then carries is held to that."""
    authority = ODD_AUTHORITIES[kind].encode("utf-8").decode("latin-1")
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("latin-1")
    reply = attacker.proxy_in_two(head, request(headers=[attacker.bearer]))
    attacker.assert_refused(reply)


ODD_SERVER_NAMES = {
    "long": "a" * 63 + ("." + "b" * 63) * 2 + ".openai.com",
    "an-address": "127.0.0.1",
    "underscore": "api_.openai.com",
    "below-the-provider": "x.api.openai.com",
    "of-another-provider": HOSTS["anthropic"],
}


@pytest.mark.parametrize("kind", ODD_SERVER_NAMES)
def test_a_server_name_of_another_in_a_tunnel_to_the_provider(attacker: Attacker, kind: str) -> None:
    raw = request(headers=[attacker.bearer])
    attacker.assert_refused(attacker.tunnel(f"{GOOD}:443", ODD_SERVER_NAMES[kind], raw))


RAW_SERVER_NAMES = {
    "sixty-thousand-bytes": b"a" * 60_000,
    "nul": b"api.openai.com\x00.evil.test",
    "trailing-dot": b"api.openai.com.",
    "empty": b"",
    "not-ascii": "api.op\u0435nai.com".encode(),
    "space": b"api.openai.com evil.test",
    "with-port": b"api.openai.com:443",
}


def client_hello(*names: bytes) -> bytes:
    """A ClientHello that names these (RFC 8446 section 4.1.2, RFC 6066 section 3), in records as needed."""
    listed = b"".join(b"\x00" + len(name).to_bytes(2) + name for name in names)
    named = len(listed).to_bytes(2) + listed
    extensions = b"\x00\x00" + len(named).to_bytes(2) + named
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += len(extensions).to_bytes(2) + extensions
    message = b"\x01" + len(body).to_bytes(3) + body
    pieces = [message[start : start + 16000] for start in range(0, len(message), 16000)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


@pytest.mark.parametrize("kind", RAW_SERVER_NAMES)
def test_a_server_name_that_is_none(attacker: Attacker, kind: str) -> None:
    """Neither a hang nor a way out; the hello offers too little for a handshake, whatever it names."""
    head = f"CONNECT {GOOD}:443 HTTP/1.1\r\nHost: {GOOD}:443\r\n\r\n".encode()
    reply = attacker.proxy_in_two(head, client_hello(RAW_SERVER_NAMES[kind]))
    attacker.assert_refused(reply)


def test_two_server_names(attacker: Attacker) -> None:
    head = f"CONNECT {GOOD}:443 HTTP/1.1\r\nHost: {GOOD}:443\r\n\r\n".encode()
    attacker.assert_refused(attacker.proxy_in_two(head, client_hello(GOOD.encode(), EVIL.encode())))


@pytest.mark.parametrize("authority", ["127.0.0.1:{console}", "localhost:{console}", "169.254.169.254:80"])
def test_a_plain_request_for_the_gateways_own_machine(attacker: Attacker, authority: str) -> None:
    ports = {name: str(port) for name, port in attacker.office.product.ports.items()}
    target = authority.format_map(ports)
    raw = request(f"http://{target}/healthz/live", method="GET", body=b"", host=target)
    attacker.assert_refused(attacker.proxy(raw), 400, 403, 401, 502)


@pytest.mark.parametrize("name", ["provider", "nonsense", "openai.evil", "..", "", "openai%2f..", "OPENAI"])
def test_a_provider_that_does_not_exist_at_the_gateway(attacker: Attacker, name: str) -> None:
    raw = request(f"/{name}/v1/chat/completions", [attacker.bearer], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw))


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-Host", EVIL),
        ("Forwarded", f"host={EVIL}"),
        ("X-Original-URL", f"https://{EVIL}/"),
        ("X-Base-Url", f"https://{EVIL}"),
        ("X-OpenAI-Api-Base", f"https://{EVIL}"),
        ("X-HTTP-Method-Override", "DELETE"),
    ],
)
def test_a_header_that_asks_for_another_upstream(attacker: Attacker, header: tuple[str, str]) -> None:
    raw = request(attacker.path(), [attacker.bearer, header], host=attacker.gateway_host)
    attacker.gateway(raw)
    assert {(seen.host, seen.method) for seen in attacker.office.provider.seen} <= {(GOOD, "POST")}
