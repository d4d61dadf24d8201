"""Last before the wire: the placeholder becomes the real key, for the host that it is bound to only."""

from addons.credential_health import CredentialHealth
from addons.step import Step
from addons.visit import Visit
from policy.attribution import misused
from policy.credential_pool import choose
from policy.destination import Destination
from policy.exchange import Endpoint
from policy.refusals import Reason, Refusal
from vault.credential_kinds import AwsAccessKey, StaticKey, parse
from vault.errors import Unopenable, VaultError
from vault.secret import Secret
from vault.sigv4 import REPLACED_HEADERS, sign
from vault.token_exchange import TokenExchange
from vault.vault import Vault

# Nothing of ours goes upstream, no host needs to know who sits behind the proxy, and none is told another
# method than the one that was judged.
_OURS = (
    *("x-conduit-", "proxy-", "x-forwarded-", "forwarded", "x-real-ip"),
    *("x-http-method", "x-method-override"),
)


class Credentials(Step):
    """Writes the key into the request, in the place where the placeholder stood."""

    name = "credentials"

    def __init__(self, vault: Vault, exchange: TokenExchange, health: CredentialHealth) -> None:
        self._vault = vault
        self._exchange = exchange
        self._health = health

    async def body(self, visit: Visit) -> Refusal | None:
        """Swap, or refuse; a call without a placeholder goes without any key of ours."""
        self._strip(visit)
        endpoint, destination = visit.exchange.endpoint, visit.destination
        if visit.placeholder is None or visit.placeholder_key is None or endpoint is None:
            return None
        if destination is None:
            raise TypeError("no key is given without a destination")
        refusal = self._place_allowed(visit, destination)
        if refusal is not None:
            return refusal
        try:
            visit.secret = await self._put(visit, endpoint)
        except VaultError:
            return Refusal(
                Reason.DEGRADED, "The credential cannot be opened at the moment.", "credential-opens", 5
            )
        return None

    async def _put(self, visit: Visit, endpoint: Endpoint) -> Secret:
        """Put what the credential makes into the request; what of it the answer must not echo."""
        if visit.placeholder is None:
            raise TypeError("no credential is opened without a placeholder")
        tenant = visit.snapshot.tenants[visit.placeholder.tenant_id]
        pool = visit.snapshot.credentials_of(visit.placeholder)
        credential = choose(pool, self._health.resting(pool), visit.exchange.id)
        if credential is None:
            raise Unopenable
        visit.credential, visit.exchange.credential_id = credential, credential.id
        self._health.given(credential)
        await self._vault.unlock(tenant)
        secret = self._vault.open_credential(tenant, credential, host=endpoint.host)
        with secret.revealed() as text:
            kind = parse(text)
        if isinstance(kind, StaticKey):
            _swap(visit, secret)
            return secret
        if isinstance(kind, AwsAccessKey):
            _sign(visit, kind, endpoint.host)
            return Secret(kind.secret_access_key)
        token = await self._exchange.token(credential.id, credential.version, kind)
        _bear(visit, token)
        return token

    def _place_allowed(self, visit: Visit, destination: Destination) -> Refusal | None:
        key = visit.placeholder_key
        if key is None or key.place not in visit.key_places or not _stands_plainly(visit):
            return misused("This provider does not read its key from that place.", "placeholder-place")
        if destination.scheme != "https":
            return misused("A placeholder is used over HTTPS only.", "placeholder-https")
        return None

    def _strip(self, visit: Visit) -> None:
        headers = visit.flow.request.headers
        for name in [name for name in visit.headers if name.startswith(_OURS)]:
            headers.pop(name, None)


def _stands_plainly(visit: Visit) -> bool:
    """Whether the placeholder stands in its place as it is, so that the key can stand there instead."""
    key = visit.placeholder_key
    if key is None:
        return False
    text = visit.query if key.place.startswith("?") else visit.headers[key.place]
    return text.count(key.text) == 1


def _swap(visit: Visit, secret: Secret) -> None:
    key, request = visit.placeholder_key, visit.flow.request
    if key is None:
        return
    with secret.revealed() as text:
        if key.place.startswith("?"):
            request.path = request.path.replace(key.text, text)
        else:
            request.headers[key.place] = visit.headers[key.place].replace(key.text, text)


def _sign(visit: Visit, key: AwsAccessKey, host: str) -> None:
    """Sign the request anew, as it goes out; what the client signed with its placeholder is taken away."""
    request = visit.flow.request
    made = sign(
        key,
        method=request.method,
        host=host,
        path=request.path,
        headers=visit.headers,
        body=request.raw_content or b"",
    )
    for name in REPLACED_HEADERS:
        request.headers.pop(name, None)
    request.headers.update(made)


def _bear(visit: Visit, token: Secret) -> None:
    """Send a token in the one place for tokens, and nothing where the placeholder stood."""
    key, request = visit.placeholder_key, visit.flow.request
    if key is None:
        return
    if key.place.startswith("?"):
        request.path = request.path.replace(key.text, "")
    else:
        request.headers.pop(key.place, None)
    with token.revealed() as text:
        request.headers["authorization"] = f"Bearer {text}"
