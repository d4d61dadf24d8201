"""Two running instances for all tests: one on loopback (gateway, proxy), one in network namespaces."""

from collections.abc import Iterator

import pytest

from tests.standins.authority import Authority
from tests.standins.machines import Machine
from tests.standins.namespaces import (
    CLIENT_NETWORK,
    CLIENT_SIDE,
    GATEWAY_ADDRESS,
    PROVIDER_ADDRESS,
    Namespaces,
    lacking,
)
from tests.standins.office import EVERY_HOST, Office, Place, settle, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn

MODES = ("gateway", "proxy", "transparent")


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The product on loopback."""
    folder = tmp_path_factory.mktemp("office")
    authority = Authority(folder / "authority")
    with (
        StandIn(authority) as provider,
        Product(folder, upstream_settings(provider, authority)) as product,
    ):
        made = settle(product, provider, authority)
        made.in_force()
        yield made


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Namespaces]]:
    """The product between two networks, with the redirect that ``conduit network-rules`` prints."""
    if reason := lacking():
        pytest.skip(f"TRANSPARENT MODE IS NOT TESTED: {reason}")
    folder = tmp_path_factory.mktemp("network")
    authority = Authority(folder / "authority")
    with (
        Namespaces(EVERY_HOST) as net,
        StandIn(authority, PROVIDER_ADDRESS, namespace=net.provider, ports=(443, 80)) as provider,
        Product(
            folder, upstream_settings(provider, authority), namespace=net.gateway, address=GATEWAY_ADDRESS
        ) as product,
    ):
        net.redirect(product.shell("network-rules", "--interface", CLIENT_SIDE).stdout)
        made = settle(product, provider, authority)
        product.cli("network", "add", "--tenant", made.tenant, CLIENT_NETWORK)
        made.in_force()
        yield made, net


@pytest.fixture(scope="session")
def gateway_place(office: Office) -> Iterator[Place]:
    with Machine(office.environment("gateway")) as machine:
        yield Place("gateway", office, machine)


@pytest.fixture(scope="session")
def proxy_place(office: Office) -> Iterator[Place]:
    with Machine(office.environment("proxy")) as machine:
        yield Place("proxy", office, machine)


@pytest.fixture(scope="session")
def transparent_place(network: tuple[Office, Namespaces]) -> Iterator[Place]:
    office, net = network
    with Machine(office.environment("transparent"), net.client) as machine:
        yield Place("transparent", office, machine)


@pytest.fixture(params=MODES)
def place(request: pytest.FixtureRequest) -> Place:
    """A machine in each mode in turn, its provider having seen nothing yet."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    found.office.provider.forget()
    return found


@pytest.fixture(params=MODES[1:])
def intercepted(request: pytest.FixtureRequest) -> Place:
    """A machine in each mode that takes other traffic than the providers' too."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    found.office.provider.forget()
    return found
