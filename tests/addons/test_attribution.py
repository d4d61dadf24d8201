"""What says who is calling, through the real doors: what goes upstream, what is asked, what is refused."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from addons import certificate_revocations, key_sets
from policy.exchange import IdentitySource
from policy.snapshot import SufficientSources
from tests.addons.identity import (
    ACME,
    ADAS,
    BALANCER,
    OTHER_KEY,
    OUTSIDE,
    SIGNING_KEY,
    Caller,
    Office,
    a_token,
    key_set,
    office,
)
from tests.standins.answers import Answer
from tests.standins.provider import StandIn


@pytest_asyncio.fixture
async def place(short_path: Path, valkey_url: str, provider: StandIn) -> AsyncIterator[Office]:
    async with office(short_path, valkey_url, provider) as started:
        yield started


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def say(place: Office, text: str, stop: bytes = b"\r\n\r\n") -> tuple[bytes, ...]:
    """Send some requests, each after the answer of the one before, on one connection to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.ports["proxy"])
    answers = []
    for request in text.split("\n---\n"):
        writer.write(request.replace("\n", "\r\n").encode())
        head = await reader.readuntil(stop)
        length = next(
            (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), b":0"
        )
        answers.append(head + await reader.readexactly(int(length.partition(b":")[2])))
    writer.close()
    return tuple(answers)


CONNECT = "CONNECT api.openai.com:443 HTTP/1.1\nhost: api.openai.com:443\n"


# What goes upstream


@pytest.mark.parametrize("door", ["gateway", "proxy"])
async def test_nothing_that_says_who_is_calling_goes_upstream(place: Office, door):
    token = a_token()
    headers = {
        "x-conduit-identity": token,
        "x-forwarded-for": "198.51.100.1",
        "forwarded": "for=198.51.100.1",
        "x-real-ip": "198.51.100.1",
        "proxy-authorization": basic("ada", place.keys["ada"]),
    }
    answer = await place.call(Caller(door=door, key="ada", headers=headers))
    seen = place.gateway.provider.wait_for(1)[-1]
    assert answer.status_code == 200
    assert not {name for name, _ in seen.headers} & headers.keys()
    assert token.encode() not in seen.everything
    assert b"198.51.100.1" not in seen.everything


async def test_an_identity_token_as_bearer_does_not_go_upstream(place: Office):
    await place.call(Caller(bearer=a_token(), headers={"x-api-key": place.keys["ada"]}, door="proxy"))
    await place.call(Caller(bearer=a_token(), door="plain proxy"))
    for seen in place.gateway.provider.seen:
        assert seen.header("authorization") is None


async def test_a_bearer_of_another_issuer_is_the_callers_own_key(place: Office):
    """A provider may take tokens of its own, or of the same issuer for another audience."""
    for token in (a_token(iss="https://other.example"), a_token(aud="provider")):
        answer = await place.call(Caller(bearer=token, source=ACME))
        assert answer.headers["x-conduit-reason"] == "unvaulted_key"
        assert place.event()["identity_sources"] == ["network"]


# Proxy credentials


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        (("ada", "sk-proj-cdt" + "0" * 32), b"placeholder_unknown"),
        (("ada", "letmein"), b"placeholder_unknown"),
        (("bob", "ada"), b"placeholder_unknown"),
        (("eve", "ada"), b"placeholder_unknown"),
        (("old", "old"), b"placeholder_revoked"),
    ],
)
async def test_wrong_credentials_are_challenged(place: Office, credentials, reason):
    user, key = credentials
    header = f"proxy-authorization: {basic(user, place.keys.get(key, key))}\n"
    (refused,) = await say(place, f"{CONNECT}{header}\n")
    assert refused.startswith(b"HTTP/1.1 407")
    assert b'proxy-authenticate: Basic realm="APIConduit"' in refused
    assert b"x-conduit-reason: " + reason in refused
    event = place.event()
    assert (event["kind"], event["decision"], event["status"]) == ("tunnel", "deny", 407)
    assert place.keys.get(key, key).encode() not in str(event).encode()


