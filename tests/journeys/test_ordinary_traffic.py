"""Traffic that is no AI traffic goes through untouched, in TLS with its own server's certificate."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.standins.authority import Authority
from tests.standins.office import HOSTS, ORDINARY_HOST, Office, Place, settle, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn
from tests.traffic import pages, programs, sdks, sending
from tests.traffic.client import Station


def test_ordinary_tls_reaches_its_server_with_the_servers_own_certificate(intercepted: Place) -> None:
    done = intercepted.machine.call("certificate", host=ORDINARY_HOST, port=443)
    assert "error" not in done, done
    assert done["result"]["sha256"] == intercepted.office.authority.fingerprint(ORDINARY_HOST)
    assert done["result"]["answer"] == "HTTP/1.1 200 OK" or done["result"]["answer"].startswith(
        "HTTP/1.1 200"
    )


def test_ai_tls_is_opened_with_our_certificate(intercepted: Place) -> None:
    done = intercepted.machine.call("certificate", host=HOSTS["openai"], port=443)
    assert "error" not in done, done
    assert done["result"]["sha256"] != intercepted.office.authority.fingerprint(HOSTS["openai"])


def test_an_ordinary_tunnel_is_counted_by_name_only(intercepted: Place) -> None:
    intercepted.machine.call("certificate", host=ORDINARY_HOST, port=443)
    (seen,) = intercepted.office.provider.seen
    assert (seen.server_name, seen.method, seen.target) == (ORDINARY_HOST, "GET", "/")


@dataclass(frozen=True, slots=True)
class Untouched:
    """A gateway as it comes, and machines that trust the servers' authority alone, not the gateway's."""

    office: Office
    station: Station


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Untouched]:
    folder = tmp_path_factory.mktemp("untouched")
    authority = Authority(folder / "authority")
    with StandIn(authority) as provider:
        chosen = upstream_settings(provider, authority) | {"workers": "1"}
        chosen["upstream.resolve"] |= provider.resolve(*sending.hosts(sending.not_ai("https")))
        with Product(folder, chosen) as product:
            office = settle(product, provider, authority)
            product.cli("network", "add", "--tenant", office.tenant, "127.0.0.1/32")
            office.in_force()
            yield Untouched(
                office,
                Station(product.url("proxy"), authority.ca_file, authority.key_pin, folder / "station"),
            )


# Catalogued hosts, and at what an SDK, curl and the browser fail there.
DECRYPTED = {
    "api.deepseek.com": "CERTIFICATE_VERIFY_FAILED",
    "api.elevenlabs.io": "SSL certificate problem",
    "chatgpt.com": "ERR_CERT_AUTHORITY_INVALID",
}


def test_no_flow_that_is_not_ai_is_ever_decrypted_or_listed(untouched: Untouched) -> None:
    """Every client would fail at any other's certificate; those that can tell which they saw, say so."""
    office, clients = untouched.office, sending.not_ai("https")
    sending.serve(office.provider, clients)
    sent = sending.send(untouched.station, clients)
    assert sent.failed == {}
    present = sending.hosts(each for each in clients if not each.lacking)
    assert {seen.server_name for seen in office.provider.seen} == present
    assert len(present) >= 300
    assert len(sent.certificates) >= 290
    assert sent.certificates == {host: office.authority.fingerprint(host) for host in sent.certificates}

    # That such clients fail where the gateway decrypts is what makes this a proof.
    office.provider.forget()
    every = (*sdks.clients(), *programs.clients(), *pages.clients())
    ai = {each.hosts[0]: each for each in every if each.hosts[0] in DECRYPTED}
    for host, fault in DECRYPTED.items():
        failed = sending.send(untouched.station, [ai[host]])
        assert failed.left_out or fault in str(failed.failed)
    assert office.provider.seen == []
    office.found("api.deepseek.com")
    assert office.inventory().keys() & present == set()
