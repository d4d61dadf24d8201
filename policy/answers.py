"""A refusal as the called provider would write it, so that its SDK raises its natural exception.

Error shapes: OpenAI "Error codes", Anthropic "Errors", Google AIP-193 and google.rpc.Code, Amazon Bedrock
"Common errors"; a problem document (RFC 9457) elsewhere, and a page where a browser asks. What is written is
the refusal's own sentence, its code and the request's id, nothing else.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from policy import coaching
from policy.amazon_events import MEDIA_TYPE, exception_message
from policy.branding import Branding
from policy.exchange import Shape
from policy.refusals import Reason, Refusal
from policy.session_messages import Dialect

# The SDKs obey Retry-After up to this many seconds; a longer wait is for the caller to plan.
RETRY_AFTER_MAX = 60

_TYPES_OPENAI = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_TYPES_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_STATUSES_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES_AMAZON = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    413: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_EXCEPTIONS_AMAZON = {
    400: "validationException",
    403: "validationException",
    429: "throttlingException",
    503: "serviceUnavailableException",
}
_TITLES = {
    Reason.UNIDENTIFIED: "Who is calling is not known",
    Reason.PLACEHOLDER_UNKNOWN: "This placeholder is not known",
    Reason.PLACEHOLDER_REVOKED: "This placeholder was revoked",
    Reason.PLACEHOLDER_EXPIRED: "This placeholder has expired",
    Reason.PLACEHOLDER_MISUSED: "This placeholder is for something else",
    Reason.IDENTITY_CONFLICT: "Two identities disagree",
    Reason.UNVAULTED_KEY: "This key is not managed by your organisation",
    Reason.SHADOW_ENDPOINT: "This AI service is not sanctioned",
    Reason.COACHED: "A reason is needed for this AI service",
    Reason.MODEL_DENIED: "This model is not allowed",
    Reason.REGION_DENIED: "This region is not allowed",
    Reason.CONTENT_BLOCKED: "This content may not leave",
    Reason.UNPRICED_MODEL: "The price of this model is not known",
    Reason.RATE_LIMITED: "Too many requests",
    Reason.TOKENS_LIMITED: "Too many tokens",
    Reason.CONCURRENCY_LIMITED: "Too many requests at once",
    Reason.BUDGET_EXHAUSTED: "The budget is used up",
    Reason.REQUEST_MALFORMED: "This request cannot be read",
    Reason.REQUEST_TOO_LARGE: "This request is too large",
    Reason.DEGRADED: "The gateway is not ready to decide",
    Reason.UPSTREAM_UNREACHABLE: "The provider cannot be reached",
    Reason.UPSTREAM_TIMEOUT: "The provider did not answer in time",
    Reason.INTERNAL: "The gateway failed",
}
_SHAPES_BY_PROVIDER = {"anthropic": Shape.ANTHROPIC_MESSAGES, "google": Shape.GEMINI}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.125rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.75rem; line-height: 1.2; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; font-size: .95rem; }}
label {{ display: block; font-weight: 600; }}
textarea {{ box-sizing: border-box; width: 100%; font: inherit; padding: .5rem; }}
button {{ font: inherit; padding: .5rem 1.25rem; margin: .75rem 0 1.5rem; }}
header {{ display: flex; align-items: center; gap: .75rem; padding: 1rem 0; }}
dd {{ margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }}
</style>
</head>
<body>
{banner}<main>
<h1>{title}</h1>
<p>{message}</p>
{form}<dl>
<dt>Code</dt><dd>{code}</dd>
<dt>Request</dt><dd>{request_id}</dd>
</dl>
</main>
</body>
</html>
"""
# No more than the browser's own controls: reachable by keyboard, named for screen readers.
_FORM = """{advice}<form method="post" action="{action}">
{problem}<label for="reason">Reason</label>
<p id="hint">One sentence. It is recorded with your name or address, and holds for {hours}.</p>
<textarea id="reason" name="reason" rows="3" maxlength="{length_max}" required aria-describedby="{described}"
{invalid}></textarea>
<input type="hidden" name="ticket" value="{ticket}">
<button type="submit" style="background:{colour};color:{ink};border:1px solid {ink}">
Continue for this reason</button>
</form>
"""
_PROBLEM = """<p id="problem" role="alert"><strong>{text}</strong></p>
"""
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_FORM_POLICY = f"{_PAGE_POLICY}; form-action 'self'; img-src data:"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. Header names are lower case; the length is left to the transport."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def render(
    refusal: Refusal, shape: Shape, *, provider: str | None, request_id: str, wants_html: bool
) -> Answer:
    """Write ``refusal`` for whoever called ``provider`` in ``shape``."""
    headers = [
        ("x-conduit-request-id", request_id),
        ("x-conduit-reason", refusal.reason.value),
        ("cache-control", "no-store"),
        *_retrying(refusal),
    ]
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers.append(("www-authenticate", 'Bearer realm="conduit"'))
    if wants_html:
        headers += _page_headers(_PAGE_POLICY)
        return Answer(refusal.status, tuple(headers), _page(refusal, request_id))
    if provider == "aws" and shape is Shape.OTHER:
        kind = _TYPES_AMAZON.get(refusal.status, "InternalServerException")
        headers += [("content-type", "application/json"), ("x-amzn-errortype", kind)]
        return Answer(refusal.status, tuple(headers), _json({"message": _sentence(refusal)}))
    if shape is Shape.OTHER:
        shape = _SHAPES_BY_PROVIDER.get(
            provider or "", Shape.OTHER if provider is None else Shape.OPENAI_CHAT
        )
    problem = shape is Shape.OTHER
    headers.append(("content-type", "application/problem+json" if problem else "application/json"))
    return Answer(refusal.status, tuple(headers), _json(_error(refusal, shape, request_id)))


