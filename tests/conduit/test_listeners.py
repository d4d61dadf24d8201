"""An instance does not start on addresses that somebody else has."""

import socket

import pytest

from conduit.addresses import parse_address
from conduit.errors import ConfigurationError
from conduit.listeners import require_free, taken
from conduit.settings import Listen


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def a_listen(**changed: str) -> Listen:
    proxy, gateway, transparent, console = free_ports(4)
    places = {"proxy": proxy, "gateway": gateway, "transparent": transparent, "console": console}
    return Listen(**{door: parse_address(f"127.0.0.1:{port}") for door, port in places.items()}).model_copy(
        update={door: parse_address(text) for door, text in changed.items()}
    )


def test_free_addresses_pass() -> None:
    require_free(a_listen())


def test_port_that_another_would_share_is_refused() -> None:
    """Both sides set SO_REUSEPORT: the kernel itself would allow it."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"listen\.gateway: 127\.0\.0\.1:{port} is in use"):
            require_free(a_listen(gateway=f"127.0.0.1:{port}"))


def test_all_addresses_are_refused_where_one_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        everywhere = f"0.0.0.0:{other.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match="in use"):
            require_free(a_listen(proxy=everywhere))


def test_address_of_another_machine_and_one_given_twice_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        require_free(a_listen(console="192.0.2.1:9"))
    with pytest.raises(ConfigurationError, match=r"listen\.gateway and listen\.proxy are both"):
        require_free(a_listen(proxy="127.0.0.1:1025", gateway="127.0.0.1:1025"))


def test_a_listener_is_found_without_a_connection_to_it() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as listener:
        address = parse_address(f"127.0.0.1:{listener.getsockname()[1]}")
        listener.setblocking(False)
        assert taken(address) is True
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert taken(address) is False
