"""How a refusal is answered: in the shape of the called provider, with what the caller needs to know."""

from mitmproxy import http
from uuid_utils.compat import uuid7

from addons.visit import Visit
from policy.answers import Answer, render
from policy.exchange import Shape
from policy.refusals import Reason, Refusal

REQUEST_ID = "x-conduit-request-id"

# The proxy takes a user's name and a placeholder of that user (RFC 7617).
_CHALLENGE = 'Basic realm="APIConduit", charset="UTF-8"'


def refuse(visit: Visit, refusal: Refusal) -> None:
    """Set the answer of a refused exchange."""
    visit.exchange.refusal = refusal
    answer = _answer(visit, refusal)
    visit.exchange.status = answer.status
    visit.flow.response = _response(answer, refusal)
    for name, value in visit.rate_headers:
        visit.flow.response.headers[name] = value


def _answer(visit: Visit, refusal: Refusal) -> Answer:
    if visit.page is not None and refusal.reason is Reason.COACHED:
        return visit.page
    return render(
        refusal,
        visit.shape,
        provider=visit.provider,
        request_id=str(visit.exchange.id),
        wants_html=wants_html(visit.headers.get("accept", "")),
    )


def refuse_without_exchange(refusal: Refusal) -> http.Response:
    """The answer where there is no exchange yet, such as to an unreadable head or a CONNECT."""
    request_id = str(uuid7())
    answer = render(refusal, Shape.OTHER, provider=None, request_id=request_id, wants_html=False)
    return _response(answer, refusal)


def core_refusal(status: int, _message: str) -> http.Response:
    """The answer to what the proxy core refuses by itself; its message may quote bytes, so it ends here."""
    if status == 413:
        refusal = Refusal(Reason.REQUEST_TOO_LARGE, "The head of this request is too large.", "head-size")
    elif status >= 500:
        refusal = Refusal(Reason.UPSTREAM_UNREACHABLE, "The provider could not be reached.", "upstream")
    else:
        refusal = Refusal(Reason.REQUEST_MALFORMED, "This is not a valid HTTP request.", "valid-framing")
    response = refuse_without_exchange(refusal)
    response.headers["connection"] = "close"
    return response


def wants_html(accept: str) -> bool:
    """Whether a browser asks; the SDKs send ``application/json`` or ``*/*``."""
    return "text/html" in accept


def _response(answer: Answer, refusal: Refusal) -> http.Response:
    response = http.Response.make(answer.status, answer.body, dict(answer.headers))
    if refusal.proxy:
        response.headers["proxy-authenticate"] = _CHALLENGE
    return response
