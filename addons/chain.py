"""The chain: runs the steps in their order, and turns whatever goes wrong in one into a refusal.

mitmproxy logs an addon's exception and lets the flow go on. Here an exception, a time-out or a missing fact
refuses the call, and ``server_connect`` opens nothing for an exchange that was not let go. This is the only
addon of ours that mitmproxy knows.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from loguru import logger
from mitmproxy import connection, http, tls
from mitmproxy.proxy import layer, server_hooks
from uuid_utils.compat import uuid7

from addons import answering
from addons.configuration import Bounds
from addons.connections import ClientConnection, Connections, client_facts
from addons.deadlines import Deadlines
from addons.dialling import Dialling, Undialable
from addons.entrance import Entrance
from addons.inspection import too_large, trailers_refused
from addons.interception import TlsRefused
from addons.long_texts import BYTES_PER_SECOND
from addons.protocol import CLIENT_FAILED, CUT, HOLD, INVALID, REPLACED, TOO_LARGE, CloseAtOnce
from addons.relay import Relay, passed_trailers, unreadable
from addons.session import Message
from addons.snapshots import Snapshots, stale
from addons.step import Step, by_phase
from addons.switching import SWITCHED, note_end
from addons.trailers import TRAILERS, TrailerHandling
from addons.tunnels import Tunnels
from addons.turned_away import TurnedAway
from addons.visit import KEY, Visit, visit_of
from policy.decoding import Undecodable
from policy.destination import InvalidDestination, canonical_authority
from policy.evasion import distrusted, unreachable
from policy.exchange import Exchange, Mode, Outcome, Timing
from policy.head import Fields
from policy.identifiers import ExchangeId
from policy.refusals import Reason, Refusal

# How mitmproxy tells of a client's alert, and of one that hangs up over the certificate.
_DISTRUST = ("does not trust", "disconnected during the handshake", "certificate unknown", "unknown ca")
# Read by `addons.engine`, which then begins no TLS.
REFUSED_TLS = "conduit.refused_tls"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a chain works with besides its steps; one of each a worker."""

    connections: Connections
    deadlines: Deadlines
    dialling: Dialling
    snapshots: Snapshots
    tunnels: Tunnels
    turned_away: TurnedAway


