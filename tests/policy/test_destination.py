import contextlib
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.destination import (
    Destination,
    InvalidDestination,
    canonical_authority,
    canonical_host,
    forbidden_address,
)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("API.OpenAI.com", "api.openai.com"),
        ("api.openai.com.", "api.openai.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[::1]", "::1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_every_spelling_of_a_host_becomes_one(written, canonical):
    assert canonical_host(written) == canonical


@pytest.mark.parametrize(
    "ambiguous",
    [
        "",
        ".",
        "api..openai.com",
        "api.openai.com..",
        "2130706433",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "user@api.openai.com",
        "api.openai.com,evil.test",
        "api.openai.com\\evil.test",
        "api.openai.com/evil",
        "-api.openai.com",
        "a" * 64 + ".com",
        "[127.0.0.1]",
        "api.openai.com%00",
    ],
)
def test_a_host_with_more_than_one_reading_is_refused(ambiguous):
    with pytest.raises(InvalidDestination):
        canonical_host(ambiguous)


@given(
    st.from_regex(
        r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?(\.[A-Za-z][A-Za-z0-9]{0,10}){1,3}\.?", fullmatch=True
    )
)
def test_canonical_is_a_fixed_point(name):
    try:
        once = canonical_host(name)
    except InvalidDestination:
        return
    assert canonical_host(once) == once == once.lower()


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidDestination):
        canonical_host(text)


@pytest.mark.parametrize(
    ("authority", "scheme", "expected"),
    [
        ("api.openai.com", "https", Destination("https", "api.openai.com", 443)),
        ("api.openai.com:443", "https", Destination("https", "api.openai.com", 443)),
        ("Api.openai.com.:8443", "https", Destination("https", "api.openai.com", 8443)),
        ("[::1]:80", "http", Destination("http", "::1", 80)),
    ],
)
def test_an_authority_is_host_and_port(authority, scheme, expected):
    assert canonical_authority(authority, scheme) == expected


@pytest.mark.parametrize(
    "authority", ["a:b", "a:0", "a:65536", "a:", "::1:80", "a@b", "[::1", "a:80:80", "x[::1]"]
)
def test_an_unclear_authority_is_refused(authority):
    with pytest.raises(InvalidDestination):
        canonical_authority(authority, "http")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808::1",
    ],
)
def test_addresses_that_lead_inside_are_not_dialled(address):
    assert forbidden_address(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses_are_dialled(address):
    assert forbidden_address(ip_address(address)) is None


def test_a_network_that_the_operator_names_is_dialled():
    allowed = (ip_network("10.1.0.0/16"),)
    assert forbidden_address(ip_address("10.1.2.3"), allowed) is None
    assert forbidden_address(ip_address("10.2.2.3"), allowed)
