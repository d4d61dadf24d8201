"""The WebSocket of an admitted call: frames read and written anew, one whole message at a time (RFC 6455).

mitmproxy's own layer holds messages without bound, keeps them for ever, and has no ending of ours. This one
knows nothing of policy: each whole message goes to the chain, which changes it, lets it go or ends the
session. What is no AI call is relayed byte by byte and only counted.

No extension is negotiated (``policy.handshake``), so a reserved bit is an error, and nothing is compressed.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

from mitmproxy import connection, http
from mitmproxy.proxy import commands, events, layer
from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from addons.rate import Rate
from addons.session import Message
from policy.exchange import Outcome
from policy.refusals import Refusal

# As a message may come in parts of any size, their number is bounded too; Autobahn's longest has 65,536.
FRAGMENTS_MAX = 100_000
# Pings and pongs of one side; the SDKs send one in twenty seconds.
CONTROL_FRAMES_MAX = 200
CONTROL_FRAMES_WINDOW_S = 10.0
# How long the provider has to end what it is saying, once the client has closed.
PROVIDER_WAIT_S = 0.9
# How long the client has to read our close frame and to answer it.
CLOSE_WAIT_S = 2.0

Commands = Generator[commands.Command, Any]


@dataclass
class SessionMessageHook(commands.StartHook):
    """A whole message has come; the chain judges it in place."""

    flow: http.HTTPFlow
    message: Message


@dataclass
class SessionEndHook(commands.StartHook):
    """The session has ended; called once, when it is clear how."""

    flow: http.HTTPFlow
    outcome: Outcome
    refusal: Refusal | None
    close_code: int | None


class EndSession(events.MessageInjected[Refusal]):
    """The chain ends the session from outside: it was revoked, or silent for too long."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a side is told at the end: an event in the provider's shape where it has one, then the close."""

    event: str | None
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Handling:
    """What the chain gives the layer: bounds, the bytes' counter, and the words of a refusal.

    ``inspected`` is false for what is relayed as it is; ``hear`` is told of that (from the client, what).
    ``count`` takes (from the client, bytes). ``scrub`` takes what a provider put into a control frame.
    """

    inspected: bool
    message_bytes_max: int
    count: Callable[[bool, int], None]
    hear: Callable[[bool, bytes], None]
    scrub: Callable[[bytes], bytes]
    too_large: Callable[[bool], Refusal]
    broken: Callable[[str], Refusal]
    ending: Callable[[Refusal], Ending]