def coaching_page(
    host: str, *, branding: Branding, ticket: str, request_id: str, problem: str = ""
) -> Answer:
    """The page on which a browser's user states why ``host`` is to be used; see ``policy.coaching``.

    ``problem`` is what was wrong with the last attempt, read out at once.
    """
    message = f"Your organisation asks why you use {host}. State a reason, and you can go on."
    form = _FORM.format(
        action=escape(coaching.PATH),
        advice=_advice(branding),
        problem=_PROBLEM.format(text=escape(problem)) if problem else "",
        hours=f"{branding.hours} hours" if branding.hours > 1 else "one hour",
        length_max=coaching.REASON_LENGTH_MAX,
        described="problem hint" if problem else "hint",
        invalid='aria-invalid="true"' if problem else "",
        ticket=escape(ticket),
        colour=branding.colour,
        ink=branding.ink,
    )
    refusal = Refusal(Reason.COACHED, message, "endpoint-state")
    headers = [
        ("x-conduit-request-id", request_id),
        ("x-conduit-reason", refusal.reason.value),
        ("cache-control", "no-store"),
        *_page_headers(_FORM_POLICY),
    ]
    return Answer(refusal.status, tuple(headers), _page(refusal, request_id, form, _banner(branding)))


def _banner(branding: Branding) -> str:
    """Whose page it is; nothing where nobody has said."""
    if not branding.name and not branding.logo:
        return ""
    logo = f'<img src="{branding.logo_url}" alt="" height="40">' if branding.logo else ""
    style = f"border-top:.5rem solid {branding.colour}"
    return f'<header style="{style}">{logo}<strong>{escape(branding.name)}</strong></header>\n'


def _advice(branding: Branding) -> str:
    parts = (("Use instead", branding.alternative), ("Questions", branding.contact))
    return "".join(f"<p><strong>{title}:</strong> {_linked(text)}</p>\n" for title, text in parts if text)


# An address of a page or a mailbox, without what ends the sentence behind it.
_LINK = re.compile(r"https://[^\s<>\"']*[^\s<>\"'.,;:!?)]|[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", re.ASCII)


def _linked(text: str) -> str:
    """A tenant's words for a page, its addresses as links."""
    found: list[str] = []
    end = 0
    for match in _LINK.finditer(text):
        address = match.group()
        target = escape(address if address.startswith("https://") else f"mailto:{address}")
        found += (escape(text[end : match.start()]), f'<a href="{target}">{escape(address)}</a>')
        end = match.end()
    return "".join((*found, escape(text[end:])))


def stream_ending(
    refusal: Refusal, shape: Shape, request_id: str, content_type: str = "text/event-stream"
) -> bytes:
    """The last bytes of a stream that is cut: the error event at which the shape's SDK raises.

    It must follow a whole event. ``content_type`` is the answer's: Gemini streams a JSON array where it
    was not asked for events, and others lines of JSON.
    """
    error = _json(_error(refusal, shape, request_id))
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MEDIA_TYPE:
        kind = _EXCEPTIONS_AMAZON.get(refusal.status, "internalServerException")
        return exception_message(kind, {"message": _sentence(refusal), "request_id": request_id})
    if media_type.endswith("json"):
        return b"," + error + b"]" if shape is Shape.GEMINI else error + b"\n"
    if shape is Shape.OPENAI_RESPONSES:
        # The event type of the API, and the field at which the SDK raises.
        fields = _openai(refusal, request_id)["error"]
        event = {"type": "error", **fields, "sequence_number": 0, "error": fields}
        return b"event: error\ndata: " + _json(event) + b"\n\n"
    if shape in (Shape.ANTHROPIC_MESSAGES, Shape.OTHER):
        return b"event: error\ndata: " + error + b"\n\n"
    return b"data: " + error + b"\n\n"


