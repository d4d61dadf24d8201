"""Whose account a request or an answer names, where a product says so: told apart from the tenant's own.

What a request says is the client's word and not verified; it only ever counts against the caller. Names are
from references of the vendors (docs/discovery.md).
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from policy.accounts import Restriction
from policy.refusals import Reason, Refusal

# Longer is no token of a web session (RFC 7519 sets no bound; headers are bounded by the head anyway).
_TOKEN_LENGTH_MAX = 16 * 1024
# The claim of ChatGPT's access tokens that names the workspace.
_OPENAI_CLAIM = "https://api.openai.com/auth"
_CLAUDE_PATH = re.compile(
    r"/api/organizations/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$)", re.IGNORECASE
)
_ACCOUNT_LENGTH_MAX = 200


def named(product: str, path: str, headers: Mapping[str, str]) -> Iterator[str]:
    """The accounts that a request of the product names; header names are lower case."""
    if product == "chatgpt":
        yield from _present(headers.get("chatgpt-account-id"))
        yield from _present(_workspace(headers.get("authorization", "")))
    elif product == "claude":
        found = _CLAUDE_PATH.match(unquote(path))
        yield from _present(found.group(1) if found else None)
    elif product == "openai-api":
        yield from _present(headers.get("openai-organization"))


def answered(restriction: Restriction, headers: Mapping[str, str]) -> str | None:
    """The account that an answer of the product names; header names are lower case."""
    if not restriction.answer_header:
        return None
    return next(_present(headers.get(restriction.answer_header)), None)


def foreign(account: str, own: Sequence[str]) -> bool:
    """Whether an account is not among the tenant's own."""
    return account.casefold() not in {each.casefold() for each in own}


def private_account(restriction: Restriction) -> Refusal:
    """The refusal of a session with an account that is not the tenant's."""
    message = "This service is used with your organisation's account only; sign in with it."
    return Refusal(Reason.SHADOW_ENDPOINT, message, f"account-private:{restriction.product}")


def _present(account: str | None) -> Iterator[str]:
    if account and account.strip():
        yield account.strip()[:_ACCOUNT_LENGTH_MAX]


def _workspace(authorization: str) -> str | None:
    """The workspace in the claims of a bearer token; ``None`` for what is no such token."""
    scheme, _, token = authorization.partition(" ")
    parts = token.strip().split(".")
    if scheme.lower() != "bearer" or len(parts) != 3 or len(token) > _TOKEN_LENGTH_MAX:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    about = claims.get(_OPENAI_CLAIM) if isinstance(claims, dict) else None
    account = about.get("chatgpt_account_id") if isinstance(about, dict) else None
    return account if isinstance(account, str) else None
