"""Traffic that is no AI traffic goes through untouched, in TLS with its own server's certificate."""

from collections.abc import Iterator

import pytest

from tests.standins.authority import Authority
from tests.standins.office import HOSTS, ORDINARY_HOST, Place, settle, upstream_settings
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


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Authority, StandIn, Station]]:
    """A gateway as it comes, and machines that trust the servers' authority alone, not the gateway's."""
    folder = tmp_path_factory.mktemp("untouched")
    authority = Authority(folder / "authority")
    with StandIn(authority) as provider:
        chosen = upstream_settings(provider, authority) | {"workers": "1"}
        chosen["upstream.resolve"] |= provider.resolve(*sending.hosts(sending.not_ai("https")))
        with Product(folder, chosen) as product:
            office = settle(product, provider, authority)
            product.cli("network", "add", "--tenant", office.tenant, "127.0.0.1/32")
            office.in_force()
            yield (
                authority,
                provider,
                Station(product.url("proxy"), authority.ca_file, authority.key_pin, folder / "station"),
            )


def test_no_flow_that_is_not_ai_is_ever_decrypted(
    untouched: tuple[Authority, StandIn, Station],
) -> None:
    """Every client would fail at any other's certificate; those that can tell which they saw, say so."""
    authority, provider, station = untouched
    clients = sending.not_ai("https")
    sending.serve(provider, clients)
    sent = sending.send(station, clients)
    assert sent.failed == {}
    present = sending.hosts(each for each in clients if each.name not in sent.left_out)
    assert {seen.server_name for seen in provider.seen} == present
    assert len(present) >= 300
    assert len(sent.certificates) >= 290
    assert sent.certificates == {host: authority.fingerprint(host) for host in sent.certificates}


def test_such_clients_reach_nothing_that_is_decrypted(untouched: tuple[Authority, StandIn, Station]) -> None:
    """That they fail at the gateway's certificate is what makes the rest a proof."""
    _, provider, station = untouched
    provider.forget()
    fails = {
        "api.deepseek.com": "CERTIFICATE_VERIFY_FAILED",  # by an SDK
        "api.elevenlabs.io": "SSL certificate problem",  # by curl
        "chatgpt.com": "ERR_CERT_AUTHORITY_INVALID",
    }
    every = (*sdks.clients(), *programs.clients(), *pages.clients())
    clients = [each for each in every if each.hosts[0] in fails]
    for client in clients:
        sent = sending.send(station, [client])
        assert sent.left_out or fails[client.hosts[0]] in str(sent.failed)
    assert len(clients) == len(fails)
    assert provider.seen == []
