"""WebSocket sessions of admitted calls: how one begins, what its messages go through, how it ends.

The frames are ``addons.websocket``'s; the decisions are the steps'.
"""

from mitmproxy import http

from addons.configuration import Bounds
from addons.overhearing import OverheardSession
from addons.session import Session
from addons.visit import Visit
from addons.websocket import HANDLING, Ending, Handling
from policy.answers import close_reason, session_ending
from policy.handshake import PROTOCOL, InvalidHandshake, check_answer, protocols
from policy.head import AmbiguousHead, read_fields
from policy.refusals import Reason, Refusal

SWITCHED = 101
# 1008, policy violation; 1013, try again later (RFC 6455 section 7.4.1, and IANA's registry).
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013


def begin(visit: Visit, response: http.Response, bounds: Bounds) -> None:
    """A provider has switched protocols; raises ``InvalidHandshake`` where it may not, or not so."""
    if "upgrade" not in visit.headers:
        raise InvalidHandshake("The provider switched protocols unasked.")
    session = visit.session
    if session is not None:
        _judge(visit, session, response)
    elif not visit.passes:
        raise InvalidHandshake("The provider switched protocols unasked.")
    visit.exchange.status = SWITCHED
    heard = OverheardSession()
    if visit.evidence is not None:
        visit.overheard = heard
    visit.flow.metadata[HANDLING] = _handling(visit, bounds, heard)


def decline_others(visit: Visit) -> None:
    """Of what is no AI call nothing but a WebSocket is let switch: other protocols are not asked for.

    RFC 9110 section 7.8 lets a server ignore the wish; behind it (CONNECT-UDP of RFC 9298, raw TCP) there
    would be a proxy of one's own.
    """
    if visit.headers.get("upgrade", "websocket").strip().lower() == "websocket":
        return
    for name in ("upgrade", "connection", "http2-settings"):
        visit.flow.request.headers.pop(name, None)
    visit.headers = {name: value for name, value in visit.headers.items() if name != "upgrade"}


def _judge(visit: Visit, session: Session, response: http.Response) -> None:
    """Hold the answer to the handshake, and name the subprotocol as the client did, not as the wire."""
    try:
        headers = read_fields(response.headers.fields)
    except AmbiguousHead as problem:
        raise InvalidHandshake("The provider's handshake can be read in two ways.") from problem
    sent = visit.flow.request.headers
    offered = sent.get(PROTOCOL, "")
    chosen = check_answer(sent.get("sec-websocket-key", ""), offered, headers)
    if chosen is not None:
        response.headers[PROTOCOL] = session.protocols[protocols(offered).index(chosen)]


def _handling(visit: Visit, bounds: Bounds, heard: OverheardSession) -> Handling:
    exchange = visit.exchange

    def count(from_client: bool, size: int) -> None:
        if from_client:
            exchange.bytes_up += size
        else:
            exchange.bytes_down += size

    return Handling(
        inspected=visit.session is not None,
        message_bytes_max=bounds.message_bytes_max,
        count=count,
        hear=heard.hear,
        scrub=lambda text: visit.scrubber.whole(text) if visit.scrubber is not None else text,
        too_large=lambda by_client: _too_large(bounds.message_bytes_max, by_client=by_client),
        broken=_broken,
        ending=lambda refusal: _ending(visit, refusal),
    )


def _ending(visit: Visit, refusal: Refusal) -> Ending:
    event = None
    if visit.session is not None:
        event = session_ending(refusal, visit.session.dialect, str(visit.exchange.id))
    later = refusal.reason is Reason.DEGRADED
    return Ending(event, _TRY_AGAIN_LATER if later else _POLICY_VIOLATION, close_reason(refusal))


def note_end(visit: Visit, refusal: Refusal | None, close_code: int | None) -> None:
    """Write how a session ended into its exchange."""
    exchange, session = visit.exchange, visit.session
    if refusal is not None:
        exchange.refusal = refusal
    if session is not None:
        exchange.messages_up, exchange.messages_down = session.messages_up, session.messages_down
        exchange.close_code = close_code


def _too_large(bound: int, *, by_client: bool) -> Refusal:
    if by_client:
        message = f"This message is over the limit of {bound} bytes; send less at a time."
        return Refusal(Reason.REQUEST_TOO_LARGE, message, "message-size")
    message = f"The provider sent a message over the limit of {bound} bytes."
    return Refusal(Reason.UPSTREAM_UNREACHABLE, message, "message-size")


def _broken(message: str) -> Refusal:
    return Refusal(Reason.REQUEST_MALFORMED, f"The WebSocket was closed: {message}.", "valid-frames")
