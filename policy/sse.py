"""Streams of events, cut at their own boundaries: server-sent events, a JSON array, lines of JSON.

A parser takes chunks as they come and gives whole events, each with its bytes as they were: the events'
``raw`` parts, joined, are the stream. It does not read what the events say (``policy.usage``).
"""

import re
from typing import NamedTuple, Protocol

EVENT_BYTES_MAX = 16 * 1024 * 1024

# A line ends in CR, LF or CRLF (WHATWG HTML §9.2.6); two line ends are the end of an event. The groups are
# atomic, so that a CRLF is never taken for two line ends.
_EVENT_END = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_STRUCTURE = re.compile(rb'["\[\]{}]')
_STRING_PART = re.compile(rb'[^"\\]*+(?:\\[\x00-\xff][^"\\]*+)*+')


class Event(NamedTuple):
    """One event. ``raw`` is its bytes with the boundary; ``data`` is ``None`` for a comment or if over-long.

    ``name`` is the ``event`` field of a server-sent event, else empty.
    """

    raw: bytes
    name: bytes
    data: bytes | None


class Events(Protocol):
    """What cuts a stream into events. Neither method ever raises, whatever the bytes are."""

    @property
    def open_bytes(self) -> int:
        """How many bytes of an event that is not whole yet have been taken."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes."""

    def finish(self) -> list[Event]:
        """What is left when the stream ends: an event without its boundary, or nothing."""


class _Boundaries:
    """Keeps the bytes of the event under way, no more than ``EVENT_BYTES_MAX`` of them.

    An event that grows beyond it is given in parts that carry no data.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._too_long = False

    @property
    def open_bytes(self) -> int:
        return len(self._rest)

    def feed(self, chunk: bytes) -> list[Event]:
        self._rest += chunk
        events = []
        start = 0
        while (end := self._next_boundary()) >= 0:
            events.append(self._event(bytes(self._rest[start:end])))
            start = self._searched = end
            self._too_long = False
        del self._rest[:start]
        self._searched -= start
        if len(self._rest) > EVENT_BYTES_MAX:
            events.append(Event(bytes(self._rest), b"", None))
            self._forget()
            self._too_long = True
        return events

    def finish(self) -> list[Event]:
        rest = bytes(self._rest)
        self._forget()
        return [self._event(rest)] if rest else []

    def _event(self, raw: bytes) -> Event:
        return Event(raw, b"", None) if self._too_long else self._read(raw)

    def _forget(self) -> None:
        self._rest.clear()
        self._searched = 0

    def _next_boundary(self) -> int:
        """Where the next whole event ends, searching from ``_searched`` on; -1 if it is not there yet."""
        raise NotImplementedError

    def _read(self, raw: bytes) -> Event:
        raise NotImplementedError


class ServerSentEvents(_Boundaries):
    """``text/event-stream``."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes; the usual chunk holds whole events and is not buffered."""
        if not self._rest and not self._too_long and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            return [self._read(part + b"\n\n") for part in chunk[:-2].split(b"\n\n")]
        return super().feed(chunk)

    def _next_boundary(self) -> int:
        found = _EVENT_END.search(self._rest, self._searched)
        if found is None:
            self._searched = max(self._searched, len(self._rest) - 3)
            return -1
        end = found.end()
        if end == len(self._rest) and self._rest[-1] == 0x0D:
            # The CR may be half of a CRLF that the next chunk completes.
            self._searched = found.start()
            return -1
        return end

    def _read(self, raw: bytes) -> Event:
        if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
            return Event(raw, b"", raw[6:-2])
        name, data = b"", []
        for line in raw.removeprefix(b"\xef\xbb\xbf").splitlines():
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        return Event(raw, name, b"\n".join(data) if data else None)


class JsonLines(_Boundaries):
    """``application/x-ndjson``: one document a line."""

    def _next_boundary(self) -> int:
        found = self._rest.find(b"\n", self._searched)
        if found < 0:
            self._searched = len(self._rest)
        return found + 1 if found >= 0 else -1

    def _read(self, raw: bytes) -> Event:
        return Event(raw, b"", raw.strip() or None)


class JsonArray(_Boundaries):
    """One JSON array whose elements come one by one, as Gemini streams without ``alt=sse``.

    An event is an element with what stands before it; the closing bracket is the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._in_string = False

    def _next_boundary(self) -> int:
        position = self._searched
        while position < len(self._rest):
            if self._in_string:
                part = _STRING_PART.match(self._rest, position)
                position = part.end() if part else position
                if self._rest[position : position + 1] != b'"':
                    # The string goes on, perhaps with the second half of an escape.
                    break
                self._in_string = False
                position += 1
                continue
            found = _STRUCTURE.search(self._rest, position)
            if found is None:
                position = len(self._rest)
                break
            position = found.end()
            if self._step(found.group()):
                return position
        self._searched = position
        return -1

    def _step(self, mark: bytes) -> bool:
        """Follow one structural character; true where it ends an element of the outermost array."""
        if mark == b'"':
            self._in_string = True
        elif mark in b"[{":
            self._depth += 1
        else:
            self._depth -= 1
            return self._depth == 1
        return False

    def _read(self, raw: bytes) -> Event:
        return Event(raw, b"", raw.lstrip(b"[, \t\r\n").rstrip(b"] \t\r\n") or None)
