"""Traffic that is no AI traffic goes through untouched, in TLS with its own server's certificate."""

import hashlib
import ssl
from pathlib import Path

import httpx

from tests.policy import later_traffic
from tests.policy.labelled_traffic import NOT_AI, Flow
from tests.standins.authority import Authority
from tests.standins.office import HOSTS, ORDINARY_HOST, Place, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn


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


NOT_AI_HOSTS = {
    f"flow-{number}.{flow.host}": flow for number, flow in enumerate([*NOT_AI, *later_traffic.NOT_AI])
}


def test_no_flow_that_is_not_ai_is_ever_decrypted(tmp_path: Path) -> None:
    """Each is sent by a client that trusts the servers' authority alone, and looks at the certificate."""
    authority = Authority(tmp_path / "authority")
    with StandIn(authority) as provider:
        chosen = upstream_settings(provider, authority) | {"workers": "1"}
        chosen["upstream.resolve"] |= provider.resolve(*NOT_AI_HOSTS)
        with (
            Product(tmp_path, chosen) as product,
            httpx.Client(
                proxy=product.url("proxy"),
                verify=ssl.create_default_context(cafile=authority.ca_file),
                trust_env=False,
                timeout=20,
            ) as client,
        ):
            seen = {host: _certificate(client, host, flow) for host, flow in NOT_AI_HOSTS.items()}
    assert len(seen) >= 200
    assert seen == {host: authority.fingerprint(host) for host in NOT_AI_HOSTS}


def _certificate(client: httpx.Client, host: str, flow: Flow) -> str:
    """The SHA-256 of the certificate over which a flow was answered."""
    asked = flow.request
    url = f"https://{host}{asked.path}"
    with client.stream(asked.method, url, content=asked.body, headers=asked.headers) as answer:
        tls = answer.extensions["network_stream"].get_extra_info("ssl_object")
        return hashlib.sha256(tls.getpeercert(True)).hexdigest()
