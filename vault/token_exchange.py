"""Short-lived tokens in exchange for what a tenant keeps here: Google service accounts, Entra applications.

A token is renewed before it ends and in the background, so that no call waits for it but the first; calls
that come at once cause one exchange. Tokens are held in memory alone.

    Google  RFC 7523 assertion, RS256    https://developers.google.com/identity/protocols/oauth2/service-account
    Entra   RFC 6749, 4.4                https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from loguru import logger

from policy.identifiers import CredentialId
from policy.snapshot import Credential
from vault.credential_kinds import GOOGLE_TOKEN_URI, Exchanged, GoogleServiceAccount
from vault.errors import VaultError
from vault.secret import Secret

GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
ENTRA_AUTHORITY = "https://login.microsoftonline.com"

ASSERTION_LIFE_S = 300
TOKEN_LIFE_S_MAX = 86_400
# Tokens live for an hour; both providers advise to renew some minutes ahead.
RENEW_AHEAD_S = 300.0
RETRY_S = 10.0
ANSWER_BYTES_MAX = 64 * 1024

# What may stand in a header: RFC 6750, 2.1, and a little more.
_TOKEN = re.compile(r"[!-~]+")


class NoToken(VaultError):
    """The provider gave no token: it refused, did not answer, or answered nonsense."""


@dataclass(slots=True)
class _Held:
    token: Secret
    renew_at: float
    ends_at: float


class TokenExchange:
    """Keeps one token for each version of a credential. ``clock`` gives seconds that only grow.

    ``client`` must not follow redirects: an assertion goes to the provider's own address and nowhere else.
    """

    def __init__(self, client: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        if client.follow_redirects:
            raise ValueError("a client that follows redirects would carry an assertion elsewhere")
        self._client = client
        self._clock = clock
        self._held: dict[tuple[CredentialId, int], _Held] = {}
        self._asking: dict[tuple[CredentialId, int], asyncio.Task[_Held]] = {}

    async def token(self, credential_id: CredentialId, version: int, kind: Exchanged) -> Secret:
        """A token that has not ended, as a copy that the caller may wipe; raises ``NoToken``."""
        which = (credential_id, version)
        held, now = self._held.get(which), self._clock()
        if held is None or now >= held.ends_at:
            held = await asyncio.shield(self._ask(which, kind))
        elif now >= held.renew_at:
            held.renew_at = now + RETRY_S
            self._ask(which, kind).add_done_callback(_tell_failure)
        with held.token.revealed() as text:
            return Secret(text)

    def keep_only(self, credentials: Mapping[CredentialId, Credential]) -> None:
        """Wipe the tokens of credentials that are gone, revoked or of a later version, and ended tokens."""
        now = self._clock()
        for which, held in list(self._held.items()):
            credential = credentials.get(which[0])
            live = credential is not None and not credential.revoked and credential.version <= which[1]
            if not live or now >= held.ends_at:
                held.token.wipe()
                del self._held[which]

    def _ask(self, which: tuple[CredentialId, int], kind: Exchanged) -> asyncio.Task[_Held]:
        asking = self._asking.get(which)
        if asking is None:
            asking = self._asking[which] = asyncio.create_task(self._exchange(which, kind))
            asking.add_done_callback(lambda _done: self._asking.pop(which, None))
        return asking

    async def _exchange(self, which: tuple[CredentialId, int], kind: Exchanged) -> _Held:
        address, form = await asyncio.to_thread(_request, kind)
        try:
            answer = await self._client.post(address, data=form)
            found: Any = answer.json() if len(answer.content) <= ANSWER_BYTES_MAX else None
        except (httpx.HTTPError, ValueError) as error:
            raise NoToken(f"no token from {address.split('/')[2]}: {type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            code = found.get("error") if isinstance(found, dict) else None
            raise NoToken(f"{address.split('/')[2]} refuses a token: {answer.status_code} {_word(code)}")
        held = self._held[which] = self._read(found)
        self._forget_earlier(which)
        return held

    def _read(self, found: object) -> _Held:
        if not isinstance(found, dict):
            raise NoToken("the answer is not an object")
        token, life = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise NoToken("the answer holds no token")
        if not isinstance(life, int) or isinstance(life, bool) or not 0 < life <= TOKEN_LIFE_S_MAX:
            raise NoToken("the answer does not say how long the token lives")
        now = self._clock()
        return _Held(Secret(token), now + life - min(RENEW_AHEAD_S, life / 2), now + life)

    def _forget_earlier(self, which: tuple[CredentialId, int]) -> None:
        credential, version = which
        for known in [key for key in self._held if key[0] == credential and key[1] < version]:
            del self._held[known]


def _request(kind: Exchanged) -> tuple[str, dict[str, str]]:
    """Where to send what; signs, so not for an event loop."""
    if isinstance(kind, GoogleServiceAccount):
        return GOOGLE_TOKEN_URI, {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": _assertion(kind),
        }
    return f"{ENTRA_AUTHORITY}/{kind.tenant_id}/oauth2/v2.0/token", {
        "grant_type": "client_credentials",
        "client_id": kind.client_id,
        "client_secret": kind.client_secret,
        "scope": ENTRA_SCOPE,
    }


def _assertion(account: GoogleServiceAccount) -> str:
    now = int(time.time())
    claims = {
        "iss": account.client_email,
        "scope": GOOGLE_SCOPE,
        "aud": GOOGLE_TOKEN_URI,
        "iat": now,
        "exp": now + ASSERTION_LIFE_S,
    }
    try:
        return jwt.encode(claims, account.private_key, "RS256", headers={"kid": account.private_key_id})
    except (ValueError, TypeError, jwt.PyJWTError):
        raise NoToken("the private key of the service account cannot be used") from None


def _tell_failure(renewed: "asyncio.Task[_Held]") -> None:
    if not renewed.cancelled() and (error := renewed.exception()) is not None:
        logger.warning("a token was not renewed, and is asked for again soon: {}", error)


def _word(code: object) -> str:
    """An OAuth error code as RFC 6749 allows it; nothing else of the answer is repeated."""
    return code if isinstance(code, str) and code.replace("_", "").isalnum() and len(code) < 64 else ""
