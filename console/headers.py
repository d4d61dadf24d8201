"""Headers on every answer: what a browser may do with our pages, and a request id.

No inline script or style, no third-party origin, no framing, nothing cached but what anybody may read: the
static files, and the file that tells browsers of the proxy.
"""

from collections.abc import Awaitable, Callable

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope
from uuid_utils.compat import uuid7

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

# `same-origin`, not `no-referrer`: with the latter browsers send `Origin: null` with our own forms.
FIXED = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "server": "conduit",
}
# Two years, as hstspreload.org asks for.
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"
STATIC_CACHE = "public, max-age=3600"
# A new catalogue reaches browsers within this time; they ask again by themselves.
PROXY_FILES = ("/proxy.pac", "/wpad.dat")
PROXY_CACHE = "public, max-age=300"


def _cached(path: str) -> str:
    if path.startswith("/static/"):
        return STATIC_CACHE
    return PROXY_CACHE if path in PROXY_FILES else "no-store"


def before_send(*, secure: bool) -> Callable[[Message, Scope], Awaitable[None]]:
    """The hook that Litestar runs on every message out, errors included. ``secure``: served over TLS."""

    async def add_headers(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        for name, value in FIXED.items():
            headers[name] = value
        if secure:
            headers["strict-transport-security"] = STRICT_TRANSPORT
        headers["cache-control"] = _cached(scope["path"])
        headers["x-conduit-request-id"] = str(uuid7())

    return add_headers
