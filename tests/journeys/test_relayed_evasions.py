"""AI behind relays, behind encrypted names, and in protocols beside HTTP: by real clients, in namespaces.

Each ends refused, or in the inventory.
"""

from pathlib import Path

import pytest

from tests.standins.machines import Machine
from tests.standins.namespaces import PROVIDER_ADDRESS, Namespaces, prefix, run
from tests.standins.office import FOREIGN_HOSTS, HOSTS, ORDINARY_HOST, Office

CHROMIUM = Path("/usr/bin/chromium")
SESSIONS_HOST, CALLS_HOST = FOREIGN_HOSTS[0], FOREIGN_HOSTS[3]  # no catalogue has them
TELLING_HOST = FOREIGN_HOSTS[2]
FRONT = "cloudflare-ech.com"
# A gRPC-Web frame (five bytes, then the message) as a coding assistant's back end takes it.
FRAME = b"\x00\x00\x00\x00\x20\x0a\x1eassistant hello claude-4"
CURL = ("curl", "-sS", "--max-time", "20", "-k", "-o", "/dev/null", "-w", "%{http_code} %{http_connect}")
CHROMIUM_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors")


def curl(net: Namespaces, *words: str) -> str:
    """The statuses of the answer and of the last CONNECT, as curl on the client's machine saw them."""
    return run(*prefix(net.client), "sh", "-c", '"$@" || true', "-", *CURL, *words)


def listed(office: Office, host: str) -> str:
    """The verdict on a host in the inventory, once the shipper has brought its event."""
    office.event(kind="call", host=host)
    found = office.product.cli("discovery", "list", "--tenant", office.tenant)
    return next(str(each["verdict"]) for each in found if each["host"] == host)


@pytest.mark.parametrize("port", [80, 443])
def test_a_proxy_behind_the_gateway_is_not_reached(network: tuple[Office, Namespaces], port: int) -> None:
    """A client that asks a proxy of its own on the web's ports for a tunnel to a provider."""
    office, net = network
    office.provider.forget()
    own = f"http://{PROVIDER_ADDRESS}:{port}"
    assert curl(net, "--proxy", own, f"https://{HOSTS['openai']}/v1/models") == "000 400"
    assert office.event(kind="call", rule="strict-head")["reason"] == "request_malformed"
    assert office.provider.connections == []


def test_a_tunnel_to_port_80_does_not_hide_another_host(network: tuple[Office, Namespaces]) -> None:
    office, net = network
    office.provider.forget()
    through = ("--proxytunnel", "--proxy", office.product.url("proxy"))
    hidden = ("-H", f"Host: {HOSTS['openai']}", f"http://{SESSIONS_HOST}/v1/models")
    assert curl(net, *through, *hidden) == "400 200"
    assert office.event(kind="call", rule="one-destination")["decision"] == "deny"
    assert office.provider.connections == []
    assert curl(net, *through, f"http://{HOSTS['openai']}/v1/models") == "200 200"
    assert office.event(kind="call", host=HOSTS["openai"], port=80)["verdict"] == "ai"


def test_a_websocket_to_an_unknown_ai_host_is_listed(network: tuple[Office, Namespaces]) -> None:
    office, net = network
    known = office.environment("transparent") | {"OPENAI_BASE_URL": f"http://{SESSIONS_HOST}/v1"}
    with Machine(known, net.client) as machine:
        done = machine.call("realtime", model="gpt-realtime", key="their-own")
    assert "error" not in done, done
    assert listed(office, SESSIONS_HOST) == "ai"


def test_grpc_web_to_an_unknown_ai_host_is_listed(network: tuple[Office, Namespaces], tmp_path: Path) -> None:
    office, net = network
    frame = tmp_path / "frame"
    frame.write_bytes(FRAME)
    kind = ("-H", "content-type: application/grpc-web+proto", "-H", "x-grpc-web: 1")
    path = "/aiserver.v1.ChatService/StreamUnifiedChat"
    status = curl(net, *kind, "--data-binary", f"@{frame}", f"http://{CALLS_HOST}{path}")
    assert status == "200 000"
    assert listed(office, CALLS_HOST) in {"suspect", "ai"}


@pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER: apt-get install chromium")
def test_a_browser_does_not_reach_a_front_that_takes_encrypted_names(
    network: tuple[Office, Namespaces], tmp_path: Path
) -> None:
    """Chromium sends the extension in every ClientHello: to a plain name it passes, to a front not."""
    office, net = network
    place = (f"--host-resolver-rules=MAP * {PROVIDER_ADDRESS}", f"--user-data-dir={tmp_path / 'profile'}")

    def page(host: str) -> str:
        dump = ("--dump-dom", f"https://{host}/")
        return run(*prefix(net.client), str(CHROMIUM), *CHROMIUM_OPTIONS, *place, *dump)

    assert "stand-in" not in page(FRONT)
    office.event(kind="tunnel", rule="evasion:ech", host=FRONT)
    assert "stand-in" in page(ORDINARY_HOST)
    # Nor does a browser become suspect that goes where a name tells of AI; a program does, see below.
    assert "stand-in" in page(TELLING_HOST)
    read = office.event(kind="tunnel", host=TELLING_HOST)
    assert (read["decision"], read["ja4"][:4], "verdict" in read) == ("allow", "t13d", False)


def test_a_program_behind_a_name_that_tells_of_ai_is_listed_unread(
    network: tuple[Office, Namespaces],
) -> None:
    """curl trusts the provider's own authority alone, so what it reads nobody has opened."""
    office, net = network
    own = ("--cacert", str(office.authority.ca_file), "-o", "/dev/null", "-w", "%{http_code}")
    asked = ("curl", "-sS", "--max-time", "20", *own, f"https://{TELLING_HOST}/")
    assert run(*prefix(net.client), *asked) == "200"
    office.event(kind="tunnel", host=TELLING_HOST, verdict="suspect")
    found = office.product.cli("discovery", "show", TELLING_HOST, "--tenant", office.tenant)
    assert (found["verdict"], found["state"], found["networks"]) == ("suspect", "monitored", 1)
    passed = office.product.cli("discovery", "tunnels", "--tenant", office.tenant, "--since", "1h")
    (seen,) = (each for each in passed if each["host"] == TELLING_HOST)
    assert (seen["verdict"], seen["bytes_up"] > 500, seen["bytes_down"] > 1000) == ("suspect", True, True)
    assert set(found["evidence"]) == {
        "the client's TLS is a program's (OpenSSL, such as curl's)",
        "the host's name says openai",
    }
