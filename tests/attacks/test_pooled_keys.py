"""A placeholder of a pool is held to all that one of a single key is, whichever member would be chosen."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.attacks.conversation import Attacker, Reply, request
from tests.standins.office import HOSTS, Office

KEYS = [f"sk-proj-CaNaRy{secrets.token_hex(24)}" for _ in range(2)]
POOL = "attacked"


def issued(office: Office, *options: str) -> tuple[str, str]:
    """A placeholder of the pool: its id and itself."""
    made = office.product.cli(
        *("placeholder", "issue", "--tenant", office.tenant, "--user", office.user, "--credential", POOL),
        *options,
    )
    return str(made["id"]), str(made["placeholder"])


@pytest.fixture(scope="module")
def pooled(office: Office) -> str:
    for number, key in enumerate(KEYS):
        office.product.cli(
            *("credential", "add", "--tenant", office.tenant, "--provider", "openai"),
            *("--name", f"attacked-{number}", "--pool", POOL),
            stdin=key,
        )
    _, placeholder = issued(office)
    office.in_force()
    return placeholder


@pytest.fixture
def thief(attacker: Attacker, pooled: str) -> Iterator[Attacker]:
    """Somebody who holds a good placeholder of the pool."""
    yield attacker
    for connection in attacker.office.provider.connections:
        assert pooled.encode() not in connection.raw
        if connection.server_name != HOSTS["openai"]:
            assert not [key for key in KEYS if key.encode() in connection.raw]


def bearer(placeholder: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {placeholder}")


def ask(attacker: Attacker, *headers: tuple[str, str], target: str | None = None) -> Reply:
    return attacker.gateway(request(target or attacker.path(), headers, host=attacker.gateway_host))


def refused(attacker: Attacker, reply: Reply, status: int, reason: str) -> None:
    """As the contract says, and the provider saw nothing."""
    attacker.assert_refused(reply, status)
    assert reply.reason == reason


def test_in_its_place_it_is_exchanged_for_a_member(thief: Attacker, pooled: str) -> None:
    assert ask(thief, bearer(pooled)).status == 200
    (seen,) = thief.office.provider.seen
    assert set(seen.keys) <= set(KEYS)
    assert len(seen.keys) == 1


@pytest.mark.parametrize("provider", ["anthropic", "google", "mistral"])
def test_at_another_provider(thief: Attacker, pooled: str, provider: str) -> None:
    target = f"/{provider}/v1/chat/completions"
    refused(thief, ask(thief, bearer(pooled), target=target), 403, "placeholder_misused")


def test_at_another_host_through_the_proxy(thief: Attacker, pooled: str) -> None:
    raw = request("/v1/chat/completions", [bearer(pooled)], host=HOSTS["mistral"])
    reply = thief.tunnel(f"{HOSTS['mistral']}:443", HOSTS["mistral"], raw)
    refused(thief, reply, 403, "placeholder_misused")


@pytest.mark.parametrize("name", ["x-api-key", "api-key", "x-goog-api-key"])
def test_in_another_header(thief: Attacker, pooled: str, name: str) -> None:
    refused(thief, ask(thief, (name, pooled)), 403, "placeholder_misused")


@pytest.mark.parametrize("name", ["key", "api_key"])
def test_in_the_query(thief: Attacker, pooled: str, name: str) -> None:
    target = f"{thief.path()}?{name}={pooled}"
    reply = ask(thief, target=target)
    thief.assert_refused(reply, 401, 403)


def test_from_another_network(thief: Attacker, pooled: str) -> None:
    identity, elsewhere = issued(thief.office, "--cidr", "198.51.100.0/24")
    thief.office.in_force()
    refused(thief, ask(thief, bearer(elsewhere)), 403, "placeholder_misused")
    event = thief.office.event(placeholder_id=identity)
    assert (event["reason"], event["rule"]) == ("placeholder_misused", "placeholder-network")


def test_for_another_model(thief: Attacker, pooled: str) -> None:
    _, narrow = issued(thief.office, "--models", "gpt-5")
    thief.office.in_force()
    refused(thief, ask(thief, bearer(narrow)), 403, "placeholder_misused")


def test_after_its_end(thief: Attacker, pooled: str) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    _, brief = issued(thief.office, "--expires", end.isoformat())
    thief.office.in_force()
    deadline = time.monotonic() + 20
    while ask(thief, bearer(brief)).reason != "placeholder_expired":
        assert time.monotonic() < deadline
    thief.office.provider.forget()
    refused(thief, ask(thief, bearer(brief)), 401, "placeholder_expired")


def test_after_it_was_revoked(thief: Attacker, pooled: str) -> None:
    identity, taken = issued(thief.office)
    thief.office.product.cli("placeholder", "revoke", identity, "--tenant", thief.office.tenant)
    thief.office.in_force()
    refused(thief, ask(thief, bearer(taken)), 401, "placeholder_revoked")
