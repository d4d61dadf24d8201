"""One call after another through the real chain, with probes for steps: which phases of which step run?

Nothing here touches a network, a vault or a database: the chain is the one that serves, and its steps are
replaced by probes that implement exactly the phases that the steps implement, and note each call.
``addons.coverage`` judges what was noted.
"""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, cast

from loguru import logger
from mitmproxy import connection, flow, http, options
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.context import Context
from mitmproxy.websocket import WebSocketData

from addons import client_hello
from addons.chain import Chain, Surroundings
from addons.configuration import Bounds
from addons.connection_handler import Volume
from addons.connections import MODES, Connections, Tunnel
from addons.protocol import CUT
from addons.session import Message, Session
from addons.step import Step, implemented
from addons.switching import SWITCHED
from addons.visit import visit_of
from addons.watching import watcher_of
from policy.exchange import Mode, Outcome
from policy.handshake import accept_of
from policy.refusals import Reason, Refusal
from policy.session_messages import Dialect
from policy.snapshot import Records, build

_HOST = "provider.example"
_SERVED = 200
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
_HANDSHAKE = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": accept_of(_KEY)}
_CLIENT = ("192.0.2.1", 40_000)


class Path(StrEnum):
    """How a connection, or a call on it, can go."""

    ANSWERED = "answered whole"
    STREAMED = "answered as a stream"
    PASSED = "no AI call, passed on"
    LONG = "too long to look at, passed on"
    REFUSED_BY_HEAD = "refused by its head"
    REFUSED_BY_BODY = "refused by its body"
    STEP_FAILED = "a step failed"
    STALE = "the policy is too old"
    UNREACHABLE = "the provider is unreachable"
    UNREADABLE_ANSWER = "the answer cannot be read"
    ABORTED_BY_CLIENT = "aborted by the client"
    ABORTED_BY_PROVIDER = "aborted by the provider"
    CUT = "cut at its limit"
    STOPPED = "the gateway stops"
    TUNNELLED = "passed through undecrypted"
    TUNNEL_REFUSED = "the tunnel was refused"
    TLS_REFUSED = "its TLS was refused"
    CROWDED = "one connection too many"
    NOT_HTTP = "no HTTP request"
    SESSION = "a WebSocket session"
    SESSION_CUT = "a WebSocket session, cut at a message"
    SESSION_ABORTED = "a WebSocket session, aborted"
    SESSION_PASSED = "a WebSocket that is no AI call, passed on"


@dataclass(frozen=True, slots=True)
class Route:
    """By which door, whether by CONNECT, and whether within TLS."""

    mode: Mode
    connect: bool
    tls: bool

    def __str__(self) -> str:
        return f"{self.mode.value}{', CONNECT' if self.connect else ''}, {'TLS' if self.tls else 'plain'}"

    def has(self, path: Path) -> bool:
        """Whether a connection can go so by this door."""
        if path in (Path.TUNNELLED, Path.TLS_REFUSED):
            return self.tls and not self.ends_here
        return self.connect or path is not Path.TUNNEL_REFUSED

    @property
    def ends_here(self) -> bool:
        """Whether its TLS is with a door of ours, which is never a tunnel to somewhere else."""
        return self.mode is Mode.GATEWAY or (self.mode is Mode.EXPLICIT and not self.connect)


# Every door of the data plane; the proxy's is the one that has tunnels.
ROUTES = tuple(
    Route(mode, connect, tls)
    for mode in Mode
    for connect in ((False, True) if mode is Mode.EXPLICIT else (False,))
    for tls in (False, True)
)


@dataclass(slots=True)
class Passage:
    """What was noted: ``phases`` by step, ``hooks`` of the chain, whether anything ``left``, the outcome."""

    route: Route
    path: Path
    phases: dict[str, list[str]] = field(default_factory=dict)
    hooks: set[str] = field(default_factory=set)
    left: bool = False
    outcome: Outcome | None = None
    unended: int = 0


async def rehearse(steps: Sequence[type[Step]], routes: Sequence[Route] = ROUTES) -> tuple[Passage, ...]:
    """Every path of every route through a chain of ``steps``."""
    logger.disable("addons")
    try:
        return tuple(
            [
                await _Rehearsal(steps, route, path).go()
                for route in routes
                for path in Path
                if route.has(path)
            ]
        )
    finally:
        logger.enable("addons")


