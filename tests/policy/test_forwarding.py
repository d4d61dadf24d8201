"""The source of a request is what trusted hops say, and nothing that anybody else can write."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.forwarding import UnreadableHop, plain, source_of

HOP, OTHER_HOP, CLIENT, FORGED = "10.0.0.1", "10.0.0.2", "192.0.2.7", "198.51.100.9"
TRUSTED = (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))


def source(peer: str, forwarded_for: str | None, trusted=TRUSTED) -> str:
    return str(source_of(ip_address(peer), forwarded_for, trusted))


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        (CLIENT, None, CLIENT),
        (CLIENT, FORGED, CLIENT),
        (HOP, None, HOP),
        (HOP, CLIENT, CLIENT),
        (HOP, f"{FORGED}, {CLIENT}", CLIENT),
        (HOP, f"{FORGED}, {CLIENT}, {OTHER_HOP}", CLIENT),
        (HOP, f"{HOP}, {CLIENT}", CLIENT),
        (HOP, OTHER_HOP, OTHER_HOP),
        (HOP, f"{CLIENT}:51234", CLIENT),
        (HOP, "[2001:db8::7]:443", "2001:db8::7"),
        (HOP, "2001:db8::7", "2001:db8::7"),
        (HOP, f"::ffff:{CLIENT}", CLIENT),
        ("fd00::1", CLIENT, CLIENT),
    ],
)
def test_the_source_is_the_right_most_hop_that_is_not_trusted(peer, header, expected):
    assert source(peer, header) == expected


@pytest.mark.parametrize("header", ["unknown", f"{CLIENT},", "_hidden", "fe80::1%eth0", "1.2.3", "0x7f.1"])
def test_a_trusted_hop_that_names_no_address_is_not_guessed_at(header):
    with pytest.raises(UnreadableHop):
        source(HOP, header)


def test_what_stands_left_of_the_client_is_not_even_read():
    assert source(HOP, f"<script>, {CLIENT}") == CLIENT


@given(st.text(max_size=60), st.ip_addresses())
def test_without_trusted_hops_no_header_matters(header, peer):
    assert source_of(peer, header, ()) == peer


@given(st.lists(st.ip_addresses(v=4), max_size=8), st.ip_addresses(v=4))
def test_nothing_that_a_client_writes_changes_its_source(written, client):
    """A client behind one hop: the hop appends the client's address to whatever it sent."""
    if client in TRUSTED[0]:
        return
    header = ", ".join(map(str, [*written, client]))
    assert source(HOP, header) == str(client)


def test_an_ipv4_address_in_ipv6_is_the_same_address():
    assert plain(ip_address("::ffff:192.0.2.7")) == ip_address("192.0.2.7")
    assert plain(ip_address("2001:db8::1")) == ip_address("2001:db8::1")
