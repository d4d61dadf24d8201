"""Who is calling, in the running product: single sign-on's tokens, and what the Wi-Fi tells."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.addons.identity import SIGNING_KEY, a_token, key_set
from tests.conduit.test_radius import SECRET, a_request
from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.office import Office, settle, upstream_settings
from tests.standins.product import Product, free_port
from tests.standins.provider import StandIn

ADDRESS = "127.0.3.7"


@pytest.fixture(scope="module")
def radius_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, radius_port: int) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("identity")
    authority = Authority(folder / "authority")
    (folder / "secret").write_bytes(SECRET)
    with StandIn(authority) as provider:
        provider.play("localhost", *[Answer.json(200, key_set(SIGNING_KEY))] * 20)
        issuer = {
            "issuer": "https://id.example",
            "audience": "apiconduit",
            "jwks_url": f"https://localhost:{provider.port}/jwks",
            "algorithms": ["ES256"],
            "tenant": "acme",
        }
        client = {"network": "127.0.0.1/32", "tenant": "acme", "secret_file": str(folder / "secret")}
        settings = {
            "identity.issuers": [issuer],
            "identity.radius.listen": f"127.0.0.1:{radius_port}",
            "identity.radius.clients": [client],
        }
        with Product(folder, upstream_settings(provider, authority) | settings) as product:
            made = settle(product, provider, authority)
            product.cli("network", "add", "--tenant", made.tenant, "127.0.3.0/24")
            made.in_force()
            yield made


def ask(company: Office, *, source: str = "127.0.0.1", **headers: str) -> httpx.Response:
    """The list of models, from one address."""
    transport = httpx.HTTPTransport(local_address=source)
    url = f"{company.product.url('gateway')}/openai/v1/models"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.Client(transport=transport, timeout=20) as client:
        return client.get(url, headers=named)


def test_a_token_of_single_sign_on_stands_beside_the_placeholder(company: Office) -> None:
    key = f"Bearer {company.placeholders['openai']}"
    answer = ask(company, authorization=key, x_conduit_identity=a_token())
    assert answer.status_code == 200, answer.text
    event = company.event(id=answer.headers["x-conduit-request-id"])
    assert (event["user"], event["identity_sources"]) == ("ada", ["placeholder", "token"])
    other = ask(company, authorization=key, x_conduit_identity=a_token("probe"))
    assert other.headers["x-conduit-reason"] == "identity_conflict"


def test_what_the_wireless_network_tells_names_who_calls(company: Office, radius_port: int) -> None:
    before = ask(company, source=ADDRESS)
    event = company.event(id=before.headers["x-conduit-request-id"])
    assert ("user" in event, event["identity_sources"]) == (False, ["network"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as point:
        point.settimeout(15)
        point.sendto(a_request(address=ADDRESS), ("127.0.0.1", radius_port))
        assert point.recv(100)[0] == 5
    company.in_force()
    after = ask(company, source=ADDRESS)
    event = company.event(id=after.headers["x-conduit-request-id"])
    assert (event["user"], event["identity_sources"]) == ("ada", ["session", "network"])
