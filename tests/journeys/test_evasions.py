"""What an employee tries who does not want to be seen, in network namespaces, each by a real client."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.standins.namespaces import CLIENT_SIDE, PROVIDER_ADDRESS, Namespaces, prefix, run
from tests.standins.office import HOSTS, ORDINARY_HOST, Office
from tests.standins.product import in_namespace
from tests.standins.provider import StandIn

# What each tries, from the client's machine; it prints what came of it.
TLS = """
import socket, ssl, sys, json
host, name, verify = sys.argv[1], sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=verify) if verify != "no" else ssl._create_unverified_context()
context.check_hostname = verify != "no"
try:
    with socket.create_connection((host, 443), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name or None) as secured:
            print(json.dumps({"result": "connected"}))
except (OSError, ssl.SSLError) as error:
    print(json.dumps({"result": "refused", "why": type(error).__name__}))
"""
# Says when it is connected, and when the other side has ended the connection.
HELD = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[3])
with socket.create_connection((sys.argv[1], 443), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[2]) as secured:
        print("connected", flush=True)
        try:
            secured.recv(1)
        except ssl.SSLError:
            pass  # cut without a closing alert, which is an end too
print("ended")
"""
UDP = """
import socket, sys, json
probe = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
probe.settimeout(5)
probe.connect((sys.argv[1], int(sys.argv[2])))
try:
    probe.send(b"\\xc0" + bytes(1199)); probe.recv(1)
    print(json.dumps({"result": "answered"}))
except OSError as error:
    print(json.dumps({"result": "refused", "why": type(error).__name__}))
"""

TCP = """
import socket, sys, json
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()
    print(json.dumps({"result": "connected"}))
except OSError as error:
    print(json.dumps({"result": "refused", "why": type(error).__name__}))
"""
# SOCKS 5 (RFC 1928) to a host and port that the network leads to the gateway.
SOCKS = """
import socket, sys, json
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as plain:
    plain.sendall(b"\\x05\\x01\\x00\\x05\\x01\\x00\\x03\\x0eapi.openai.com\\x01\\xbb")
    try:
        print(json.dumps({"result": plain.recv(12).decode("latin-1")}))
    except ConnectionError as error:
        print(json.dumps({"result": "closed"}))
"""
HTTP = """
import http.client, sys, json
calling = http.client.HTTPConnection(sys.argv[1], 80, timeout=10)
try:
    calling.request("GET", "/", headers={"host": sys.argv[2]})
    print(json.dumps({"result": "answered", "status": str(calling.getresponse().status)}))
except OSError as error:
    print(json.dumps({"result": "refused", "why": type(error).__name__}))
"""
# An address of an AI provider's that the names which are claimed do not lead to.
ELSEWHERE = "203.0.113.9"
UNRESOLVED = "nobody-knows.example"


