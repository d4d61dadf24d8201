"""The address that was judged is the one that is dialled, and every address of a name is judged."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from addons.configuration import Upstreams
from addons.connections import Connections
from addons.dialling import Dialling, Undialable

PUBLIC = "93.184.215.14"


def dialling() -> Dialling:
    upstreams = Upstreams({}, {}, (), 5, 5, 5, Path("authorities.pem"))
    return Dialling(upstreams, Connections(), frozenset({8080}))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have the name looked up so, in turn; the names that were asked for."""
    asked: list[str] = []
    left = list(answers)

    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(None, None, None, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    return asked


async def test_a_rebound_name_is_not_looked_up_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is judged, loopback when it is dialled."""
    asked = resolving(monkeypatch, [PUBLIC], ["127.0.0.1"])
    assert await dialling()._resolve("rebind.example", 443, None) == (PUBLIC, 443)
    assert asked == ["rebind.example"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "fe80::1%2",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_a_name_with_one_address_that_may_not_be_dialled(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Whichever stands first, as by a CNAME into the organisation."""
    for addresses in ([PUBLIC, address], [address, PUBLIC], [address]):
        resolving(monkeypatch, addresses)
        with pytest.raises(Undialable):
            await dialling()._resolve("cname.example", 443, None)


PRIVATE = "10.1.2.3"


@pytest.mark.parametrize(
    ("original", "addresses", "dialled"),
    [
        ("203.0.113.9", [PUBLIC], PUBLIC),  # an address of somebody else's, under a false name
        ("8.8.8.8", [PUBLIC, "8.8.8.8"], "8.8.8.8"),  # one of the name's own
        (PRIVATE, [PRIVATE], PRIVATE),  # a host of the client's own network, by its own name
    ],
)
async def test_a_redirected_client_reaches_what_it_names(
    monkeypatch: pytest.MonkeyPatch, original: str, addresses: list[str], dialled: str
) -> None:
    resolving(monkeypatch, addresses)
    assert await dialling()._resolve("named.example", 443, original) == (dialled, 443)


@pytest.mark.parametrize("addresses", [[PRIVATE], [PUBLIC, PRIVATE]])
async def test_a_private_address_is_dialled_only_where_the_client_chose_it(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolving(monkeypatch, addresses)
    with pytest.raises(Undialable):
        await dialling()._resolve("named.example", 443, "203.0.113.9")
