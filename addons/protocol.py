"""What mitmproxy's protocol layers get wrong for a gateway, put right in one place.

Nothing here decides about a call. Each class replaces the one of mitmproxy 12.2.3 that it derives from, by
the module-level name that mitmproxy looks up when it makes a layer; ``install`` does so once a process.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy import connection, flow, http
from mitmproxy.proxy import commands, events, layer, mode_servers
from mitmproxy.proxy import layers as proxy_layers
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import tls, websocket
from mitmproxy.proxy.layers.http import _http1

from addons import client_hello, trailers
from addons.connection_handler import Handler
from addons.floods import BoundedHttp2Server
from addons.watching import Commands, watcher_of
from addons.websocket import WebSocketSession

# Of a provider's answer. The heads of SDKs and agents, the other way, are bounded by `limits.head_bytes_max`.
ANSWER_HEAD_BYTES_MAX = 64 * 1024

# What a client may send ahead while the answer to its request is awaited.
AHEAD_BYTES_MAX = 256 * 1024

# How mitmproxy's message begins about a body whose chunks are none, and about one that its sender breaks off.
_UNREADABLE_BODY = "HTTP/1 protocol error"
_CUT_BODY = f"{_UNREADABLE_BODY}: peer closed"

# Keys of `flow.metadata` by which the chain speaks to these layers.
CUT = "conduit.cut"
INVALID = "conduit.invalid"
REQUEST_BYTES_MAX = "conduit.request_bytes_max"
RESPONSE_BYTES_MAX = "conduit.response_bytes_max"
TOO_LARGE = "conduit.too_large"
# Takes how many bytes more are to be held; false where there is no room, and then the answer is set.
HOLD = "conduit.hold"
REPLACED = "conduit.replaced"
# Set where the client's side ended an exchange: true for a body that cannot be read, false for any else.
CLIENT_FAILED = "conduit.client_failed"

_REQUEST_LINE = re.compile(rb"[!-~]+ [!-~\x80-\xff]+ HTTP/1\.[01]\r?\n")
_METHOD_BEGINS = re.compile(rb"[!-~]|\Z")
_HEAD_END = re.compile(rb"\n\r?\n")
_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r\n]")


@dataclass
class EndNow(events.Event):
    """Injected by the chain: the exchange of this flow is to end, also if its provider says nothing."""

    flow: http.HTTPFlow


class Stream(layers.HttpStream):
    """An HTTP exchange that can be refused before its body has come, and cut with a last chunk."""

    def check_invalid(self, request: bool) -> Commands:
        """Leave an invalid request to the chain, which refuses it in the shape that its caller expects."""
        if not request:
            return (yield from super().check_invalid(request))
        problem = layers.validate_request(self.mode, self.flow.request, True)
        if problem:
            self.flow.metadata[INVALID] = problem
        return False

    def check_body_size(self, request: bool) -> Commands:  # noqa: ARG002 - mitmproxy's signature
        """Nothing: mitmproxy's own options for bodies are not set, the chain bounds each in bytes held."""
        yield from ()
        return False

    def check_killed(self, emit_error_hook: bool) -> Commands:
        """Called after each hook: a response set in ``requestheaders``, or in place of another, is sent."""
        if self.flow.response and self.client_state == self.state_wait_for_request_headers:
            yield from self._refuse_early()
            return True
        if self.flow.metadata.pop(REPLACED, False):
            yield from self._replace_answer()
            return True
        for waiting in self._paused_event_queue:
            if isinstance(waiting, layers.RequestProtocolError):
                self._client_failed(waiting.message)
                break
        return (yield from super().check_killed(emit_error_hook))

    def _replace_answer(self) -> Commands:
        # The provider's answer has begun, or is awaited, and the chain has put its own in its place.
        yield self._reset_provider()
        yield layers.HttpResponseHook(self.flow)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield from self._send_own_answer()
        yield layers.DropStream(self.stream_id)

    def handle_connect(self) -> Commands:
        """A tunnel, where this door has tunnels; elsewhere CONNECT is a request like others, and refused."""
        if self.mode is layers.HTTPMode.regular:
            yield from super().handle_connect()
        else:
            yield layers.HttpRequestHeadersHook(self.flow)
            yield from self._refuse_early()

    def _refuse_early(self) -> Commands:
        # mitmproxy would wait for the whole body first, and for ever where it never ends.
        yield layers.HttpResponseHeadersHook(self.flow)
        yield layers.HttpResponseHook(self.flow)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        client = self.context.client
        one_at_a_time = client.alpn != b"h2"
        if one_at_a_time and self.flow.response:
            self.flow.response.headers["connection"] = "close"
        yield from self._send_own_answer()
        if one_at_a_time:
            # The handler lingers, so that the client reads the answer; what it still sends is dropped.
            yield commands.CloseConnection(client)
        else:
            cancel = layers.ResponseProtocolError(self.stream_id, "refused", layers.ErrorCode.CANCEL)
            yield layers.SendHttp(cancel, client)

    def _send_own_answer(self) -> Commands:
        response, client = self.flow.response, self.context.client
        if response is None:
            raise TypeError("the chain left a refused exchange without an answer")
        body = response.raw_content or b""
        yield layers.SendHttp(layers.ResponseHeaders(self.stream_id, response, not body), client)
        if body:
            yield layers.SendHttp(layers.ResponseData(self.stream_id, body), client)
        yield layers.SendHttp(layers.ResponseEndOfMessage(self.stream_id), client)

    def state_consume_request_body(self, event: events.Event) -> Commands:
        """Buffer the body, up to the bound in bytes that the chain set for this exchange."""
        limit, size = self.flow.metadata.get(REQUEST_BYTES_MAX), len(getattr(event, "data", b""))
        if limit is not None and len(self.request_body_buf) + size > limit:
            self.flow.metadata[TOO_LARGE]()
        elif not size or self.flow.metadata[HOLD](size):
            yield from super().state_consume_request_body(event)
            return
        self.request_body_buf.clear()
        yield from self._refuse_early()

    def state_consume_response_body(self, event: events.Event) -> Commands:
        """Buffer the answer, up to the bound in bytes that the chain set for this exchange."""
        limit = self.flow.metadata.get(RESPONSE_BYTES_MAX)
        held = len(self.response_body_buf) + len(getattr(event, "data", b""))
        if limit is None or held <= limit:
            yield from super().state_consume_response_body(event)
            return
        too_long = layers.ErrorCode.RESPONSE_TOO_LARGE
        yield layers.SendHttp(
            layers.RequestProtocolError(self.stream_id, "too long", too_long), self.context.server
        )
        yield from self.handle_protocol_error(
            layers.ResponseProtocolError(self.stream_id, "the answer is too long", too_long)
        )

    def state_stream_response_body(self, event: events.Event) -> Commands:
        """Relay the answer; once the chain marks it as cut, end it cleanly and reset the provider."""
        yield from super().state_stream_response_body(event)
        if self.flow.metadata.get(CUT) and self.server_state == self.state_stream_response_body:
            yield self._reset_provider()
            yield from super().state_stream_response_body(layers.ResponseEndOfMessage(self.stream_id))

    def _handle_event(self, event: events.Event) -> Commands:
        # No generator of its own: most events are mitmproxy's alone, several for each part of a body.
        if isinstance(event, EndNow):
            return self._end_now()
        if isinstance(event, layers.RequestTrailers):
            return self._judge_trailers(event)
        if isinstance(event, layers.ResponseTrailers):
            return self._pass_trailers(event)
        handled: Commands = super()._handle_event(event)
        return handled

    def _pass_trailers(self, event: layers.ResponseTrailers) -> Commands:
        # An answer of our own may have begun meanwhile; what is dropped needs no handling.
        kept = trailers.passed(self.flow, event.trailers)
        if kept is not None:
            yield from super()._handle_event(layers.ResponseTrailers(self.stream_id, kept))

    def _judge_trailers(self, event: layers.RequestTrailers) -> Commands:
        """Refuse those that could be taken for a part of the head; what is left decides nothing, and ends."""
        reading = (self.state_consume_request_body, self.state_stream_request_body)
        if self.client_state not in reading or not trailers.refuses(self.flow, event.trailers):
            return
        self.request_body_buf.clear()
        if self.client_state == self.state_stream_request_body:
            yield self._reset_provider()
        yield from self._refuse_early()

    def _end_now(self) -> Commands:
        """The chain has refused a call that is under way, or cut its answer; either side may be silent."""
        answering = (self.state_wait_for_response_headers, self.state_consume_response_body)
        if self.server_state == self.state_stream_response_body:
            yield self._reset_provider()
            yield from super().state_stream_response_body(layers.ResponseEndOfMessage(self.stream_id))
        elif self.server_state in answering and self.client_state == self.state_done:
            yield from self._replace_answer()
        elif self.client_state == self.state_stream_request_body:
            yield self._reset_provider()
            yield from self._refuse_early()
        elif self.client_state == self.state_consume_request_body:
            self.request_body_buf.clear()
            yield from self._refuse_early()

    def _reset_provider(self) -> commands.Command:
        reset = layers.RequestProtocolError(self.stream_id, "cut", layers.ErrorCode.CANCEL)
        return layers.SendHttp(reset, self.context.server)

    def handle_protocol_error(
        self, event: layers.RequestProtocolError | layers.ResponseProtocolError
    ) -> Commands:
        """End a cut answer cleanly; answer in our own words where the provider failed before answering."""
        if not isinstance(event, layers.ResponseProtocolError):
            self._client_failed(event.message)
            yield from super().handle_protocol_error(event)
        elif self.flow.metadata.get(CUT) and self.server_state == self.state_stream_response_body:
            yield from super().state_stream_response_body(layers.ResponseEndOfMessage(self.stream_id))
        elif self.client_state == self.state_done and self.server_state in (
            self.state_wait_for_response_headers,
            self.state_consume_response_body,
        ):
            yield from self._answer_for_provider(event)
        else:
            yield from super().handle_protocol_error(event)

    def _client_failed(self, message: str) -> None:
        unreadable = message.startswith(_UNREADABLE_BODY) and not message.startswith(_CUT_BODY)
        self.flow.metadata[CLIENT_FAILED] = unreadable

    def _answer_for_provider(self, event: layers.ResponseProtocolError) -> Commands:
        self.flow.response = None
        self.flow.error = flow.Error(event.message)
        yield layers.HttpErrorHook(self.flow)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield from self._send_own_answer()
        yield layers.DropStream(self.stream_id)