async def test_a_client_may_try_again_on_the_same_connection(place: Office):
    wrong, right = (f"proxy-authorization: {basic('ada', key)}\n" for key in ("wrong", place.keys["ada"]))
    refused, admitted = await say(place, f"{CONNECT}{wrong}\n\n---\n{CONNECT}{right}\n")
    assert (refused[:12], admitted[:12]) == (b"HTTP/1.1 407", b"HTTP/1.1 200")


async def test_what_a_refused_tunnel_said_does_not_stay(place: Office):
    """Neither its source nor its credentials are those of the next request on the connection."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", place.gateway.ports["proxy"], local_addr=(BALANCER, 0)
    )
    wrong = f"proxy-authorization: {basic('ada', 'wrong')}\r\nx-forwarded-for: {ADAS}\r\n"
    writer.write(f"{CONNECT}".replace("\n", "\r\n").encode() + wrong.encode() + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.partition(b":")[2]))
    writer.write(b"GET http://llm.example/v1/models HTTP/1.1\r\nhost: llm.example\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert not any(
        event.get("source_address") == ADAS and event["kind"] == "call" for event in place.gateway.events()
    )
    facts = next(iter(place.gateway.engine.chain._connections._open.values()))
    assert (facts.source, facts.proxy) == (None, None)
    writer.close()


async def test_without_credentials_nobody_is_challenged(place: Office):
    """Other sources may suffice; and what is no AI call needs none."""
    (admitted,) = await say(place, f"{CONNECT}\n")
    assert admitted.startswith(b"HTTP/1.1 200")
    (passed,) = await say(place, "GET http://bank.example/ HTTP/1.1\nhost: bank.example\n\n")
    assert passed.startswith(b"HTTP/1.1 200")


async def test_wrong_credentials_are_challenged_without_a_tunnel_too(place: Office):
    wrong = f"proxy-authorization: {basic('ada', 'wrong')}\n"
    (refused,) = await say(place, f"GET http://bank.example/ HTTP/1.1\nhost: bank.example\n{wrong}\n")
    assert refused.startswith(b"HTTP/1.1 407")
    assert b"proxy-authenticate" in refused
    assert place.gateway.provider.seen == []


@pytest.mark.parametrize("header", ["Basic %%%", "Basic /w==", "Basic"])
async def test_credentials_that_cannot_be_read_are_refused(place: Office, header):
    (refused,) = await say(place, f"{CONNECT}proxy-authorization: {header}\n\n")
    assert refused[9:12] in (b"400", b"407")


async def test_credentials_of_another_scheme_are_for_another_proxy(place: Office):
    (admitted,) = await say(place, f"{CONNECT}proxy-authorization: Negotiate abcd\n\n")
    assert admitted.startswith(b"HTTP/1.1 200")


async def test_a_tunnel_ends_with_the_placeholder_that_opened_it(place: Office):
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.ports["proxy"])
    header = f"proxy-authorization: {basic('ada', place.keys['ada'])}\r\n"
    writer.write(CONNECT.replace("\n", "\r\n").encode() + header.encode() + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await writer.start_tls(place.gateway.trusted(), server_hostname="api.openai.com")
    ask = b"GET /v1/models HTTP/1.1\r\nhost: api.openai.com\r\n\r\n"
    writer.write(ask)
    assert b"200" in await reader.readuntil(b"\r\n\r\n")
    assert place.event()["identity_sources"] == ["proxy_credentials"]
    revoked = [replace(item, revoked=True) for item in place.records["placeholders"]]
    place.change(placeholders=revoked)
    await reader.read(1 << 16)
    writer.write(ask)
    assert b"placeholder_revoked" in await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def test_an_undecrypted_tunnel_is_recorded_for_its_user(place: Office):
    header = f"proxy-authorization: {basic('ada', place.keys['ada'])}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.ports["proxy"])
    writer.write(f"CONNECT bank.example:443 HTTP/1.1\r\nhost: bank.example\r\n{header}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context(cafile=place.gateway.provider.authority.ca_file)
    await writer.start_tls(context, server_hostname="bank.example")
    writer.close()
    async with asyncio.timeout(5):
        while not place.gateway.events():
            await asyncio.sleep(0.01)
    event = place.event()
    assert (event["kind"], event["tenant"], event["user"]) == ("tunnel", "acme", "ada")
    assert event["identity_sources"] == ["proxy_credentials"]
    assert event["host"] == "bank.example"


# Forwarded-for


async def test_within_a_tunnel_a_client_cannot_say_where_it_is(place: Office):
    """The balancer forwards the tunnel for an address outside; what stands inside, the client wrote."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", place.gateway.ports["proxy"], local_addr=(BALANCER, 0)
    )
    writer.write(f"{CONNECT}x-forwarded-for: {OUTSIDE}\n\n".replace("\n", "\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    await writer.start_tls(place.gateway.trusted(), server_hostname="api.openai.com")
    writer.write(
        f"GET /v1/models HTTP/1.1\r\nhost: api.openai.com\r\nx-forwarded-for: {ACME}\r\n\r\n".encode()
    )
    assert b"unidentified" in await reader.readuntil(b"\r\n\r\n")
    assert place.event()["source_address"] == OUTSIDE
    writer.close()


# Certificates


async def test_a_client_that_has_a_certificate_is_not_asked_for_it_by_its_peers(place: Office):
    """Within a tunnel the TLS is the provider's, who asks for nothing: a browser would ask its user."""
    context = place.context("ada")
    proxy = f"http://localhost:{place.gateway.ports['proxy']}"
    async with httpx.AsyncClient(verify=context, proxy=proxy) as client:
        answer = await client.get("https://api.openai.com/v1/models")
    assert answer.headers["x-conduit-reason"] == "unidentified"


async def test_a_second_connection_shows_its_certificate_again(place: Office):
    for _ in range(2):
        answer = await place.call(Caller(door="tls gateway", certificate="ada"))
        assert "x-conduit-request-id" in answer.headers
        assert place.event()["identity_sources"] == ["certificate"]


async def test_a_certificate_ends_within_its_connection(place: Office, monkeypatch):
    context = place.context("ada")
    url = f"https://localhost:{place.gateway.ports['gateway']}/openai/v1/models"
    async with httpx.AsyncClient(verify=context) as client:
        assert (await client.get(url)).status_code == 200
        for facts in place.gateway.engine.chain._connections._open.values():
            facts.certificate = replace(
                facts.certificate, expires_at=place.gateway.snapshots.current.loaded_at
            )
        assert (await client.get(url)).headers["x-conduit-reason"] == "unidentified"


# Keys of issuers


async def test_a_key_set_is_fetched_once_for_many_calls(place: Office):
    for _ in range(3):
        await asyncio.gather(*(place.call(Caller(bearer=a_token())) for _ in range(5)))
    fetched = [seen for seen in place.gateway.provider.seen if seen.target == "/jwks"]
    assert len(fetched) == 1


async def test_without_its_keys_a_token_is_refused_as_degraded(short_path, valkey_url, provider):
    async with office(short_path, valkey_url, provider, keys=Answer.json(500, {})) as place:
        answer = await place.call(Caller(bearer=a_token()))
        assert (answer.status_code, answer.headers["x-conduit-reason"]) == (503, "degraded")
        assert place.event()["rule"] == "identity-keys"
        # Who shows no token needs no issuer.
        assert (await place.call(Caller(key="ada"))).status_code == 200


async def test_a_new_key_is_fetched_when_a_token_names_it(place: Office, monkeypatch):
    monkeypatch.setattr(key_sets, "ASKED_EVERY_S", 0.0)
    await place.call(Caller(bearer=a_token()))
    place.gateway.provider.forget()
    place.gateway.provider.play("localhost", Answer.json(200, key_set(SIGNING_KEY, OTHER_KEY)))
    new = Caller(bearer=a_token(key=OTHER_KEY, kid="k1"))
    assert (await place.call(new)).headers["x-conduit-reason"] == "degraded"
    async with asyncio.timeout(5):
        while (await place.call(new)).headers.get("x-conduit-reason") == "degraded":
            await asyncio.sleep(0.02)
    assert place.event()["identity_sources"] == ["token"]


# Revocation lists


async def test_a_revoked_certificate_is_refused_on_an_open_connection_too(
    short_path: Path, valkey_url, provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate_revocations, "LOOK_S", 0.02)
    path = short_path / "clients.crl"
    async with office(short_path, valkey_url, provider, client_crl_file=str(path)) as place:
        shown = place.context("ada")
        ada = place.clients_shown[-1]

        async def answered(client: httpx.AsyncClient) -> tuple[int, str | None]:
            url = f"https://localhost:{place.gateway.ports['gateway']}/openai/v1/chat/completions"
            answer = await client.post(url, json={"model": "gpt-4o-mini", "messages": [], "max_tokens": 5})
            return answer.status_code, answer.headers.get("x-conduit-reason")

        async def until(client: httpx.AsyncClient, *expected: str | None) -> None:
            async with asyncio.timeout(10):
                while (await answered(client))[1] not in expected:
                    await asyncio.sleep(0.02)

        async with httpx.AsyncClient(verify=shown, timeout=20) as client:
            assert await answered(client) == (503, "degraded")  # there is no list yet
            path.write_bytes(place.clients.revocation_list().public_bytes(Encoding.PEM))
            await until(client, None, "shadow_endpoint", "unvaulted_key")
            assert place.event()["identity_sources"] == ["certificate"]
            path.write_bytes(place.clients.revocation_list(ada).public_bytes(Encoding.PEM))
            await until(client, "unidentified")
            path.write_bytes(place.clients.revocation_list(hours=-1).public_bytes(Encoding.PEM))
            await until(client, "degraded")
            path.write_bytes(b"rubbish")
            await until(client, "degraded")
        told = [event for event in place.gateway.events() if event["kind"] == "incident"]
        assert told[0]["action"] == "certificate.revocations_unknown"
        # Who shows no certificate is not concerned.
        assert (await place.call(Caller(key="ada"))).status_code == 200


# Which sources suffice


async def test_a_tenant_may_declare_the_network_too_little(place: Office) -> None:
    assert (await place.call(Caller(source=ACME))).headers.get("x-conduit-reason") is None
    acme = place.gateway.snapshots.current.tenant_named("acme")
    rule = SufficientSources(acme.id, "*.openai.com", frozenset({IdentitySource.PLACEHOLDER}))
    place.change(sufficient=[rule])
    answer = await place.call(Caller(source=ACME))
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (401, "unidentified")
    assert (place.event()["rule"], place.event()["tenant"]) == ("identity-sufficient", "acme")
    assert (await place.call(Caller(key="ada", source=ACME))).status_code == 200
    assert (await place.call(Caller(key="eve"))).status_code == 200


async def test_a_network_alone_may_be_declared_too_little(short_path, valkey_url, provider):
    rules = [
        {"tenant": "acme", "hosts": ["*.anthropic.com"], "sources": ["network"]},
        {"tenant": "ACME", "sources": ["placeholder", "session"]},
    ]
    async with office(short_path, valkey_url, provider, sufficiency=rules) as place:
        answer = await place.call(Caller(source=ACME))
        assert (answer.status_code, answer.headers["x-conduit-reason"]) == (401, "unidentified")
        assert (place.event()["rule"], place.event()["tenant"]) == ("identity-sufficient", "acme")
        assert (await place.call(Caller(key="ada", source=ACME))).status_code == 200
        assert (await place.call(Caller(key="eve"))).status_code == 200
        assert (await place.call(Caller(source=ADAS))).headers.get("x-conduit-reason") is None


async def test_a_decoy_in_proxy_credentials_raises_the_alarm_too(place: Office):
    policy = place.gateway.snapshots.current
    decoys = [replace(each, honeytoken=True) for each in policy.placeholders.values()]
    place.gateway.snapshots.current = replace(policy, placeholders={each.digest: each for each in decoys})
    (refused,) = await say(place, f"{CONNECT}proxy-authorization: {basic('ada', place.keys['ada'])}\n\n")
    assert b"407" in refused or b"401" in refused
    told = next(event for event in place.gateway.events() if event["kind"] == "incident")
    assert (told["action"], told["severity"]) == ("honeytoken.used", "alarm")
    assert told["detail"]["placeholder_id"] in {str(each.id) for each in decoys}
    assert told["detail"]["source_address"] == "127.0.0.1"