class _Violation(Exception):
    """A side broke the protocol; the text is for the log and quotes nothing."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Side:
    """One of the two connections: its frames, and the message that is being put together."""

    def __init__(self, conn: connection.Connection, *, is_client: bool, bytes_max: int) -> None:
        self.conn = conn
        self.is_client = is_client
        self._frames = FrameProtocol(client=not is_client, extensions=[])
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._size = 0
        self._fragments = 0
        self._control = Rate(CONTROL_FRAMES_MAX, CONTROL_FRAMES_WINDOW_S)

    def read(self, data: bytes) -> Generator[Frame | Message]:
        """Control frames and whole messages, in their order; raises ``_Violation``."""
        self._frames.receive_bytes(data)
        try:
            for frame in self._frames.received_frames():
                if frame.opcode.iscontrol():
                    self._count_control()
                    yield frame
                elif (message := self._gather(frame)) is not None:
                    yield message
        except ParseFailed as problem:
            raise _Violation(int(problem.code), "a frame is not as RFC 6455 has it") from problem

    def _count_control(self) -> None:
        if self._control.is_over(time.monotonic()):
            raise _Violation(CloseReason.POLICY_VIOLATION, "too many control frames")

    def _gather(self, frame: Frame) -> Message | None:
        payload = frame.payload  # text or bytes: only a close frame, which never comes here, has a tuple
        part = payload.encode() if isinstance(payload, str) else bytes(payload)  # type: ignore[arg-type]
        self._size += len(part)
        self._fragments += frame.frame_finished
        if self._size > self._bytes_max or self._fragments > FRAGMENTS_MAX:
            raise _Violation(CloseReason.MESSAGE_TOO_BIG, "a message is too long")
        self._parts.append(part)
        if not frame.message_finished:
            return None
        content, self._parts, self._size, self._fragments = b"".join(self._parts), [], 0, 0
        return Message(self.is_client, frame.opcode is Opcode.TEXT, content)

    def message(self, content: bytes, *, text: bool) -> commands.SendData:
        """A message to this side, in one frame."""
        return commands.SendData(
            self.conn, bytes(self._frames.send_data(content.decode() if text else content, fin=True))
        )

    def control(self, opcode: Opcode, payload: bytes) -> commands.SendData:
        """A ping or pong of the other side."""
        send = self._frames.ping if opcode is Opcode.PING else self._frames.pong
        return commands.SendData(self.conn, bytes(send(payload)))

    def close(self, code: int, reason: str = "") -> commands.SendData:
        """The last frame to this side."""
        without = code == CloseReason.NO_STATUS_RCVD
        return commands.SendData(self.conn, bytes(self._frames.close(*(() if without else (code, reason)))))


class WebSocketSession(layer.Layer):
    """Relays one session. It takes the place of mitmproxy's layer of the same purpose."""

    def __init__(self, context: Any, flow: http.HTTPFlow) -> None:
        super().__init__(context)
        self.flow = flow
        self._handling: Handling = flow.metadata[HANDLING]
        bound = self._handling.message_bytes_max
        self._client = _Side(context.client, is_client=True, bytes_max=bound)
        self._server = _Side(context.server, is_client=False, bytes_max=bound)
        self._said = (int(CloseReason.NO_STATUS_RCVD), "")
        self._state: Callable[[events.Event], Commands] = self._begin

    def _handle_event(self, event: events.Event) -> Commands:
        yield from self._state(event)

    def _begin(self, _event: events.Event) -> Commands:
        self._state = self._relay if self._handling.inspected else self._pass_on
        yield from ()

    # What is no AI call

    def _pass_on(self, event: events.Event) -> Commands:
        if isinstance(event, events.DataReceived):
            from_client = event.connection == self.context.client
            self._handling.count(from_client, len(event.data))
            self._handling.hear(from_client, event.data)
            yield commands.SendData(self._other(event.connection).conn, event.data)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._over(Outcome.FINISHED, None, None)
            yield commands.CloseConnection(self.context.client)
            yield commands.CloseConnection(self.context.server)
            self._state = self._done

    # What is

    def _relay(self, event: events.Event) -> Commands:
        if isinstance(event, EndSession):
            yield from self._cut(event.message)
        elif isinstance(event, events.DataReceived):
            side = self._client if event.connection == self.context.client else self._server
            self._handling.count(side.is_client, len(event.data))
            yield from self._read(side, event.data)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._lost(by_client=event.connection == self.context.client)

    def _read(self, side: _Side, data: bytes) -> Commands:
        state = self._state
        try:
            for item in side.read(data):
                if isinstance(item, Message):
                    yield from self._message(item)
                elif item.opcode is Opcode.CLOSE:
                    yield from self._closed_by(side, item)
                else:
                    yield self._control(side, item)
                if self._state != state:
                    return
        except _Violation as problem:
            yield from self._violated(side, problem)

    def _control(self, side: _Side, frame: Frame) -> commands.SendData:
        """A ping or pong goes on to the other side; what a provider puts in it may not be our key."""
        # Of a ping or pong it is bytes.
        payload = bytes(frame.payload)  # type: ignore[arg-type]
        return self._other(side.conn).control(
            frame.opcode, payload if side.is_client else self._handling.scrub(payload)
        )

    def _message(self, message: Message) -> Commands:
        yield SessionMessageHook(self.flow, message)
        if message.refusal is not None:
            yield from self._cut(message.refusal)
            return
        receiver = self._server if message.from_client else self._client
        yield receiver.message(message.content, text=message.text)

    # Endings

    def _closed_by(self, side: _Side, frame: Frame) -> Commands:
        """The closing handshake: the other side is told what this one said."""
        code, reason = cast("tuple[int, str]", frame.payload)
        if self._state == self._await_provider:
            yield from self._both_closed()
        elif side.is_client:
            self._said = (int(code), reason)
            self._state = self._await_provider
            yield self._server.close(int(code), reason)
            yield commands.RequestWakeup(PROVIDER_WAIT_S)
        else:
            told = self._handling.scrub(reason.encode()).decode()
            yield from self._over(Outcome.FINISHED, None, int(code))
            yield self._client.close(int(code), told)
            yield self._server.close(int(code), told)
            yield commands.CloseConnection(self.context.server)
            yield from self._close_client(answered=False)

    def _await_provider(self, event: events.Event) -> Commands:
        """The client has closed. What the provider still says, such as what it charges, passes."""
        if isinstance(event, events.DataReceived):
            if event.connection == self.context.server:
                self._handling.count(False, len(event.data))
                yield from self._read(self._server, event.data)
        else:
            yield from self._both_closed()

    def _both_closed(self) -> Commands:
        code, reason = self._said
        yield from self._over(Outcome.FINISHED, None, code)
        yield self._client.close(code, reason)
        yield commands.CloseConnection(self.context.server)
        yield from self._close_client(answered=True)

    def _lost(self, *, by_client: bool) -> Commands:
        """A side has gone without a word."""
        outcome = Outcome.ABORTED_BY_CLIENT if by_client else Outcome.ABORTED_BY_PROVIDER
        yield from self._over(outcome, None, None)
        if by_client:
            yield self._server.close(CloseReason.GOING_AWAY)
        else:
            yield self._client.close(CloseReason.INTERNAL_ERROR, "the provider has gone")
        yield commands.CloseConnection(self.context.server)
        yield from self._close_client(answered=by_client)

    def _violated(self, side: _Side, problem: _Violation) -> Commands:
        """A side that breaks the protocol is told so by the code for it; the other, that it is over."""
        if problem.code == CloseReason.MESSAGE_TOO_BIG:
            refusal: Refusal | None = self._handling.too_large(side.is_client)
        else:
            refusal = self._handling.broken(str(problem)) if side.is_client else None
        outcome = Outcome.CUT if refusal is not None else Outcome.ABORTED_BY_PROVIDER
        yield from self._over(outcome, refusal, problem.code)
        yield side.close(problem.code)
        if side.is_client:
            yield self._server.close(CloseReason.GOING_AWAY)
        else:
            yield self._client.close(CloseReason.INTERNAL_ERROR, "the provider broke the protocol")
        yield commands.CloseConnection(self.context.server)
        yield from self._close_client(answered=False)

    def _cut(self, refusal: Refusal) -> Commands:
        """The gateway ends the session: an event in the provider's shape, then the close frame."""
        ending = self._handling.ending(refusal)
        yield from self._over(Outcome.CUT, refusal, ending.code)
        if ending.event is not None:
            yield self._client.message(ending.event.encode(), text=True)
        yield self._client.close(ending.code, ending.reason)
        yield self._server.close(CloseReason.GOING_AWAY)
        yield commands.CloseConnection(self.context.server)
        yield from self._close_client(answered=False)

    def _over(self, outcome: Outcome, refusal: Refusal | None, code: int | None) -> Commands:
        self._state = self._await_close
        yield SessionEndHook(self.flow, outcome, refusal, code)
        self.flow.live = False

    def _close_client(self, *, answered: bool) -> Commands:
        """Closed at once where both have said so; else what is unread would reset the connection, and our
        close frame with it, so the client has a moment to answer."""
        if answered:
            yield commands.CloseConnection(self.context.client)
            self._state = self._done
        else:
            yield commands.RequestWakeup(CLOSE_WAIT_S)

    def _await_close(self, event: events.Event) -> Commands:
        """What the client still says is dropped, up to its close frame."""
        ended = isinstance(event, events.Wakeup)
        if isinstance(event, events.DataReceived | events.ConnectionClosed):
            ended = event.connection == self.context.client and (
                isinstance(event, events.ConnectionClosed) or self._has_close(event.data)
            )
        if ended:
            yield commands.CloseConnection(self.context.client)
            self._state = self._done

    def _has_close(self, data: bytes) -> bool:
        try:
            return any(
                isinstance(item, Frame) and item.opcode is Opcode.CLOSE for item in self._client.read(data)
            )
        except _Violation:
            return False

    def _done(self, _event: events.Event) -> Commands:
        yield from ()

    def _other(self, conn: connection.Connection) -> _Side:
        return self._server if conn == self.context.client else self._client


# The key of `flow.metadata` under which the chain leaves how a session is handled.
HANDLING = "conduit.session_handling"
