"""Coaching: a browser's user states a reason on a page, and may then use a coached endpoint for some hours.

The page posts to ``PATH`` on the endpoint's own host, which the gateway answers itself. What comes back is
a cookie for that host: a grant, signed, bound to tenant, caller and host, with its end and the reason in
it. A form carries a signed ticket of the same make, so that no other site can state a reason for somebody.
"""

import binascii
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

from policy.exchange import Client, Principal

PATH = "/.well-known/conduit-coaching"
COOKIE = "conduit-reason"
TICKET_S = 3600
REASON_LENGTH_MAX = 500
# What is carried round a cookie or a form; browsers keep cookies of up to 4,096 bytes.
SEALED_LENGTH_MAX = 3500
RETURN_LENGTH_MAX = 1000

# The vault's keyed digest: the same in every worker, unknown outside. Forms of placeholders never begin so.
Digest = Callable[[str], bytes]
_PURPOSE = "coaching "

Kind = Literal["grant", "ticket"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a grant or ticket is for; ``who`` is a user's id, or an address where no user is known."""

    tenant: str
    who: str
    host: str


def caller_of(principal: Principal, client: Client, host: str) -> Caller:
    """The caller, as far as it is known."""
    who = str(principal.user_id) if principal.user_id else f"address {client.address}"
    return Caller(str(principal.tenant_id), who, host)


def seal(kind: Kind, caller: Caller, text: str, expires_s: int, digest: Digest) -> str:
    """A signed token that says ``text`` until ``expires_s`` (seconds since 1970)."""
    stated = json.dumps([kind, caller.tenant, caller.who, caller.host, expires_s, text], ensure_ascii=False)
    body = urlsafe_b64encode(stated.encode()).decode()
    return f"{body}.{urlsafe_b64encode(digest(_PURPOSE + body)).decode()}"


def opened(token: str, kind: Kind, caller: Caller, now_s: float, digest: Digest) -> str | None:
    """What a token says, if it is ours, of this kind, for this caller and not over."""
    body, _, signature = token.partition(".")
    if len(token) > SEALED_LENGTH_MAX or not token.isascii():
        return None
    expected = urlsafe_b64encode(digest(_PURPOSE + body))
    if not hmac.compare_digest(signature.encode(), expected):
        return None
    try:
        stated = json.loads(urlsafe_b64decode(body))
    except (ValueError, binascii.Error):
        return None
    *bound, expires_s, text = stated
    if bound != [kind, caller.tenant, caller.who, caller.host] or now_s >= expires_s:
        return None
    return str(text)


def without_grant(cookies: Iterable[str]) -> tuple[str | None, str]:
    """The grant among the values of ``cookie`` headers, and the cookies that are the host's own."""
    pairs = [pair.strip() for value in cookies for pair in value.split(";") if pair.strip()]
    ours = [pair for pair in pairs if pair.partition("=")[0].strip() == COOKIE]
    grant = ours[0].partition("=")[2].strip() if ours else None
    return grant, "; ".join(pair for pair in pairs if pair not in ours)


def cookie(grant: str, *, lifetime_s: int, secure: bool) -> str:
    """The ``set-cookie`` value that hands a grant to the browser (RFC 6265)."""
    guard = "; Secure" if secure else ""
    return f"{COOKIE}={grant}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=Lax{guard}"


def read_form(body: bytes) -> tuple[str, str]:
    """Reason and ticket of a posted form; what is missing or unreadable is empty."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8)
    except ValueError:
        return "", ""
    reason = "".join(c if c.isprintable() else " " for c in fields.get("reason", [""])[0])
    return " ".join(reason.split())[:REASON_LENGTH_MAX], fields.get("ticket", [""])[0]


def return_path(target: str) -> str:
    """Where to go on afterwards: a path on the same host, or its root."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and target.isascii() and len(target) <= RETURN_LENGTH_MAX else "/"
