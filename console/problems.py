"""Errors as answers: RFC 9457 problem documents for the API, a page for browsers.

One place maps every exception. What is not known becomes "internal" without detail, and its kind is logged.
"""

from collections.abc import Mapping
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect, Template
from loguru import logger

from console.errors import ConsoleError, NotSignedIn
from store import errors as store_errors
from store.checkpoint import CheckpointInvalid
from store.merkle import ProofInvalid
from vault.credential_kinds import InvalidCredential
from vault.errors import Sealed, Unopenable

PROBLEM_MEDIA_TYPE = "application/problem+json"

type AnyRequest = Request[Any, Any, Any]

# What the store says, in the words of HTTP.
STORE: Mapping[type[Exception], tuple[int, str]] = {
    store_errors.AlreadyExists: (409, "It exists already"),
    store_errors.MissingReference: (422, "The input refers to something that is not there"),
    store_errors.NotApproved: (409, "Another person has to approve this first"),
    store_errors.RecordHeld: (409, "The record is under a legal hold"),
    store_errors.NotFound: (404, "There is no such thing"),
    store_errors.OneTimeUseSpent: (410, "This link has been used or has expired"),
    store_errors.StoreUnavailable: (503, "The database is not answering; try again shortly"),
    Sealed: (503, "The vault is sealed"),
    CheckpointInvalid: (422, "The checkpoint is not one of this record's key"),
    ProofInvalid: (409, "The record does not lead to the checkpoint any more"),
    Unopenable: (410, "Its key has been destroyed"),
}


def answer(request: AnyRequest, error: Exception) -> Response[Any]:
    """The answer to any exception; registered for every kind in ``console.app``."""
    status, title, detail = describe(error)
    if status >= 500:
        logger.error("console: {} {} failed: {}", request.method, request.url.path, type(error).__name__)
    if request.url.path.startswith("/api/"):
        return _problem(status, title, detail, error)
    if isinstance(error, NotSignedIn):
        return _to_sign_in(request)
    return Template(
        "error.html",
        context={"title": title, "detail": detail},
        status_code=status,
        media_type=MediaType.HTML,
    )


def describe(error: Exception) -> tuple[int, str, str]:
    """Status, title and detail that may be shown to anybody."""
    if isinstance(error, ConsoleError):
        return error.status, error.title, error.detail
    # Their texts are written for who sent the input, and name no secret and nothing of the schema.
    if isinstance(error, InvalidCredential | store_errors.InvalidRecord):
        return 422, "The input is not valid", str(error)
    for kind, (status, title) in STORE.items():
        if isinstance(error, kind):
            return status, title, title
    if isinstance(error, ValidationException):
        return 422, "The input is not valid", "; ".join(_fields(error)) or "The input is not valid"
    if isinstance(error, HTTPException) and error.status_code < 500:
        return error.status_code, error.detail, error.detail
    return 500, "The console failed", "Nothing was changed. The operator's log has the cause."


def _fields(error: ValidationException) -> list[str]:
    """Which fields are wrong and why. The values are left out: one may be a secret in the wrong place."""
    found = error.extra if isinstance(error.extra, list) else []
    return [f"{item.get('key', 'body')}: {item.get('message', 'not valid')}" for item in found]


def _problem(status: int, title: str, detail: str, error: Exception) -> Response[dict[str, Any]]:
    headers = {"www-authenticate": 'Bearer realm="conduit"'} if isinstance(error, NotSignedIn) else {}
    return Response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status_code=status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers,
    )


def _to_sign_in(request: AnyRequest) -> Response[Any]:
    """Send a browser to the sign-in page; htmx swaps no fragment for it but loads the page."""
    if "hx-request" in request.headers:
        return Response(None, status_code=401, headers={"hx-redirect": "/sign-in"})
    return Redirect("/sign-in", status_code=303)