class Employee:
    """A machine of the client's network."""

    def __init__(self, office: Office, net: Namespaces) -> None:
        self.office, self.net = office, net

    def tries(self, script: str, *words: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(run(*prefix(self.net.client), "python3", "-c", script, *words))
        return found

    def begins(self, script: str, *words: str) -> "subprocess.Popen[str]":
        command = (*prefix(self.net.client), "python3", "-c", script, *words)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def tls(self, name: str, *, to: str = PROVIDER_ADDRESS, verify: str = "no") -> str:
        return self.tries(TLS, to, name, verify)["result"]


@pytest.fixture(scope="module")
def employee(network: tuple[Office, Namespaces]) -> Employee:
    office, net = network
    office.provider.forget()
    return Employee(office, net)


def test_an_ordinary_name_is_let_through(employee: Employee) -> None:
    assert employee.tls(ORDINARY_HOST) == "connected"


@pytest.mark.parametrize(("name", "rule"), [("", "evasion:nameless"), ("dns.google", "evasion:doh")])
def test_tls_that_hides_where_it_goes_is_refused_and_listed(employee: Employee, name: str, rule: str) -> None:
    assert employee.tls(name) == "refused"
    event = employee.office.event(kind="tunnel", rule=rule)
    assert (event["decision"], event["reason"]) == ("deny", "shadow_endpoint")


def test_a_client_that_pins_its_providers_certificate_is_refused_and_listed(employee: Employee) -> None:
    """It trusts the provider's own authority alone, as an application does that pins."""
    provider = str(employee.office.authority.ca_file)
    assert employee.tls(HOSTS["openai"], verify=provider) == "refused"
    employee.office.event(kind="tunnel", rule="client-distrusts", host=HOSTS["openai"])
    assert employee.tls(HOSTS["openai"], verify=str(employee.office.ca_file)) == "connected"


def test_a_pinned_client_passes_unread_where_its_tenant_says_so(employee: Employee) -> None:
    """Only its name and volume are known then; afterwards it is refused again, and what is open ends."""
    office, host = employee.office, HOSTS["mistral"]
    provider = str(office.authority.ca_file)
    why = ("--reason", "the app pins; approved", "--expires", "1h")
    office.product.cli("endpoint", "pinned", host, "--bypass", "--tenant", office.tenant, *why)
    office.in_force()
    assert employee.tls(host, verify=provider) == "connected"
    event = office.event(kind="tunnel", host=host, pinned="bypassed")
    assert (event["decision"], event["verdict"], "credential_id" in event) == ("allow", "ai", False)
    assert event["bytes_up"] > 0
    assert event["bytes_down"] > 1000
    held = employee.begins(HELD, PROVIDER_ADDRESS, host, provider)
    assert held.stdout.readline() == "connected\n"
    office.product.cli("endpoint", "pinned", host, "--block", "--tenant", office.tenant)
    office.in_force()
    assert held.communicate(timeout=15)[0] == "ended\n"
    office.event(kind="tunnel", host=host, outcome="cut", rule="pinned-bypass-ended")
    assert employee.tls(host, verify=provider) == "refused"


@pytest.fixture(scope="module")
def also_ipv6(employee: Employee) -> str:
    """The same cables with IPv6; the provider's address, which the gateway would forward to."""
    net = employee.net
    for space, device, address in (
        (net.client, "eth0", "2001:db8:1::2/64"),
        (net.gateway, CLIENT_SIDE, "2001:db8:1::1/64"),
        (net.gateway, "wan0", "2001:db8:2::1/64"),
        (net.provider, "eth0", "2001:db8:2::2/64"),
    ):
        run("ip", "-n", space, "address", "add", address, "dev", device, "nodad")
    for space, way in ((net.client, "2001:db8:1::1"), (net.provider, "2001:db8:2::1")):
        run("ip", "-n", space, "-6", "route", "add", "default", "via", way)
    run(*prefix(net.gateway), "sysctl", "-q", "-w", "net.ipv6.conf.all.forwarding=1")
    return "2001:db8:2::2"


@pytest.mark.parametrize(("port", "what"), [("443", "QUIC"), ("853", "DNS over QUIC")])
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_udp_to_where_it_would_not_be_seen_is_refused_at_once(
    employee: Employee, also_ipv6: str, family: str, port: str, what: str
) -> None:
    """The rules reject it; what nothing rejects finds nobody either, but waits for an answer."""
    address = also_ipv6 if family == "IPv6" else PROVIDER_ADDRESS
    before = rejected(employee)
    assert employee.tries(UDP, address, port)["why"] != "TimeoutError", what
    assert rejected(employee) > before


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_dns_over_tls_is_refused_at_once(employee: Employee, also_ipv6: str, family: str) -> None:
    address = also_ipv6 if family == "IPv6" else PROVIDER_ADDRESS
    before = rejected(employee)
    assert employee.tries(TCP, address, "853")["why"] != "TimeoutError"
    assert rejected(employee) > before


def rejected(employee: Employee) -> int:
    """Packets that the rules have rejected."""
    counters = run(*prefix(employee.net.gateway), "nft", "list", "chain", "inet", "apiconduit", "forward")
    return sum(int(number) for number in re.findall(r"packets ([0-9]+)", counters))


@pytest.mark.parametrize(("port", "result"), [(443, "refused"), (80, "refused"), (8443, "connected")])
def test_ipv6_does_not_lead_past_the_gateway(
    employee: Employee, also_ipv6: str, port: int, result: str
) -> None:
    """It is redirected as IPv4 is, here to where nobody listens; other ports are the firewall's."""

    def listen() -> socket.socket:
        return socket.create_server((also_ipv6, port), family=socket.AF_INET6)

    with in_namespace(employee.net.provider, listen):
        assert employee.tries(TCP, also_ipv6, str(port))["result"] == result


@pytest.mark.parametrize("port", ["443", "80"])
def test_socks_on_the_ports_of_the_web_is_no_request(employee: Employee, port: str) -> None:
    employee.office.provider.forget()
    assert employee.tries(SOCKS, PROVIDER_ADDRESS, port)["result"] == "HTTP/1.1 400"
    assert employee.office.provider.connections == []
    event = employee.office.event(kind="connection", rule="valid-framing", mode="transparent")
    assert event["decision"] == "deny"


def test_a_provider_named_in_plain_http_to_any_address_is_an_ai_call(employee: Employee) -> None:
    """It goes where the name leads, as what it is; here without a key."""
    assert employee.tries(HTTP, ELSEWHERE, HOSTS["openai"])["status"] != "000"
    event = employee.office.event(kind="call", host=HOSTS["openai"], port=80, mode="transparent")
    assert event["verdict"] == "ai"


@pytest.fixture(scope="module")
def elsewhere(employee: Employee) -> Iterator[StandIn]:
    """A provider at an address of its own, which any certificate could stand for."""
    space = employee.net.provider
    run("ip", "-n", space, "address", "add", f"{ELSEWHERE}/24", "dev", "eth0")
    with StandIn(employee.office.authority, ELSEWHERE, namespace=space, ports=(443, 80)) as provider:
        yield provider


def test_a_false_name_does_not_lead_to_the_address_that_the_client_chose(
    employee: Employee, elsewhere: StandIn
) -> None:
    """The claimed name is what is dialled, and so what is written down."""
    employee.office.provider.forget()
    assert employee.tls(ORDINARY_HOST, to=ELSEWHERE) == "connected"
    assert employee.tries(HTTP, ELSEWHERE, ORDINARY_HOST)["status"] == "200"
    assert [each.server_name for each in employee.office.provider.connections] == [ORDINARY_HOST, None]
    assert elsewhere.connections == []


def test_a_name_that_leads_nowhere_is_refused_and_listed(employee: Employee, elsewhere: StandIn) -> None:
    assert employee.tls(UNRESOLVED, to=ELSEWHERE) == "refused"
    event = employee.office.event(kind="tunnel", rule="tunnel-reachable", host=UNRESOLVED, port=443)
    assert (event["decision"], event["reason"]) == ("deny", "upstream_unreachable")
    assert employee.tries(HTTP, ELSEWHERE, UNRESOLVED)["status"] == "502"
    assert employee.office.event(kind="call", host=UNRESOLVED, port=80)["reason"] == "upstream_unreachable"
    assert elsewhere.connections == []