def session_ending(refusal: Refusal, dialect: Dialect, request_id: str) -> str | None:
    """The last message of a WebSocket session that is ended: the error event of its protocol, if it has one.

    The close frame that follows it says so once more (``close_reason``); at that the SDKs raise.
    """
    fields = _openai(refusal, request_id)["error"]
    if dialect is Dialect.REALTIME:
        error = {**fields, "event_id": None}
        return _json({"type": "error", "event_id": f"event_{request_id}", "error": error}).decode()
    if dialect is Dialect.RESPONSES:
        return _json({"type": "error", "status": refusal.status, "error": fields}).decode()
    return None


def close_reason(refusal: Refusal) -> str:
    """The text of a close frame: the code, then as much of the sentence as 123 bytes hold."""
    return f"conduit: {refusal.reason.value}: {refusal.message}".encode()[:123].decode("utf-8", "ignore")


def _retrying(refusal: Refusal) -> list[tuple[str, str]]:
    """What the SDKs act on: they retry 429 and 5xx by themselves unless told otherwise."""
    after = refusal.retry_after_s
    headers = [] if after is None else [("retry-after", str(max(after, 0)))]
    never = not refusal.retryable or (refusal.status == HTTPStatus.TOO_MANY_REQUESTS and after is None)
    if never or (after is not None and after > RETRY_AFTER_MAX):
        headers.append(("x-should-retry", "false"))
    return headers


def _error(refusal: Refusal, shape: Shape, request_id: str) -> Mapping[str, object]:
    if shape is Shape.ANTHROPIC_MESSAGES:
        return _anthropic(refusal, request_id)
    if shape is Shape.GEMINI:
        return _google(refusal, request_id)
    if shape is Shape.OTHER:
        return _problem(refusal, request_id)
    return _openai(refusal, request_id)


def _openai(refusal: Refusal, request_id: str) -> dict[str, dict[str, object]]:
    kind = _TYPES_OPENAI.get(refusal.status, "server_error")
    if refusal.reason is Reason.BUDGET_EXHAUSTED:
        kind = "insufficient_quota"
    return {
        "error": {
            "message": _sentence(refusal),
            "type": kind,
            "param": None,
            "code": refusal.reason.value,
            "request_id": request_id,
        }
    }


def _anthropic(refusal: Refusal, request_id: str) -> dict[str, object]:
    kind = _TYPES_ANTHROPIC.get(refusal.status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": _sentence(refusal)},
        "request_id": request_id,
    }


def _google(refusal: Refusal, request_id: str) -> dict[str, object]:
    details: list[dict[str, object]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": refusal.reason.value.upper(),
            "domain": "conduit",
            "metadata": {"request_id": request_id},
        }
    ]
    if refusal.retry_after_s is not None:
        delay = f"{max(refusal.retry_after_s, 0)}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return {
        "error": {
            "code": refusal.status,
            "message": _sentence(refusal),
            "status": _STATUSES_GOOGLE.get(refusal.status, "UNKNOWN"),
            "details": details,
        }
    }


def _problem(refusal: Refusal, request_id: str) -> dict[str, object]:
    return {
        "type": "about:blank",
        "title": _TITLES[refusal.reason],
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.reason.value,
        "request_id": request_id,
    }


def _sentence(refusal: Refusal) -> str:
    return f"{refusal.message} (conduit: {refusal.reason.value})"


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _page_headers(policy: str) -> list[tuple[str, str]]:
    return [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
    ]


def _page(refusal: Refusal, request_id: str, form: str = "", banner: str = "") -> bytes:
    """``form`` and ``banner`` are markup of ours, everything in them escaped already."""
    return _PAGE.format(
        form=form,
        banner=banner,
        title=escape(_TITLES[refusal.reason]),
        message=escape(refusal.message),
        code=escape(refusal.reason.value),
        request_id=escape(request_id),
    ).encode()
