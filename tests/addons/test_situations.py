"""Thirty and more situations: the event names the right tenant, user and what established them, or why not.

All through the real doors: sockets, TLS, CONNECT; only the policy is made by hand.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.addons.identity import (
    ACME,
    ADAS,
    BALANCER,
    GLOBEX,
    OTHER_KEY,
    OUTSIDE,
    Caller,
    Office,
    a_token,
    office,
)
from tests.standins.provider import StandIn


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(valkey_url: str, stand_in: StandIn) -> AsyncIterator[Office]:
    stand_in.forget()
    folder = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    async with office(folder, valkey_url, stand_in) as started:
        yield started
    shutil.rmtree(folder)


def told(**headers: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


UNKNOWN_KEY = "sk-proj-cdt" + "0" * 32
PLACEHOLDER, TOKEN, PROXY = "placeholder", "token", "proxy_credentials"
CERTIFICATE, SESSION, NETWORK = "certificate", "session", "network"

# What is shown, and then tenant, user and sources.
NAMED = {
    "a placeholder": (Caller(key="ada"), "acme", "ada", [PLACEHOLDER]),
    "another's placeholder": (Caller(key="eve"), "globex", "eve", [PLACEHOLDER]),
    "a placeholder at home": (Caller(key="bob", source=ACME), "acme", "bob", [PLACEHOLDER, NETWORK]),
    "a placeholder at one's own address": (
        Caller(key="ada", source=ADAS),
        *("acme", "ada", [PLACEHOLDER, SESSION, NETWORK]),
    ),
    "a network": (Caller(source=ACME), "acme", None, [NETWORK]),
    "another network": (Caller(source=GLOBEX), "globex", None, [NETWORK]),
    "an address that somebody holds": (Caller(source=ADAS), "acme", "ada", [SESSION, NETWORK]),
    "a token as bearer": (Caller(bearer=a_token()), "acme", "ada", [TOKEN]),
    "a token in its own header": (Caller(headers=told(x_conduit_identity=a_token())), "acme", "ada", [TOKEN]),
    "a token beside a placeholder": (
        Caller(key="ada", headers=told(x_conduit_identity=a_token())),
        *("acme", "ada", [PLACEHOLDER, TOKEN]),
    ),
    "two tokens of one person": (
        Caller(bearer=a_token(), headers=told(x_conduit_identity=a_token())),
        *("acme", "ada", [TOKEN]),
    ),
    "a token of somebody not registered": (Caller(bearer=a_token("zoe")), "acme", "zoe", [TOKEN]),
    "a token in another case": (Caller(bearer=a_token("ADA")), "acme", "ada", [TOKEN]),
    "a token at one's own address": (
        Caller(bearer=a_token(), source=ADAS),
        *("acme", "ada", [TOKEN, SESSION, NETWORK]),
    ),
    "a key of one's own on a known network": (
        Caller(bearer=a_token(iss="https://other.example"), source=ACME, door="proxy"),
        *("acme", None, [NETWORK]),
    ),
    "proxy credentials": (
        Caller(door="proxy", proxy_user=("ada", "ada")),
        *("acme", "ada", [PROXY]),
    ),
    "proxy credentials without a name": (
        Caller(door="proxy", proxy_user=("", "eve")),
        *("globex", "eve", [PROXY]),
    ),
    "proxy credentials and a placeholder": (
        Caller(door="proxy", proxy_user=("ada", "ada"), key="ada"),
        *("acme", "ada", [PLACEHOLDER, PROXY]),
    ),
    "proxy credentials without a tunnel": (
        Caller(door="plain proxy", proxy_user=("ada", "ada")),
        *("acme", "ada", [PROXY]),
    ),
    "a certificate at the gateway": (
        Caller(door="tls gateway", certificate="ada"),
        *("acme", "ada", [CERTIFICATE]),
    ),
    "a certificate at the proxy, inherited by the tunnel": (
        Caller(door="tls proxy", certificate="ada"),
        *("acme", "ada", [CERTIFICATE]),
    ),
    "a certificate of an authority below": (
        Caller(door="tls gateway", certificate="ada of a site"),
        *("acme", "ada", [CERTIFICATE]),
    ),
    "a certificate of a machine": (
        Caller(door="tls gateway", certificate="build"),
        *("acme", None, [CERTIFICATE]),
    ),
    "a certificate and a placeholder": (
        Caller(door="tls gateway", certificate="ada", key="ada"),
        *("acme", "ada", [PLACEHOLDER, CERTIFICATE]),
    ),
    "a machine's certificate and a person's placeholder": (
        Caller(door="tls gateway", certificate="build", key="bob"),
        *("acme", "bob", [PLACEHOLDER, CERTIFICATE]),
    ),
    "TLS without a certificate": (Caller(door="tls gateway", key="ada"), "acme", "ada", [PLACEHOLDER]),
    "a balancer that forwards": (
        Caller(source=BALANCER, headers=told(x_forwarded_for=ADAS)),
        *("acme", "ada", [SESSION, NETWORK]),
    ),
    "a balancer that forwards what was forged": (
        Caller(source=BALANCER, headers=told(x_forwarded_for=f"{GLOBEX}, {ACME}")),
        *("acme", None, [NETWORK]),
    ),
    "a client that forges": (
        Caller(source=ACME, headers=told(x_forwarded_for=GLOBEX)),
        *("acme", None, [NETWORK]),
    ),
    "a balancer that forwards a tunnel": (
        Caller(door="proxy", source=BALANCER, headers=told(x_forwarded_for=ADAS)),
        *("acme", "ada", [SESSION, NETWORK]),
    ),
}

# What is shown, and then the reason and the rule.
REFUSED = {
    "nothing": (Caller(), "unidentified", "identity-required"),
    "a placeholder that is not known": (Caller(key=UNKNOWN_KEY), "placeholder_unknown", "placeholder-known"),
    "a placeholder on another's network": (
        Caller(key="ada", source=GLOBEX),
        *("identity_conflict", "sources-agree"),
    ),
    "a placeholder at another's address": (
        Caller(key="bob", source=ADAS),
        *("identity_conflict", "sources-agree"),
    ),
    "a placeholder outside its networks": (
        Caller(key="ada at home"),
        *("placeholder_misused", "placeholder-network"),
    ),
    "a placeholder of somebody stopped": (
        Caller(key="old"),
        *("placeholder_revoked", "placeholder-in-force"),
    ),
    "a token and another's placeholder": (
        Caller(key="bob", headers=told(x_conduit_identity=a_token())),
        *("identity_conflict", "sources-agree"),
    ),
    "a token on another's network": (
        Caller(bearer=a_token(), source=GLOBEX),
        *("identity_conflict", "sources-agree"),
    ),
    "a token and another tenant's placeholder": (
        Caller(key="eve", headers=told(x_conduit_identity=a_token())),
        *("identity_conflict", "sources-agree"),
    ),
    "two tokens of two people": (
        Caller(bearer=a_token("bob"), headers=told(x_conduit_identity=a_token())),
        *("identity_conflict", "sources-agree"),
    ),
    "a token that has expired": (Caller(bearer=a_token(exp=1)), "unidentified", "token-valid"),
    "a token of another key": (Caller(bearer=a_token(key=OTHER_KEY)), "unidentified", "token-valid"),
    "a bad token on a known network": (
        Caller(bearer=a_token(key=OTHER_KEY), source=ACME),
        *("unidentified", "token-valid"),
    ),
    "a token for another gateway": (
        Caller(headers=told(x_conduit_identity=a_token(aud="other")), key="ada"),
        *("unidentified", "token-valid"),
    ),
    "no token where one should be": (
        Caller(headers=told(x_conduit_identity="ada"), key="ada"),
        *("unidentified", "token-valid"),
    ),
    "a token of somebody stopped": (Caller(bearer=a_token("old")), "unidentified", "user-enabled"),
    "proxy credentials and another's placeholder": (
        Caller(door="proxy", proxy_user=("ada", "ada"), key="bob"),
        *("identity_conflict", "sources-agree"),
    ),
    "a certificate and another's placeholder": (
        Caller(door="tls gateway", certificate="ada", key="bob"),
        *("identity_conflict", "sources-agree"),
    ),
    "a certificate of a stranger": (
        Caller(door="tls gateway", certificate="stranger", key="ada"),
        *("unidentified", "certificate-valid"),
    ),
    "a certificate that has expired": (
        Caller(door="tls gateway", certificate="expired", key="ada"),
        *("unidentified", "certificate-valid"),
    ),
    "a certificate that names nobody": (
        Caller(door="tls gateway", certificate="unnamed", key="ada"),
        *("unidentified", "certificate-mapped"),
    ),
    "a balancer that forwards nonsense": (
        Caller(source=BALANCER, headers=told(x_forwarded_for="unknown"), key="ada"),
        *("request_malformed", "strict-head"),
    ),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("situation", NAMED)
async def test_the_event_names_tenant_user_and_sources(place: Office, situation):
    caller, tenant, user, sources = NAMED[situation]
    await place.call(caller)
    event = place.event()
    assert (event["tenant"], event.get("user"), event["identity_sources"]) == (tenant, user, sources)
    assert event["decision"] == "allow" or event["reason"] == "unvaulted_key"
    assert ("team" in event) == (user not in (None, "zoe"))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("situation", REFUSED)
async def test_the_event_says_why_nobody_is_named(place: Office, situation):
    caller, reason, rule = REFUSED[situation]
    answer = await place.call(caller)
    event = place.event()
    assert answer.headers["x-conduit-reason"] == event["reason"] == reason
    assert event["rule"] == rule
    assert event["id"] == answer.headers["x-conduit-request-id"]
    assert "identity_sources" not in event  # whose record it stands in; nothing established who called


def test_there_are_thirty_situations_and_more():
    assert len(NAMED) + len(REFUSED) >= 30
    assert OUTSIDE not in (ACME, ADAS, GLOBEX, BALANCER)
