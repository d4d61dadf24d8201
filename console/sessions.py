"""The session's cookie, and who it says is asking: on every request, from the database.

The cookie holds a random token and nothing else. Revoking the row ends the session at the next request.
"""

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult

from console.api_tokens import PREFIX
from console.errors import NotSignedIn
from console.forgery import bearer
from console.people import person_of
from console.services import services_of
from store.acts import Actor

type Connection = ASGIConnection[Any, Any, Any, Any]

# Browsers hold a `__Host-` cookie to TLS, to this very host and to the path `/` (RFC 6265bis, 4.1.3.2).
SECURE_NAME = "__Host-conduit"
PLAIN_NAME = "conduit"

# What an open page asks without its reader doing anything.
BY_ITSELF = frozenset({"/live", "/panels"})


def cookie_name(*, secure: bool) -> str:
    return SECURE_NAME if secure else PLAIN_NAME


def session_cookie(token: str | None, *, secure: bool) -> Cookie:
    """The cookie that carries a session, or ends it for ``None``. It ends with the browser, too."""
    return Cookie(
        key=cookie_name(secure=secure),
        value=token or "",
        max_age=None if token else 0,
        path="/",
        httponly=True,
        secure=secure,
        samesite="strict",
    )


def token_of(connection: Connection) -> str | None:
    """The session token that the browser sent."""
    token = connection.cookies.get(cookie_name(secure=services_of(connection).secure))
    return token if token and not token.startswith(PREFIX) else None


def address_of(connection: Connection) -> IPv4Address | IPv6Address | None:
    """Where the request came from: the peer of the connection, never a header that anybody can write."""
    if connection.client is None:
        return None
    try:
        return ip_address(connection.client.host)
    except ValueError:
        return None


def actor_of(connection: Connection, *, via: str) -> Actor:
    """Who acts, as events name them; ``via`` is the door. Raises ``NotSignedIn``."""
    address = address_of(connection)
    return Actor(person_of(connection).name, via, None if address is None else str(address))


class Proof(StrEnum):
    """By what a request showed who is asking."""

    COOKIE = "cookie"
    TOKEN = "token"  # noqa: S105 - a kind of proof, not a secret


class Authentication(AbstractAuthenticationMiddleware):
    """Puts the signed-in person into the connection, or nobody; guards then decide.

    A bearer token counts alone where there is one: the forgery check has let the request through for it.
    """

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        services = services_of(connection)
        try:
            token = bearer(connection.headers)
            if token is not None:
                return AuthenticationResult(user=await services.tokens.person(token), auth=Proof.TOKEN)
            cookie = token_of(connection)
            if cookie is not None:
                used = connection.url.path not in BY_ITSELF
                return AuthenticationResult(
                    user=await services.sign_in.person(cookie, used=used), auth=Proof.COOKIE
                )
        except NotSignedIn:
            pass
        return AuthenticationResult(user=None, auth=None)