class _Rehearsal:
    """One connection on one path. It stands in for what surrounds the chain: dialling, deadlines, tunnels."""

    def __init__(self, steps: Sequence[type[Step]], route: Route, path: Path) -> None:
        self.noted = Passage(route, path)
        self._acts = dict(_ACTS.get(path, {}))
        self._connections = Connections()
        crowd = 0 if path is Path.CROWDED else 10
        self._chain = Chain(
            [self._probe(kind) for kind in steps],
            bounds=Bounds(
                head_bytes_max=1024,
                header_count_max=10,
                body_bytes_max=1024,
                held_bytes_max=1024,
                connections_max=crowd,
                connections_per_address_max=crowd,
                head_timeout_s=5.0,
                body_timeout_s=5.0,
                body_bytes_per_second_min=1,
                idle_timeout_s=5.0,
                step_timeout_s=5.0,
                snapshot_age_max_s=10.0,
                message_bytes_max=1024,
                session_idle_timeout_s=5.0,
            ),
            around=cast(
                "Surroundings",
                SimpleNamespace(
                    connections=self._connections,
                    deadlines=_Quiet(),
                    dialling=SimpleNamespace(release=self._released, connect=self._dialled),
                    snapshots=SimpleNamespace(
                        current=build(1, datetime.now(UTC), Records()),
                        age_s=11.0 if path is Path.STALE else 0.0,
                    ),
                    tunnels=SimpleNamespace(
                        ended=lambda *_: self._note("record", "tunnel ended"),
                        refused=lambda *_: self._note("record", "tunnel refused"),
                    ),
                    turned_away=SimpleNamespace(
                        note=lambda *_: self._note("record", "connection refused"), done=lambda: None
                    ),
                ),
            ),
        )
        self._client = _client(route)
        self._server = connection.Server(address=(_HOST, 443))
        self._flow = http.HTTPFlow(self._client, self._server)
        self._flow.request = http.Request.make("POST", f"http://{_HOST}/v1/chat/completions", b"{}")
        if path in _SESSIONS:
            self._flow.request.headers["sec-websocket-key"] = _KEY

    async def go(self) -> Passage:
        """From the first byte to the last."""
        await self._hook("client_connected", self._client)
        if self.noted.path is Path.NOT_HTTP:
            await self._babble()
        elif self.noted.path is not Path.CROWDED:
            await self._talk()
        await self._hook("client_disconnected", self._client)
        visit = visit_of(self._flow)
        self.noted.outcome = visit.exchange.outcome if visit else None
        self.noted.unended = self._chain.calls_in_flight
        return self.noted

    async def _babble(self) -> None:
        """What is neither TLS nor HTTP; of the latter a layer tells, of the former a hook."""
        if self.noted.route.tls:
            self._client.error = client_hello.UNREADABLE
            await self._hook("tls_failed_client", SimpleNamespace(conn=self._client))
        else:
            watcher_of(self._client).unreadable(self._client, "valid-framing")

    async def _talk(self) -> None:
        route, path = self.noted.route, self.noted.path
        if route.connect:
            await self._hook("http_connect", self._tunnel())
            if path is Path.TUNNEL_REFUSED:
                return
        if route.tls and not await self._secured():
            return
        await self._hook("requestheaders", self._flow)
        if self._flow.response is None:
            await self._hook("request", self._flow)
        if self._flow.response is not None:
            await self._hook("response", self._flow)
        elif path is Path.STOPPED:
            await self._hook("done")
        else:
            await self._answer()

    async def _secured(self) -> bool:
        context = Context(self._client, options.Options())
        hello = SimpleNamespace(
            context=context, client_hello=SimpleNamespace(sni=_HOST, extensions=[]), ignore_connection=False
        )
        await self._hook("tls_clienthello", hello)
        self.noted.left = hello.ignore_connection
        if hello.ignore_connection or self.noted.path is Path.TLS_REFUSED:
            await self._hook("next_layer", SimpleNamespace(context=context, layer=None))
            return False
        await self._hook("tls_established_client", SimpleNamespace(context=context, conn=self._client))
        return True

    async def _answer(self) -> None:
        path = self.noted.path
        dialled = SimpleNamespace(client=self._client, server=self._server)
        await self._hook("server_connect", dialled)
        if path is Path.UNREACHABLE:
            await self._hook("server_connect_error", dialled)
            self._flow.error = flow.Error("connection refused")
            await self._hook("error", self._flow)
            return
        await self._hook("server_connected", dialled)
        self._flow.response = _answer_of(path)
        await self._hook("responseheaders", self._flow)
        if path in _SESSIONS:
            await self._converse()
            return
        stream = self._flow.response.stream
        if callable(stream):
            stream(b"data: {}\n\n")
        if path is Path.ABORTED_BY_PROVIDER:
            self._flow.error = flow.Error("connection closed")
            await self._hook("error", self._flow)
        elif path is not Path.ABORTED_BY_CLIENT:
            if callable(stream):
                stream(b"")
            await self._hook("response", self._flow)

    async def _converse(self) -> None:
        """A WebSocket: its handshake is answered, each side says something, and it ends."""
        path = self.noted.path
        self._flow.websocket = WebSocketData()
        await self._hook("response", self._flow)
        if path is not Path.SESSION_PASSED:
            for from_client in (True, False):
                await self._hook("session_message", self._flow, Message(from_client, True, b"{}"))
        outcome = {Path.SESSION_CUT: Outcome.CUT, Path.SESSION_ABORTED: Outcome.ABORTED_BY_PROVIDER}
        ended = outcome.get(path, Outcome.FINISHED)
        refusal = self.refuse(None) if path is Path.SESSION_CUT else None
        await self._hook("session_end", self._flow, ended, refusal, 1008)

    def _tunnel(self) -> http.HTTPFlow:
        asked = http.HTTPFlow(self._client, self._server)
        asked.request = http.Request.make("CONNECT", f"https://{_HOST}/")
        asked.request.authority = f"{_HOST}:443"
        return asked

    async def _hook(self, name: str, *arguments: Any) -> None:
        self.noted.hooks.add(name)
        result = getattr(self._chain, name)(*arguments)
        if inspect.isawaitable(result):
            await result

    def _probe(self, kind: type[Step]) -> Step:
        noting = {phase: _noting(kind.name, phase, self._note) for phase in implemented(kind)}
        return cast("Step", type(kind.__name__, (Step,), {"name": kind.name, **noting})())

    def _note(self, step: str, phase: str, subject: Any = None) -> Refusal | None:
        """Note a phase. What the path is to show happens in the first step that has the phase."""
        self.noted.phases.setdefault(step, []).append(phase)
        act = self._acts.pop(phase, None)
        return act(self, subject) if act is not None else None

    def _released(self, _visit: object) -> None:
        self.noted.left = True

    async def _dialled(self, _data: object) -> None:
        await asyncio.sleep(0)

    # What happens on a path

    def refuse(self, _subject: object) -> Refusal:
        return Refusal(Reason.INTERNAL, "Rehearsed.", "rehearsal")

    def fail(self, _subject: object) -> Refusal | None:
        raise RuntimeError("rehearsed")

    def tunnel(self, hello: Any) -> None:
        hello.ignore_connection = True
        facts = self._connections.of(self._client)
        facts.tunnel = Tunnel(_HOST, 443, Volume())
        facts.dialable.add((_HOST, 443))

    def passes(self, visit: Any) -> None:
        visit.passes = True

    def passes_unread(self, visit: Any) -> None:
        visit.passes = visit.flow.request.stream = True

    def passes_session(self, visit: Any) -> None:
        visit.passes = True
        visit.headers = {"upgrade": "websocket"}

    def opens(self, visit: Any) -> None:
        visit.headers = {"upgrade": "websocket"}
        visit.session = Session(Dialect.OTHER)

    def cut(self, visit: Any) -> None:
        visit.exchange.refusal = self.refuse(None)
        visit.flow.metadata[CUT] = True