class BoundedHttp1Server(layers.Http1Server):
    """A client connection whose request head is bounded and begins as RFC 9112 section 3 says.

    mitmproxy reads without limit, and splits the request line at any white space that Python knows.
    """

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Refuse a head over the bound before it is complete, and a request line with two readings."""
        client = self.context.client
        watcher = watcher_of(client)
        came = bytes(self.buf)
        begun = came.lstrip(b"\r\n")
        if len(begun) < len(came):  # empty lines before a request (RFC 9112 section 2.2); h11 stops at each
            self.buf.maybe_extract_at_most(len(came) - len(begun))
        # What cannot begin a method, as of SOCKS or half a TLS record, need not be waited for.
        if not _METHOD_BEGINS.match(begun) or (b"\n" in begun and not _REQUEST_LINE.match(begun)):
            yield from self._refuse(400, "valid-framing")
            return
        if self._head_length(begun) > watcher.head_bytes_max:
            yield from self._refuse(413, "head-size")
            return
        yield from super().read_headers(event)
        if self.state == self.done and self.request is None:
            watcher.unreadable(client, "valid-framing")
        elif self.state == self.read_headers and begun:
            watcher.head_begun(client)

    @staticmethod
    def _head_length(begun: bytes) -> int:
        """Of what has come, as far as its first empty line."""
        end = _HEAD_END.search(begun)
        return end.start() if end else len(begun)

    def read_body(self, event: events.Event) -> Commands:
        """Answer a body whose framing breaks; mitmproxy closes without a word."""
        for command in super().read_body(event):
            if isinstance(command, commands.CloseConnection) and self.response is None:
                yield commands.SendData(self.conn, _http1.make_error_response(400, ""))
            ends = isinstance(command, layers.ReceiveHttp) and isinstance(
                command.event, layers.RequestEndOfMessage
            )
            fields = getattr(self.body_reader, "trailers", ())
            if ends and fields:
                yield layers.ReceiveHttp(layers.RequestTrailers(self.stream_id, http.Headers(fields)))
            yield command

    def wait(self, event: events.Event) -> Commands:
        """Bound what is sent ahead while an answer is awaited; it is kept until then."""
        yield from super().wait(event)
        if len(self.buf) > AHEAD_BYTES_MAX:
            watcher_of(self.context.client).unreadable(self.context.client, "sent-ahead")
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            gone = layers.ErrorCode.CLIENT_DISCONNECTED
            yield layers.ReceiveHttp(
                self.ReceiveProtocolError(self.stream_id, "Client disconnected.", code=gone)
            )

    def _refuse(self, status: int, rule: str) -> Commands:
        watcher_of(self.context.client).unreadable(self.context.client, rule)
        yield commands.SendData(self.conn, _http1.make_error_response(status, ""))
        yield commands.CloseConnection(self.conn)
        self.state = self.done


class FinalAnswerHttp1Client(layers.Http1Client):
    """A provider connection that skips 1xx answers; mitmproxy takes them for the final one (issue 2229)."""

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Drop informational heads, then read the final one; a head over the bound ends the connection."""
        if isinstance(event, events.DataReceived) and self.request:
            while _INFORMATIONAL.match(bytes(self.buf)):
                if not self.buf.maybe_extract_lines():
                    return
            if len(self.buf) > ANSWER_HEAD_BYTES_MAX and b"\r\n\r\n" not in bytes(self.buf):
                yield commands.CloseConnection(self.conn)
                return
        yield from super().read_headers(event)


