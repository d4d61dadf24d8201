"""One exchange for all that wait, renewed ahead, sent to the provider's own address and nowhere else."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from uuid_utils.compat import uuid7

from policy.identifiers import CredentialId
from tests.builders import a_credential, a_tenant
from tests.vault.conftest import Clock
from vault.credential_kinds import EntraClient, GoogleServiceAccount
from vault.token_exchange import NoToken, TokenExchange

SECRET = "client-secret-canary"
ENTRA = EntraClient(type="entra_client", tenant_id="contoso.example", client_id="app", client_secret=SECRET)
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GOOGLE = GoogleServiceAccount(
    type="service_account",
    client_email="conduit@acme.iam.gserviceaccount.com",
    private_key_id="key-1",
    private_key=PRIVATE.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode(),
)


@dataclass
class Provider:
    """A token endpoint that answers as told and remembers what it was asked."""

    asked: list[httpx.Request] = field(default_factory=list)
    answer: Callable[[int], httpx.Response] = lambda count: httpx.Response(
        200, json={"access_token": f"token-{count}", "expires_in": 3600, "token_type": "Bearer"}
    )
    hold: asyncio.Event | None = None

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        count = len(self.asked)
        if self.hold is not None:
            await self.hold.wait()
        return self.answer(count)

    def form(self, at: int = -1) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.asked[at].content.decode()).items()}


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def exchange(provider: Provider, clock: Clock) -> TokenExchange:
    return TokenExchange(httpx.AsyncClient(transport=httpx.MockTransport(provider.handle)), clock=clock)


@pytest.fixture
def credential() -> CredentialId:
    return CredentialId(uuid7())


async def test_entra_is_asked_by_its_documentation(
    exchange: TokenExchange, provider: Provider, credential: CredentialId
) -> None:
    assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")
    assert str(provider.asked[0].url) == (
        "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    )
    assert provider.form() == {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": SECRET,
        "scope": "https://cognitiveservices.azure.com/.default",
    }


async def test_google_is_given_an_assertion_that_its_public_key_verifies(
    exchange: TokenExchange, provider: Provider, credential: CredentialId
) -> None:
    assert (await exchange.token(credential, 1, GOOGLE)).matches("token-1")
    assert str(provider.asked[0].url) == "https://oauth2.googleapis.com/token"
    assertion = provider.form()["assertion"]
    claims = jwt.decode(
        assertion, PRIVATE.public_key(), ["RS256"], audience="https://oauth2.googleapis.com/token"
    )
    assert claims["iss"] == GOOGLE.client_email
    assert claims["exp"] - claims["iat"] <= 3600
    assert jwt.get_unverified_header(assertion)["kid"] == "key-1"


async def test_calls_that_come_at_once_cause_one_exchange(
    exchange: TokenExchange, provider: Provider, credential: CredentialId
) -> None:
    tokens = await asyncio.gather(*(exchange.token(credential, 1, ENTRA) for _ in range(50)))
    assert len(provider.asked) == 1
    assert all(token.matches("token-1") for token in tokens)


async def test_a_caller_that_gives_up_does_not_take_it_from_the_others(
    exchange: TokenExchange, provider: Provider, credential: CredentialId
) -> None:
    provider.hold = asyncio.Event()
    hasty, patient = (asyncio.create_task(exchange.token(credential, 1, ENTRA)) for _ in range(2))
    while not provider.asked:
        await asyncio.sleep(0)
    hasty.cancel()
    provider.hold.set()
    assert (await patient).matches("token-1")
    assert len(provider.asked) == 1


async def test_a_caller_may_wipe_what_it_was_given(exchange: TokenExchange, credential: CredentialId) -> None:
    (await exchange.token(credential, 1, ENTRA)).wipe()
    assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")


async def test_a_token_is_renewed_ahead_while_the_old_one_serves(
    exchange: TokenExchange, provider: Provider, clock: Clock, credential: CredentialId
) -> None:
    await exchange.token(credential, 1, ENTRA)
    clock.now = 3299
    assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")
    assert len(provider.asked) == 1
    clock.now = 3300
    assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")
    while not (await exchange.token(credential, 1, ENTRA)).matches("token-2"):
        await asyncio.sleep(0)
    assert len(provider.asked) == 2


async def test_an_ended_token_is_never_handed_out(
    exchange: TokenExchange, provider: Provider, clock: Clock, credential: CredentialId
) -> None:
    await exchange.token(credential, 1, ENTRA)
    clock.now = 3600
    assert (await exchange.token(credential, 1, ENTRA)).matches("token-2")
    provider.answer = lambda _count: httpx.Response(503)
    clock.now = 7200
    with pytest.raises(NoToken):
        await exchange.token(credential, 1, ENTRA)


async def test_a_failed_renewal_leaves_the_token_until_its_end(
    exchange: TokenExchange, provider: Provider, clock: Clock, credential: CredentialId
) -> None:
    await exchange.token(credential, 1, ENTRA)
    provider.answer = lambda _count: httpx.Response(500)
    clock.now = 3400
    while len(provider.asked) < 2:
        assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
        assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")
    assert len(provider.asked) == 2


async def test_a_rotated_credential_gets_a_token_of_its_own(
    exchange: TokenExchange, credential: CredentialId
) -> None:
    assert (await exchange.token(credential, 1, ENTRA)).matches("token-1")
    assert (await exchange.token(credential, 2, ENTRA)).matches("token-2")
    other = CredentialId(uuid7())
    assert (await exchange.token(other, 1, ENTRA)).matches("token-3")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": "invalid_client", "error_description": f"bad {SECRET}"}),
        httpx.Response(302, headers={"location": "https://evil.example/token"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"access_token": "two words", "expires_in": 3600}),
        httpx.Response(200, json={"access_token": "a\r\nb", "expires_in": 3600}),
        httpx.Response(200, json={"access_token": "", "expires_in": 3600}),
        httpx.Response(200, json={"access_token": "token"}),
        httpx.Response(200, json={"access_token": "token", "expires_in": 0}),
        httpx.Response(200, json={"access_token": "token", "expires_in": True}),
        httpx.Response(200, json={"access_token": "token", "expires_in": 10**9}),
        httpx.Response(200, json={"access_token": "t" * 70_000, "expires_in": 3600}),
    ],
)
async def test_anything_but_a_token_is_an_error_that_repeats_nothing(
    exchange: TokenExchange, provider: Provider, credential: CredentialId, answer: httpx.Response
) -> None:
    provider.answer = lambda _count: answer
    with pytest.raises(NoToken) as raised:
        await exchange.token(credential, 1, ENTRA)
    assert SECRET not in str(raised.value)
    assert len(provider.asked) == 1


async def test_a_provider_that_is_away_is_no_token(clock: Clock, credential: CredentialId) -> None:
    async def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    exchange = TokenExchange(httpx.AsyncClient(transport=httpx.MockTransport(refuse)), clock=clock)
    with pytest.raises(NoToken, match=r"login\.microsoftonline\.com"):
        await exchange.token(credential, 1, ENTRA)


async def test_a_key_that_cannot_sign_is_no_token(exchange: TokenExchange, credential: CredentialId) -> None:
    broken = GOOGLE.model_copy(update={"private_key": "-----BEGIN PRIVATE KEY-----\nx\n"})
    with pytest.raises(NoToken, match="private key"):
        await exchange.token(credential, 1, broken)


def test_a_client_that_follows_redirects_is_refused() -> None:
    with pytest.raises(ValueError, match="redirects"):
        TokenExchange(httpx.AsyncClient(follow_redirects=True))


@pytest.mark.parametrize("changed", [{"revoked": True}, {"version": 2}, None], ids=str)
async def test_a_token_is_wiped_when_its_credential_is_gone_revoked_or_rotated(
    exchange: TokenExchange, provider: Provider, changed: dict[str, Any] | None
) -> None:
    live = a_credential(a_tenant())
    await exchange.token(live.id, live.version, ENTRA)
    exchange.keep_only({live.id: live})
    await exchange.token(live.id, live.version, ENTRA)
    assert len(provider.asked) == 1
    exchange.keep_only({live.id: replace(live, **changed)} if changed else {})
    await exchange.token(live.id, live.version, ENTRA)
    assert len(provider.asked) == 2
