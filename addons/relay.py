"""An answer on its way to the client: through the steps, chunk by chunk, or whole where it is short."""

from collections.abc import Callable, Iterable, Sequence

from loguru import logger
from mitmproxy import http

from addons import switching
from addons.answering import REQUEST_ID
from addons.configuration import Bounds
from addons.overhearing import Overheard
from addons.protocol import CUT, RESPONSE_BYTES_MAX
from addons.step import Step, implemented
from addons.visit import Visit
from policy.decoding import (
    DECODED_BYTES_MAX,
    HELD_DECODED_BYTES_MAX,
    Decoder,
    Undecodable,
    decoder_for,
    is_plain,
)
from policy.head import Fields, check_answer
from policy.redaction import scrub_headers
from policy.refusals import Reason, Refusal

# A JSON answer up to this size is handled whole: one pass instead of a call for each chunk.
WHOLE_BYTES_MAX = 256 * 1024

# An encoded answer is held whole up to this size, then looked into.
HELD_BYTES_MAX = 8 * 1024 * 1024

# Alternative services would lead the client around us (RFC 7838).
_DROPPED = frozenset({b"alt-svc", b"x-conduit-reason"})

_BODY = frozenset({"answer_chunk", "answer_end"})

_Chunks = bytes | Iterable[bytes]


class Relay:
    """Drives ``answer_head``, ``answer_chunk`` and ``answer_end`` of the steps that have them."""

    def __init__(self, steps: Sequence[Step], bounds: Bounds) -> None:
        self._bounds = bounds
        self._of_heads = [step for step in steps if "answer_head" in implemented(type(step))]
        self._of_bodies = [step for step in steps if _BODY.intersection(implemented(type(step)))]

    def begin(self, visit: Visit) -> None:
        """The head of an answer has come; decides whether its body is relayed as it comes."""
        response = visit.flow.response
        if response is None:
            raise TypeError("there is no answer to relay")
        check_answer(response.headers.fields)
        visit.answer_head_seen = True
        if response.status_code == switching.SWITCHED:
            switching.begin(visit, response, self._bounds)
            self._begin_session(visit, response)
            return
        _write_ours(visit, response)
        if visit.passes:
            response.stream = _overhear(visit, response)
            return
        encoding = response.headers.get("content-encoding", "")
        visit.decoder = _decode(visit, response)
        for step in self._of_heads:
            step.answer_head(visit)
        if _is_short(response) or (visit.decoder is not None and _is_held(response)):
            # Held whole: an answer of which nothing had to change goes on encoded, as it came.
            visit.encoding = encoding
            visit.flow.metadata[RESPONSE_BYTES_MAX] = HELD_BYTES_MAX
        else:
            self._unframe(visit, response)
            response.stream = self._stream(visit)

    def _begin_session(self, visit: Visit, response: http.Response) -> None:
        _write_ours(visit, response)
        if not visit.passes:
            for step in self._of_heads:
                step.answer_head(visit)

    def finish_buffered(self, visit: Visit) -> None:
        """The whole body of a short answer has come."""
        response = visit.flow.response
        if response is None or response.stream or visit.passes:
            return
        came = response.raw_content or b""
        plain = visit.decoder.feed(came) if visit.decoder is not None else came
        visit.decoder = None
        passed = self._chunk(visit, plain) + self._end(visit)
        if passed == plain:
            if visit.encoding:
                response.headers["content-encoding"] = visit.encoding
            return
        response.raw_content = passed
        if "transfer-encoding" not in response.headers:
            response.headers["content-length"] = str(len(passed))

    def _stream(self, visit: Visit) -> Callable[[bytes], _Chunks]:
        def relay(chunk: bytes) -> _Chunks:
            # An exception here would leave the client waiting for ever, so it ends the stream instead.
            try:
                passed = self._chunk(visit, chunk) if chunk else self._end(visit)
            except Undecodable:
                passed = _cut(visit, unreadable())
            except Exception:
                logger.opt(exception=True).error("a step failed; the answer of {} is cut", visit.exchange.id)
                passed = _cut(visit, Refusal(Reason.INTERNAL, "The gateway failed.", "no-fault"))
            # An empty chunk in the middle would end a chunked message.
            return passed if passed or not chunk else []

        return relay

    def _chunk(self, visit: Visit, chunk: bytes) -> bytes:
        if visit.decoder is not None:
            chunk = visit.decoder.feed(chunk)
        for step in self._of_bodies:
            chunk = step.answer_chunk(visit, chunk)
        return chunk

    def _end(self, visit: Visit) -> bytes:
        """Each step's last part goes through the steps after it."""
        rest = b""
        for step in self._of_bodies:
            passed = step.answer_chunk(visit, rest) if rest else b""
            rest = passed + step.answer_end(visit)
        return rest

    def _unframe(self, visit: Visit, response: http.Response) -> None:
        """Give up the declared length where a step may change it; a longer body would run into the next."""
        length = response.headers.pop("content-length", None)
        if length is not None and visit.flow.client_conn.alpn != b"h2":
            response.headers["transfer-encoding"] = "chunked"


