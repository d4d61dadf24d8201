"""The HTTPS client with which we ask providers ourselves, under the operator's rules for upstreams."""

import ssl

import httpx

from addons.configuration import Upstreams

# For a token: within the time that a step of the chain may take (2 s by default).
TIMEOUT_S = 1.5


def token_client(upstreams: Upstreams, *, timeout_s: float = TIMEOUT_S) -> httpx.AsyncClient:
    """Trusts what upstreams are trusted by, resolves as they are, follows no redirect, uses no proxy."""

    async def resolve(request: httpx.Request) -> None:
        """As curl's ``--resolve``: dial the address, keep the host's name for TLS."""
        host, port = request.url.host, request.url.port or 443
        chosen = upstreams.resolve.get((host, port))
        if chosen is not None:
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=chosen[0], port=chosen[1])

    return httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=str(upstreams.ca_bundle)),
        timeout=timeout_s,
        follow_redirects=False,
        # Connections are kept by the address that was dialled: one would serve another host of that address,
        # under the first one's certificate.
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
        event_hooks={"request": [resolve]},
    )
