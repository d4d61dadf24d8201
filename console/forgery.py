"""Against forged requests: a form or script of ours sends a token along; a program with its own need not.

Litestar's double-submit check does the work. A browser never sends ``Authorization: Bearer`` by itself, so a
request that carries one cannot have been forged by a page, and is judged by that token alone.
"""

from litestar.config.csrf import CSRFConfig
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import Receive, Scope, Send


class ForgeryCheck(CSRFMiddleware):
    """The check, for every request but those with a bearer token."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and bearer(Headers.from_scope(scope)) is not None:
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def bearer(headers: Headers) -> str | None:
    """The bearer token of a request, RFC 6750."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def configuration(*, key: str, secure: bool, exclude: list[str]) -> CSRFConfig:
    return CSRFConfig(
        secret=key,
        cookie_name="__Host-conduit-form" if secure else "conduit-form",
        cookie_secure=secure,
        cookie_httponly=True,
        cookie_samesite="strict",
        exclude=exclude,
    )
