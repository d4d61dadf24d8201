"""Fields that follow a body (RFC 9110 section 6.5): judged in a question, dropped or scrubbed in an answer.

mitmproxy hangs on those of HTTP/1 (issue 2474), and hands on those of HTTP/2 unseen, to a provider or a
client of HTTP/1 too, for which its layers then have no words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
from mitmproxy import http

from policy.head import Fields

# Parsed before they are judged or dropped; h11 sets no bound.
TRAILERS_BYTES_MAX = 16 * 1024

# The key of `flow.metadata` under which the chain leaves how the trailers of an exchange are handled.
TRAILERS = "conduit.trailers"


@dataclass(frozen=True, slots=True)
class TrailerHandling:
    """What the chain gives the layer.

    ``refuses`` sets the answer of an exchange whose question ends in fields that may not stand there, and
    tells whether it did. ``passed`` gives what of an answer's may reach the client.
    """

    refuses: Callable[[Fields], bool]
    passed: Callable[[Fields], Fields]


class WithoutTrailers:
    """A body reader that takes the trailers off and keeps them in ``trailers``."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.trailers: Fields = ()

    def __call__(self, buffer: Any) -> Any:
        event = self._reader(buffer)
        in_trailers = event is None and getattr(self._reader, "_reading_trailer", False)
        if in_trailers and len(buffer) > TRAILERS_BYTES_MAX:
            raise h11.RemoteProtocolError("the trailers are too long")
        if not isinstance(event, h11.EndOfMessage) or not event.headers:
            return event
        self.trailers = tuple((bytes(name), bytes(value)) for name, value in event.headers)
        return h11.EndOfMessage()

    def read_eof(self) -> Any:
        """As the reader beneath."""
        return self._reader.read_eof()


def refuses(flow: http.HTTPFlow, trailers: http.Headers) -> bool:
    """Whether these may not follow the question of ``flow``; then its answer is set."""
    handling: TrailerHandling = flow.metadata[TRAILERS]
    return handling.refuses(trailers.fields)


def passed(flow: http.HTTPFlow, trailers: http.Headers) -> http.Headers | None:
    """What of these may follow the answer of ``flow``. A client of HTTP/1 is sent none."""
    handling: TrailerHandling = flow.metadata[TRAILERS]
    fields = handling.passed(trailers.fields) if flow.client_conn.alpn == b"h2" else ()
    return http.Headers(fields) if fields else None
