"""The answer flows by: usage, the time to its first byte, a reservation kept ahead of it, the cut.

Counts what the provider reports, and estimates what it does not. Never holds a chunk back.
"""

import time
from datetime import UTC, datetime

from mitmproxy import http

from addons.growth import GrowingReservation, SessionReservation, UnboundedAnswer, at_its_ceiling
from addons.protocol import CUT
from addons.reservations import Reservations
from addons.session import Message, Session
from addons.snapshots import Snapshots
from addons.step import Step
from addons.switching import SWITCHED
from addons.visit import Visit
from policy.answers import stream_ending
from policy.attribution import revoked_since
from policy.exchange import Call, Endpoint, Usage
from policy.money import MicroDollars
from policy.refusals import Refusal
from policy.session_meter import SessionMeter
from policy.usage import Meter


class Metering(Step):
    """Fills ``exchange.usage``; ``output_step_tokens`` is the step of streams without ceiling."""

    name = "metering"

    def __init__(
        self, limiter: Reservations, snapshots: Snapshots, *, output_step_tokens: int, cut_revoked: bool
    ) -> None:
        self._limiter = limiter
        self._snapshots = snapshots
        self._step = output_step_tokens
        self._cut_revoked = cut_revoked

    async def body(self, visit: Visit) -> Refusal | None:
        """Ask the provider for an answer that can be read."""
        if not visit.passes:
            visit.flow.request.headers["accept-encoding"] = "identity"
        return None

    def answer_head(self, visit: Visit) -> None:
        """Begin to meter."""
        exchange, response = visit.exchange, visit.flow.response
        exchange.timing.first_byte_us = elapsed_us(visit)
        if response is None or exchange.call is None or exchange.endpoint is None:
            return
        exchange.status = response.status_code
        if visit.session is not None and response.status_code == SWITCHED:
            self._begin_session(visit, visit.session, exchange.endpoint, exchange.call)
            return
        visit.meter = _meter(exchange.endpoint, exchange.call, response)
        if exchange.call.stream and exchange.call.output_ceiling is None and exchange.grant is not None:
            answer = UnboundedAnswer(
                exchange.endpoint, exchange.call, visit.terms, self._step, visit.allowance
            )
            visit.growth = GrowingReservation(self._limiter, exchange.id, answer)

    def _begin_session(self, visit: Visit, session: Session, endpoint: Endpoint, call: Call) -> None:
        exchange = visit.exchange
        session.meter = SessionMeter(
            session.dialect,
            provider=endpoint.provider,
            model=call.model,
            at=exchange.timing.started_at,
            terms=visit.terms,
        )
        if exchange.grant is not None:
            session.reservation = SessionReservation(self._limiter, exchange.id, exchange.grant)

    async def message(self, visit: Visit, message: Message) -> Refusal | None:
        """Count a message, and keep what is held ahead of it; before an answer is asked for, hold it."""
        session = visit.session
        if session is None or session.meter is None:
            return None
        meter, said = session.meter, message.said
        if said is not None:
            meter.sent(said)
        else:
            meter.received(message.content, text=message.text)
        if said is None and visit.allowance is not None and meter.longest_answer > visit.allowance.tokens:
            return at_its_ceiling(visit.allowance)
        step = meter.next_step(said.call if said else None, self._step)
        if session.reservation is None:
            return None
        if said is not None and (said.starts or said.model is not None):
            return await session.reservation.require(meter.used(), step)
        return await session.reservation.keep(meter.used(), step)

    def answer_chunk(self, visit: Visit, chunk: bytes) -> bytes:
        """Read a chunk; past what can be held for it, end the stream as its protocol ends."""
        visit.exchange.bytes_down += len(chunk)
        if visit.flow.metadata.get(CUT):
            return b""
        if visit.meter is None:
            return chunk
        passed = visit.meter.feed(chunk)
        refusal = self._stopped(visit, visit.meter)
        unfinished = visit.meter.open_bytes
        if refusal is None or unfinished > len(passed):
            return passed  # or its event's beginning has left already: the cut waits for the end of it
        visit.exchange.refusal = refusal
        visit.flow.metadata[CUT] = True
        return passed[: len(passed) - unfinished]

    def _stopped(self, visit: Visit, meter: Meter) -> Refusal | None:
        """Why the answer must end here: its limits, or what it was admitted by has been revoked."""
        growth, principal, current = visit.growth, visit.exchange.principal, self._snapshots.current
        if growth is not None and not growth.note(
            meter.output_tokens_so_far, visit.exchange.timing.started_at
        ):
            return growth.refusal or growth.outrun()
        if self._cut_revoked and current is not visit.judged_by and principal is not None:
            refusal = revoked_since(
                current, principal, visit.placeholder, datetime.now(UTC), used=visit.exchange.credential_id
            )
            if refusal is None:
                visit.judged_by = current
            return refusal
        return None

    def answer_end(self, visit: Visit) -> bytes:
        """The last part: what the meter held, or the ending of a cut stream."""
        if visit.meter is None:
            return b""
        rest = visit.meter.finish()
        refusal = visit.exchange.refusal
        if visit.flow.metadata.get(CUT) and refusal is not None:
            content_type = visit.flow.response.headers.get("content-type", "") if visit.flow.response else ""
            return stream_ending(refusal, visit.shape, str(visit.exchange.id), content_type=content_type)
        return rest

    def ended(self, visit: Visit) -> None:
        """Take the truth, and by how much it exceeds what was held."""
        exchange = visit.exchange
        exchange.timing.total_us = elapsed_us(visit)
        if visit.growth is not None:
            visit.growth.close()
        if visit.session is not None and visit.session.meter is not None:
            exchange.usage = visit.session.meter.usage()
        elif visit.meter is not None and exchange.call is not None:
            exchange.usage = _consumed(visit, visit.meter, exchange.call)
        usage, grant = exchange.usage, exchange.grant
        held = grant is not None and (
            grant.cost > 0 or (visit.session is not None and visit.session.budgeted)
        )
        if usage is not None and usage.cost is not None and held:
            exceeding = usage.cost - self._limiter.held(exchange.id)
            exchange.overshoot = MicroDollars(max(0, exceeding))


def elapsed_us(visit: Visit) -> int:
    """Microseconds since the request's head came."""
    return (time.monotonic_ns() - visit.exchange.timing.started_ns) // 1000


def _meter(endpoint: Endpoint, call: Call, response: http.Response) -> Meter:
    return Meter(
        endpoint.shape,
        provider=endpoint.provider,
        operation=call.operation,
        content_type=response.headers.get("content-type", ""),
        content_encoding=response.headers.get("content-encoding", ""),
        hide_usage=call.stream and not call.asks_usage,
    )


def _consumed(visit: Visit, meter: Meter, call: Call) -> Usage | None:
    """What the answer consumed. A provider bills nothing for an answer that is an error."""
    exchange = visit.exchange
    if (exchange.status or 0) >= 400:
        return None
    return meter.usage(call, exchange.timing.started_at, visit.terms)
