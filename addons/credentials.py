"""Last before the wire: the placeholder becomes the real key, for the host that it is bound to only."""

from addons.step import Step
from addons.visit import Visit
from policy.attribution import misused
from policy.destination import Destination
from policy.exchange import Endpoint
from policy.refusals import Reason, Refusal
from vault.errors import VaultError
from vault.secret import Secret
from vault.vault import Vault

# Nothing of ours goes upstream, and no host needs to know who sits behind the proxy.
_OURS = ("x-conduit-", "proxy-", "x-forwarded-", "forwarded", "x-real-ip")


class Credentials(Step):
    """Writes the key into the request, in the place where the placeholder stood."""

    name = "credentials"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

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
            visit.secret = await self._open(visit, endpoint)
        except VaultError:
            return Refusal(
                Reason.DEGRADED, "The credential cannot be opened at the moment.", "credential-opens", 5
            )
        _swap(visit, visit.secret)
        return None

    async def _open(self, visit: Visit, endpoint: Endpoint) -> Secret:
        if visit.placeholder is None:
            raise TypeError("no credential is opened without a placeholder")
        tenant = visit.snapshot.tenants[visit.placeholder.tenant_id]
        credential = visit.snapshot.credentials[visit.placeholder.credential_id]
        await self._vault.unlock(tenant)
        return self._vault.open_credential(tenant, credential, host=endpoint.host)

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
    text = visit.query if key.place == "?key" else visit.headers[key.place]
    return text.count(key.text) == 1


def _swap(visit: Visit, secret: Secret) -> None:
    key, request = visit.placeholder_key, visit.flow.request
    if key is None:
        return
    with secret.revealed() as text:
        if key.place == "?key":
            request.path = request.path.replace(key.text, text)
        else:
            request.headers[key.place] = visit.headers[key.place].replace(key.text, text)