class CloseAtOnce(layer.Layer):
    """Ends a connection that speaks something which is not let through."""

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


class NoHttp(CloseAtOnce):
    """In place of what mitmproxy speaks beside HTTP: DNS, in a tunnel to its port."""

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Start):
            watcher_of(self.context.client).unreadable(self.context.client, "valid-framing")
        yield from super()._handle_event(event)


def _connection_matches(self: layers.GetHttpConnection, candidate: connection.Connection) -> bool:
    """Reuse a provider connection by the name that it was opened for, since its address is pinned."""
    return (
        isinstance(candidate, connection.Server)
        and self.address == getattr(candidate, "asked", candidate.address)
        and self.tls == candidate.tls
        and self.via == candidate.via
        and self.transport_protocol == candidate.transport_protocol
    )


_handle_http_event = layers.HttpLayer._handle_event


def _handle_event(self: layers.HttpLayer, event: events.Event) -> Commands:
    return _lead(self, event) if isinstance(event, EndNow) else _handle_http_event(self, event)


def _lead(self: layers.HttpLayer, event: EndNow) -> Commands:
    """Lead the event to its exchange, through the tunnels that lie around it."""
    streams = list(self.streams.values())
    for stream in [each for each in streams if getattr(each, "flow", None) is event.flow] or [
        each for each in streams if each.child_layer is not None
    ]:
        yield from self.event_to_child(stream, event)