_SESSIONS = frozenset({Path.SESSION, Path.SESSION_CUT, Path.SESSION_ABORTED, Path.SESSION_PASSED})

_ACTS: dict[Path, dict[str, Callable[[_Rehearsal, Any], Refusal | None]]] = {
    Path.PASSED: {"body": _Rehearsal.passes},
    Path.LONG: {"head": _Rehearsal.passes_unread},
    Path.REFUSED_BY_HEAD: {"head": _Rehearsal.refuse},
    Path.REFUSED_BY_BODY: {"body": _Rehearsal.refuse},
    Path.STEP_FAILED: {"head": _Rehearsal.fail},
    Path.UNREADABLE_ANSWER: {"answer_head": _Rehearsal.fail},
    Path.CUT: {"answer_chunk": _Rehearsal.cut},
    Path.SESSION: {"head": _Rehearsal.opens},
    Path.SESSION_CUT: {"head": _Rehearsal.opens, "message": _Rehearsal.refuse},
    Path.SESSION_ABORTED: {"head": _Rehearsal.opens},
    Path.SESSION_PASSED: {"head": _Rehearsal.passes_session},
    Path.TUNNELLED: {"client_hello": _Rehearsal.tunnel},
    Path.TUNNEL_REFUSED: {"connect": _Rehearsal.refuse},
    Path.TLS_REFUSED: {"client_hello": _Rehearsal.fail},
}


class _Quiet:
    """Deadlines that never come."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


def _noting(step: str, phase: str, note: Callable[..., Refusal | None]) -> Callable[..., Any]:
    default = getattr(Step, phase)

    async def noted_later(_self: Step, *arguments: Any) -> Any:
        return note(step, phase, arguments[0])

    def noted(self: Step, *arguments: Any) -> Any:
        return note(step, phase, arguments[0]) or default(self, *arguments)

    return noted_later if inspect.iscoroutinefunction(default) else noted


def _client(route: Route) -> connection.Client:
    (kind,) = (kind for kind, mode in MODES.items() if mode is route.mode)
    spec = f"{kind.type_name}:http://{_HOST}" if kind is mode_specs.ReverseMode else kind.type_name
    return connection.Client(
        peername=_CLIENT,
        sockname=("192.0.2.2", 443),
        proxy_mode=mode_specs.ProxyMode.parse(spec),
        sni=_HOST if route.tls else None,
    )


def _answer_of(path: Path) -> http.Response:
    if path in _SESSIONS:
        return http.Response.make(SWITCHED, b"", _HANDSHAKE)
    if path in (Path.ANSWERED, Path.UNREADABLE_ANSWER):
        return http.Response.make(_SERVED, b"{}", {"content-type": "application/json"})
    answer = http.Response.make(_SERVED, b"", {"content-type": "text/event-stream"})
    answer.headers.pop("content-length", None)
    return answer