class Chain:
    """The steps, and mitmproxy's hooks that drive them. Hook methods are documented by mitmproxy."""

    name = "chain"

    def __init__(self, steps: Sequence[Step], *, bounds: Bounds, around: Surroundings) -> None:
        self.steps = tuple(steps)
        self._acting = by_phase(steps)
        self.bounds = bounds
        self.deadlines = around.deadlines
        self._connections = around.connections
        self._dialling = around.dialling
        self._snapshots = around.snapshots
        self._tunnels = around.tunnels
        self._turned_away = around.turned_away
        self._entrance = Entrance(
            bounds, around.connections, around.deadlines, around.snapshots, around.turned_away
        )
        self._relay = Relay(self.steps, bounds)
        self._held_bytes = 0  # of all bodies

    @property
    def calls_in_flight(self) -> int:
        """Exchanges that have not ended."""
        return len(self._connections.open_visits())

    def drain(self) -> None:
        """No new connections come: sessions, which have no end of their own, end at their next pause."""
        self._connections.draining = True

    # Connections

    def client_connected(self, client: connection.Client) -> None:
        """Bound how many connections there are, in all and from one address."""
        self._entrance.connected(client)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Note the authority of a tunnel, which every request in it is held to."""
        facts = self._connections.of(flow.client_conn)
        try:
            if INVALID in flow.metadata or facts.mode is not Mode.EXPLICIT:
                raise InvalidDestination("CONNECT is for the proxy")
            facts.connect = canonical_authority(flow.request.authority, "https")
            refusal = self._may_connect(flow)
        except InvalidDestination:
            message = "The CONNECT request does not name one host and port."
            refusal = Refusal(Reason.REQUEST_MALFORMED, message, "one-destination")
        if refusal is not None:
            flow.response = answering.refuse_without_exchange(refusal)
            self._tunnels.refused(flow.client_conn, facts, refusal, self._snapshots.current)
            facts.connect = facts.source = facts.proxy = None  # what comes next begins anew

    def _may_connect(self, flow: http.HTTPFlow) -> Refusal | None:
        try:
            asked = (step.connect(flow) for step in self._acting["connect"])
            return next((refusal for refusal in asked if refusal is not None), None)
        except Exception:
            logger.opt(exception=True).error("a tunnel was refused because a step failed")
            return _fault()

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Ask the steps; where one fails, the connection is refused, not tunnelled."""
        try:
            for step in self._acting["client_hello"]:
                step.client_hello(data)
            if data.ignore_connection:
                self.deadlines.head_came(data.context.client)
        except Exception as problem:
            if not isinstance(problem, InvalidDestination | TlsRefused):
                logger.opt(exception=True).error("a TLS connection was refused because a step failed")
            data.ignore_connection = False
            setattr(data.context.client, REFUSED_TLS, True)
            self._record_refused_tls(data.context.client, problem)

    def _record_refused_tls(self, client: connection.Client, problem: Exception) -> None:
        facts = self._connections.of(client)
        refusal = problem.refusal if isinstance(problem, TlsRefused) else _fault()
        if isinstance(problem, InvalidDestination):
            message = "The names that this TLS connection claims cannot be read as one."
            refusal = Refusal(Reason.REQUEST_MALFORMED, message, "one-destination")
        self._tunnels.refused(client, facts, refusal, self._snapshots.current)

    def tls_established_client(self, data: tls.TlsData) -> None:
        """Tell the steps; where one fails, nothing that comes over this connection is admitted."""
        try:
            for step in self._acting["client_secured"]:
                step.client_secured(data)
        except Exception:
            logger.opt(exception=True).error("a client's TLS could not be judged")
            self._connections.of(data.context.client).certificate = _fault()

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Note what was no TLS, and who does not take our certificate."""
        self._entrance.tls_failed(data)
        client, error = data.conn, data.conn.error or ""
        if not isinstance(client, connection.Client) or not any(word in error for word in _DISTRUST):
            return
        facts = self._connections.of(client)
        if not facts.ends_here and facts.judged_by is not None:  # else no certificate was shown yet
            self._tunnels.distrusted(client, facts, distrusted(), self._snapshots.current)

    def next_layer(self, data: layer.NextLayer) -> None:
        """Close what is neither TLS nor HTTP."""
        if getattr(data.context.client, REFUSED_TLS, False):
            data.layer = CloseAtOnce(data.context)

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The last gate: whatever was not let go is not dialled."""
        try:
            await self._dialling.connect(data)
            self.deadlines.await_connection(data.client, data.server)
        except Undialable as problem:
            data.server.error = str(problem)
        except Exception:
            logger.opt(exception=True).error("a connection was refused because its destination failed")
            data.server.error = "The destination could not be judged."

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The provider is there."""
        self.deadlines.connected(data.server)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The provider is not there, or is not dialled: a tunnel to it is written down as refused."""
        self.deadlines.connected(data.server)
        facts = self._connections.find(data.client)
        if facts is not None and facts.tunnel is not None:
            self._tunnels.refused(data.client, facts, unreachable(), self._snapshots.current)
            facts.tunnel = None

    async def client_disconnected(self, client: connection.Client) -> None:
        """End what mitmproxy left open on this connection."""
        self.deadlines.head_came(client)
        facts = self._connections.end(client)
        if facts is None:
            return
        for visit in list(facts.open_visits.values()):
            self._end(visit, Outcome.ABORTED_BY_CLIENT)
        if facts.tunnel is not None:
            self._tunnels.ended(client, facts, facts.tunnel, self._snapshots.current)

    # Requests

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Who and where, before the body is waited for."""
        self.deadlines.head_came(flow.client_conn)
        visit = self._begin(flow)
        await self._run(visit, "head")
        if visit.exchange.refusal is None and flow.request.stream:
            # Too long to look at: what follows the head decides nothing, so the rest is decided now.
            await self._run(visit, "body")
            self._let_go(visit)

    async def request(self, flow: http.HTTPFlow) -> None:
        """What and whether; then, and only then, it may leave."""
        visit = visit_of(flow)
        if visit is None:
            flow.kill()
            return
        visit.body_came = True
        if visit.exchange.refusal is None and not flow.request.stream:
            await self._run(visit, "body")
            self._let_go(visit)

    def _begin(self, flow: http.HTTPFlow) -> Visit:
        facts = self._connections.of(flow.client_conn)
        snapshot = self._snapshots.current
        exchange = Exchange(
            id=ExchangeId(uuid7()),
            client=client_facts(flow.client_conn, facts),
            timing=Timing(datetime.now(UTC), time.monotonic_ns()),
            snapshot_version=snapshot.version,
        )
        visit = Visit(flow, exchange, snapshot, judged_by=snapshot)
        flow.metadata[KEY] = visit
        flow.metadata[TOO_LARGE] = lambda: answering.refuse(visit, too_large(self.bounds.body_bytes_max))
        flow.metadata[HOLD] = lambda size: self._hold(visit, size)
        flow.metadata[TRAILERS] = TrailerHandling(
            refuses=lambda fields: self._refuses_trailers(visit, fields),
            passed=lambda fields: passed_trailers(visit, fields),
        )
        facts.open_visits[id(visit)] = visit
        return visit

    def _hold(self, visit: Visit, size: int) -> bool:
        """Account for bytes of a body that are to be held until its end."""
        if visit.exchange.outcome is None and self._held_bytes + size <= self.bounds.held_bytes_max:
            visit.held_bytes += size
            self._held_bytes += size
            return True
        message = "The gateway holds as many requests as it can at the moment; try again."
        self._refuse(visit, Refusal(Reason.DEGRADED, message, "memory", 2))
        return False

    def _refuses_trailers(self, visit: Visit, trailers: Fields) -> bool:
        try:
            refusal = trailers_refused(trailers)
        except Exception:
            logger.opt(exception=True).error(
                "trailers could not be judged; {} was refused", visit.exchange.id
            )
            refusal = _fault()
        if refusal is not None:
            self._refuse(visit, refusal)
        return refusal is not None

    async def _run(self, visit: Visit, phase: str) -> None:
        """Run one phase of all steps; the first refusal, exception or time-out ends it."""
        refusal = await self._judged(visit, self._steps(phase, visit), visit.held_bytes)
        if refusal is not None:
            self._refuse(visit, refusal)

    async def _judged(
        self, visit: Visit, steps: Coroutine[Any, Any, Refusal | None], size: int
    ) -> Refusal | None:
        """What the steps find about so many bytes."""
        visit.judging = True
        try:
            # The loop's tasks are eager: where no step waits, all have run when this returns, and no timer
            # is needed to bound them.
            running = asyncio.get_running_loop().create_task(steps)
            if running.done():
                return running.result()
            return await asyncio.wait_for(running, self.bounds.step_timeout_s + size / BYTES_PER_SECOND)
        except TimeoutError:
            logger.error("a step took too long; call {} was refused", visit.exchange.id)
            return Refusal(Reason.DEGRADED, "The gateway is slow at the moment; try again.", "in-time", 2)
        except Exception:
            logger.opt(exception=True).error("a step failed; call {} was refused", visit.exchange.id)
            return _fault()
        finally:
            visit.judging = False
            if visit.left_as is not None:
                self._end(visit, visit.left_as)

    async def _steps(self, phase: str, visit: Visit, *arguments: Message) -> Refusal | None:
        refusal = stale(self._snapshots, self.bounds.snapshot_age_max_s)
        for step in self._acting[phase]:
            refusal = refusal or await getattr(step, phase)(visit, *arguments)
            if refusal is not None or visit.left_as is not None:
                break
        return refusal

    def _refuse(self, visit: Visit, refusal: Refusal) -> None:
        try:
            answering.refuse(visit, refusal)
        except Exception:
            logger.opt(exception=True).error("a refusal could not be written; the connection is closed")
            visit.exchange.refusal = refusal
            visit.flow.kill()

    def _let_go(self, visit: Visit) -> None:
        gone = visit.exchange.outcome is not None  # its client went while the steps ran
        if gone or visit.exchange.refusal is not None or visit.flow.response is not None:
            return
        try:
            self._dialling.release(visit)
            self.deadlines.await_answer(visit)
        except Exception:
            logger.opt(exception=True).error("call {} could not be let go", visit.exchange.id)
            self._refuse(visit, _fault())

    # Answers

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Hand the provider's answer to the steps, as a stream where it may be one."""
        visit = visit_of(flow)
        if visit is None or flow.response is None:
            flow.kill()
            return
        self.deadlines.answered(visit)
        if visit.exchange.refusal is not None:
            return
        try:
            self._relay.begin(visit)
        except Exception:
            logger.opt(exception=True).error("the answer of {} is not passed on", visit.exchange.id)
            self._refuse(visit, unreadable())
            flow.metadata[REPLACED] = True

    async def response(self, flow: http.HTTPFlow) -> None:
        """The answer is complete: the provider's, or ours."""
        visit = visit_of(flow)
        if visit is None:
            return
        if flow.websocket is not None and visit.exchange.refusal is None:
            return  # the session begins; its end is told by `session_end`
        if visit.exchange.refusal is None:
            try:
                self._relay.finish_buffered(visit)
            except Undecodable:
                self._refuse(visit, unreadable())
            except Exception:
                logger.opt(exception=True).error("the answer of call {} was lost", visit.exchange.id)
                self._refuse(visit, _fault())
        if flow.metadata.get(CUT):
            self._end(visit, Outcome.CUT)
        else:
            self._end(visit, Outcome.REFUSED if visit.exchange.refusal else Outcome.FINISHED)

    async def error(self, flow: http.HTTPFlow) -> None:
        """Somebody went away. Where nothing has been answered yet, say so in our own words."""
        visit = visit_of(flow)
        if visit is None:
            return
        message = flow.error.msg if flow.error else ""
        unreadable_body = flow.metadata.get(CLIENT_FAILED)
        if unreadable_body and visit.exchange.refusal is None and not visit.answer_head_seen:
            self._refuse(visit, _unreadable_body())
            self._end(visit, Outcome.REFUSED)
        elif unreadable_body is not None or message.startswith("killed"):
            self._end(visit, Outcome.ABORTED_BY_CLIENT)
        elif visit.answer_head_seen and flow.response is not None:
            self._end(visit, Outcome.ABORTED_BY_PROVIDER)
        else:
            self._refuse(visit, _unreachable(visit))
            self._end(visit, Outcome.FAILED)

    # Sessions

    async def session_message(self, flow: http.HTTPFlow, message: Message) -> None:
        """A whole message of a WebSocket session; what refuses it ends the session."""
        visit = visit_of(flow)
        if visit is None or visit.session is None:
            message.refusal = _fault()
            return
        visit.session.note(message)
        steps = self._steps("message", visit, message)
        message.refusal = await self._judged(visit, steps, len(message.content))

    def session_end(
        self, flow: http.HTTPFlow, outcome: Outcome, refusal: Refusal | None, close_code: int | None
    ) -> None:
        """A WebSocket has ended, however it did."""
        visit = visit_of(flow)
        if visit is not None:
            note_end(visit, refusal, close_code)
            self._end(visit, outcome)

    def _end(self, visit: Visit, outcome: Outcome) -> None:
        """Give every step its one chance to finish; a step that fails does not keep the others from it.

        While steps wait, the end waits too: what they take after it, nobody would give back.
        """
        if visit.judging:
            visit.left_as = visit.left_as or outcome
            return
        facts = self._facts(visit)
        if visit.exchange.outcome is not None:
            return
        visit.exchange.outcome = outcome
        self._held_bytes -= visit.held_bytes
        visit.held_bytes = 0
        self.deadlines.answered(visit)
        if facts is not None:
            facts.open_visits.pop(id(visit), None)
            self._await_next(visit, facts)
        for step in self._acting["ended"]:
            try:
                step.ended(visit)
            except Exception:
                logger.opt(exception=True).error("step {} failed at the end of a call", step.name)

    def _await_next(self, visit: Visit, facts: ClientConnection) -> None:
        switched = visit.flow.response is not None and visit.flow.response.status_code == SWITCHED
        if not facts.open_visits and not switched:
            self.deadlines.await_call(visit.flow.client_conn)

    def _facts(self, visit: Visit) -> ClientConnection | None:
        try:
            return self._connections.of(visit.flow.client_conn)
        except KeyError:
            return None

    def done(self) -> None:
        """The process ends: what is still open ends with it."""
        for visit in self._connections.open_visits():
            visit.judging = False  # no step is waited for any more
            self._end(visit, Outcome.FAILED)
        self._turned_away.done()


def _fault() -> Refusal:
    return Refusal(Reason.INTERNAL, "The gateway failed; the request did not leave. Try again.", "no-fault")


def _unreadable_body() -> Refusal:
    message = "The framing of this request's body is not valid HTTP."
    return Refusal(Reason.REQUEST_MALFORMED, message, "valid-framing")


def _unreachable(visit: Visit) -> Refusal:
    if visit.timed_out:
        return Refusal(Reason.UPSTREAM_TIMEOUT, "The provider did not answer in time.", "upstream")
    return Refusal(Reason.UPSTREAM_UNREACHABLE, "The provider could not be reached.", "upstream")
