"""Cuts the first bytes of an answer into what it holds, whatever frames it comes in.

Server-sent events, lines of JSON, Amazon's event stream, documents between marks of any kind (a NUL, a record
separator, a line's number as in the Vercel SDK's data stream), or a text alone. Bounds say how much is read.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from policy import amazon_events
from policy.sse import Events, JsonLines, ServerSentEvents

EVENTS_MAX = 64
# A text that does not become JSON at so many places is none.
FAILURES_MAX = 8
TEXT_CHARACTERS_MAX = 16_384

_STARTS = re.compile(r'[{\[]|(?:^|\n)[0-9a-z]{1,4}:(?=["{\[])')
_DECODER = json.JSONDecoder()
_END_MARKS = ("[DONE]", "[done]", "DONE")


@dataclass(slots=True)
class Frames:
    """``documents`` are JSON values with their events' names; ``texts`` are events, or a body, of plain text.

    The name is empty for a document that is no event.
    """

    documents: list[tuple[bytes, object]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def frames_of(media_type: str, body: bytes) -> Frames:
    """Cut the beginning of an answer. Never raises."""
    frames = Frames()
    if not body:
        return frames
    if media_type == "text/event-stream":
        _from_events(ServerSentEvents(), body, frames)
    elif media_type in ("application/x-ndjson", "application/jsonl", "application/json-lines"):
        _from_events(JsonLines(), body, frames)
    elif media_type == amazon_events.MEDIA_TYPE:
        _from_events(amazon_events.AmazonEvents(), body, frames)
    elif not _from_document(body, frames) and not _is_binary(body):
        _from_text(body.decode("utf-8", "replace"), frames)
    return frames


def _from_events(events: Events, body: bytes, frames: Frames) -> None:
    found = events.feed(body) + events.finish()
    for event in found[:EVENTS_MAX]:
        if not event.data:
            continue
        try:
            frames.documents.append((event.name or b"-", json.loads(event.data)))
        except (ValueError, RecursionError):
            text = event.data[:TEXT_CHARACTERS_MAX].decode("utf-8", "replace")
            if text not in _END_MARKS and text[:1] not in ("{", "["):
                frames.texts.append(text)


def _from_document(body: bytes, frames: Frames) -> bool:
    if body.lstrip()[:1] not in (b"{", b"[", b'"'):
        return False
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if isinstance(document, str):
        frames.texts.append(document[:TEXT_CHARACTERS_MAX])
    else:
        frames.documents.append((b"", document))
    return True


def _from_text(text: str, frames: Frames) -> None:
    """Documents within a text, or the text itself where it begins with none."""
    for document in _within(text):
        frames.documents.append((b"-", document))
    if not frames.documents:
        frames.texts.append(text[:TEXT_CHARACTERS_MAX])


def _within(text: str) -> Iterator[object]:
    position, failures, found = 0, 0, 0
    while found < EVENTS_MAX and failures < FAILURES_MAX:
        start = _STARTS.search(text, position)
        if start is None or (not found and start.start() > NOISE_MAX):
            return
        begins = start.start() if text[start.start()] in "{[" else start.end()
        try:
            document, position = _DECODER.raw_decode(text, begins)
        except (ValueError, RecursionError):
            position, failures = begins + 1, failures + 1
            continue
        found += 1
        # A line's number is no part of what it says.
        yield {"": document} if isinstance(document, str) else document


# A text that begins otherwise is prose with an example in it, and no frame.
NOISE_MAX = 16


def _is_binary(body: bytes) -> bool:
    return (b"\0" in body[:64] and body[:1] not in (b"{", b"[")) or body[:4] in (
        b"RIFF",
        b"OggS",
        b"fLaC",
        b"%PDF",
        b"\x1f\x8b\x08\x00",
    )