def passed_trailers(visit: Visit, trailers: Fields) -> Fields:
    """What of the fields behind an answer's body reaches the client: without our key, or words of ours."""
    if visit.exchange.refusal is not None:
        return ()
    kept = tuple(field for field in trailers if not field[0].lower().startswith((*_DROPPED, b"x-conduit-")))
    return kept if visit.scrubber is None else scrub_headers(kept, visit.scrubber)


def unreadable() -> Refusal:
    """The refusal of an answer that nothing can be made of."""
    message = "The provider's answer could not be read, so it is not passed on."
    return Refusal(Reason.UPSTREAM_UNREACHABLE, message, "answer-readable")


def _cut(visit: Visit, refusal: Refusal) -> bytes:
    visit.exchange.refusal = refusal
    visit.flow.metadata[CUT] = True
    return b""


def _overhear(visit: Visit, response: http.Response) -> Callable[[bytes], bytes] | bool:
    """What an answer that passes is streamed through: a listener, where the question was looked at."""
    visit.exchange.status = response.status_code
    if visit.evidence is None:
        return True
    visit.overheard = Overheard(response)
    return visit.overheard.relay


def _write_ours(visit: Visit, response: http.Response) -> None:
    """Put our headers in, and take out what a provider must not say in our name."""
    ours = ((REQUEST_ID, str(visit.exchange.id)), *visit.rate_headers)
    written = tuple((name.encode(), value.encode()) for name, value in ours)
    replaced = _DROPPED.union(name for name, _ in written)
    kept = (field for field in response.headers.fields if field[0].lower() not in replaced)
    response.headers.fields = (*kept, *written)


def _is_held(response: http.Response) -> bool:
    """Whether an encoded answer is to be held whole: not a stream, nor one that says it is too long."""
    length = response.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > HELD_BYTES_MAX:
        return False
    return not str(response.headers.get("content-type", "")).startswith("text/event-stream")


def _decode(visit: Visit, response: http.Response) -> Decoder | None:
    """Plain bytes are asked for; where they come encoded all the same, the steps still see them plain.

    An answer to a call with our key in an encoding that cannot be looked into is not passed on.
    """
    encoding = response.headers.get("content-encoding", "")
    if is_plain(encoding):
        return None
    decoder = decoder_for(encoding, HELD_DECODED_BYTES_MAX if _is_held(response) else DECODED_BYTES_MAX)
    if decoder is not None:
        del response.headers["content-encoding"]
    elif visit.secret is not None:
        raise Undecodable(f"the provider answered in the encoding {encoding!r}")
    return decoder


def _is_short(response: http.Response) -> bool:
    length = response.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= WHOLE_BYTES_MAX
