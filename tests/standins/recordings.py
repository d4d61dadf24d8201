"""Recorded provider answers: one exchange a file in ``tests/recordings``; where each comes from is in it."""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent.parent / "recordings"


@dataclass(frozen=True, slots=True)
class Recording:
    """One exchange with a provider.

    ``body`` is what stood on the wire (compressed, if ``content-encoding`` says so); ``request`` is the
    JSON that was asked, ``None`` where there was no body.
    """

    name: str
    provider: str
    host: str
    method: str
    path: str
    request: dict[str, Any] | None
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def from_json(cls, name: str, document: dict[str, Any]) -> Self:
        headers = tuple((key, value) for key, value in document["headers"])
        body = document["body"].encode() if "body" in document else b64decode(document["body_base64"])
        if ("content-encoding", "gzip") in headers:
            body = gzip.compress(body, mtime=0)
        keys = ("provider", "host", "method", "path", "request", "status")
        return cls(name=name, headers=headers, body=body, **{key: document[key] for key in keys})

    @property
    def plain(self) -> bytes:
        """The body without its content encoding."""
        return gzip.decompress(self.body) if ("content-encoding", "gzip") in self.headers else self.body

    @property
    def streams(self) -> bool:
        return self.plain.startswith((b"event:", b"data:"))

    @property
    def tools(self) -> bool:
        return bool(self.request and self.request.get("tools"))

    @property
    def chunks(self) -> tuple[bytes, ...]:
        """The body as the provider would write it: one chunk an SSE event, else one chunk."""
        if not self.streams or self.body is not self.plain:
            return (self.body,)
        ending = b"\r\n\r\n" if b"\r\n\r\n" in self.body else b"\n\n"
        return tuple(part + ending for part in self.body.split(ending)[:-1]) + _rest(self.body, ending)


def _rest(body: bytes, ending: bytes) -> tuple[bytes, ...]:
    """What follows the last complete event, if anything does."""
    tail = body.rsplit(ending, 1)[-1]
    return (tail,) if tail else ()


@cache
def load(name: str) -> Recording:
    """The recording called ``name`` (the file's name without ``.json``)."""
    return Recording.from_json(name, json.loads((FOLDER / f"{name}.json").read_text()))


def every() -> Iterator[Recording]:
    """All recordings in the repository, by name."""
    for path in sorted(FOLDER.glob("*.json")):
        yield load(path.stem)
