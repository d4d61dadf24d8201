"""What a stand-in answers: a recording, an error, a stream that waits, trickles or breaks off."""

import json
import threading
from dataclasses import dataclass, field, replace
from typing import Self

from tests.standins.recordings import Recording, load


class Gate:
    """Holds a stream until the test opens it; tells the test when the stream has arrived there."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def open(self) -> None:
        self.opened.set()

    def wait(self, timeout_s: float = 60) -> None:
        """Called by the stand-in: note the arrival, wait for the test."""
        self.reached.set()
        self.opened.wait(timeout_s)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on the wire. ``chunks`` are written one by one.

    ``gate`` is passed before chunk ``gate_before``; ``reset_before`` breaks the connection off (TCP RST)
    before that chunk; ``pause_s`` lies between chunks; ``raw`` replaces everything, head included.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    chunks: tuple[bytes, ...] = ()
    gate: Gate | None = None
    gate_before: int = 0
    reset_before: int | None = None
    pause_s: float = 0
    raw: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, recording: Recording | str) -> Self:
        """The recording, chunk for chunk."""
        found = load(recording) if isinstance(recording, str) else recording
        return cls(status=found.status, headers=found.headers, chunks=found.chunks)

    @classmethod
    def json(cls, status: int, document: object, *headers: tuple[str, str]) -> Self:
        body = json.dumps(document).encode()
        return cls(status, (("content-type", "application/json"), *headers), (body,))

    @classmethod
    def error(cls, provider: str, status: int, *headers: tuple[str, str]) -> Self:
        """The provider's own error of this status, in its own shape."""
        return cls.json(status, _ERRORS[provider](status), *headers)

    @classmethod
    def verbatim(cls, raw: bytes) -> Self:
        """These bytes and the end of the connection: for answers that break the protocol."""
        return cls(raw=raw)

    def held(self, before: int) -> Self:
        """The same, stopping before chunk ``before`` until ``gate`` is opened."""
        return replace(self, gate=Gate(), gate_before=before)

    def reset(self, before: int) -> Self:
        return replace(self, reset_before=before)

    def slow(self, pause_s: float) -> Self:
        return replace(self, pause_s=pause_s)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def streams(self) -> bool:
        kinds = ("text/event-stream", "application/vnd.amazon.eventstream")
        return any(name == "content-type" and value.startswith(kinds) for name, value in self.headers)


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def _openai_error(status: int) -> dict[str, object]:
    message = f"The stand-in answers {status}."
    return {
        "error": {"message": message, "type": _KINDS.get(status, "server_error"), "param": None, "code": None}
    }


def _anthropic_error(status: int) -> dict[str, object]:
    return {
        "type": "error",
        "error": {"type": _KINDS.get(status, "api_error"), "message": f"Stand-in {status}."},
    }


def _google_error(status: int) -> dict[str, object]:
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}
    return {
        "error": {"code": status, "message": f"Stand-in {status}.", "status": names.get(status, "UNKNOWN")}
    }


_ERRORS = {"openai": _openai_error, "anthropic": _anthropic_error, "google": _google_error}


def default_answer(host: str, path: str, request: dict[str, object]) -> Answer:
    """What the provider at ``host`` would answer, chosen by the shape of the call."""
    shape = _shape(path)
    if shape is None:
        return Answer.json(200, {"host": host, "path": path.split("?")[0], "served_by": "stand-in"})
    name = shape
    if request.get("stream") is True or "streamGenerateContent" in path:
        name += "-stream"
    if request.get("tools"):
        name += "-tools"
    options = request.get("stream_options")
    asks = isinstance(options, dict) and options.get("include_usage") is True
    if name.startswith("openai-chat-stream") and not asks:
        name += "-without-usage"
    return Answer.of(name)


def _shape(path: str) -> str | None:
    for ending, shape in (
        ("/chat/completions", "openai-chat"),
        ("/responses", "openai-responses"),
        ("/messages", "anthropic-messages"),
        (":generateContent", "google-generate"),
        (":streamGenerateContent", "google-generate"),
    ):
        if path.split("?")[0].endswith(ending):
            return shape
    return None