def install(answer: Callable[[int, str], http.Response]) -> None:
    """Replace mitmproxy's classes by those above.

    ``answer(status, message)`` makes the response to what the core refuses before an exchange exists; the
    message is mitmproxy's and may quote the client's bytes.
    """

    def error_page(status: int, message: str = "") -> bytes:
        return bytes(_http1.http1.assemble_response(answer(status, message)))

    original_reader = _http1.make_body_reader
    original_hello = tls.ClientTLSLayer.receive_handshake_data
    replacements = (
        (_http1, "make_body_reader", lambda size: trailers.WithoutTrailers(original_reader(size))),
        (_http1, "make_error_response", error_page),
        (layers, "HttpStream", Stream),
        (layers, "Http1Server", BoundedHttp1Server),
        (layers, "Http1Client", FinalAnswerHttp1Client),
        (layers, "Http2Server", BoundedHttp2Server),
        (layers.GetHttpConnection, "connection_spec_matches", _connection_matches),
        (tls.ClientTLSLayer, "receive_handshake_data", client_hello.bounded(original_hello)),
        (mode_servers, "ProxyConnectionHandler", Handler),
        (layers.HttpLayer, "_handle_event", _handle_event),
        (websocket, "WebsocketLayer", WebSocketSession),
        (proxy_layers, "DNSLayer", NoHttp),
    )
    for owner, name, replacement in replacements:
        setattr(owner, name, replacement)
