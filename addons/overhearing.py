"""What the answer of a passing exchange gives away, from its head and a copy of its first bytes.

The bytes go on as they came, at once. Only what an AI API could have answered is kept a copy of, so that a
download costs nothing.
"""

from mitmproxy import http

from policy import session_evidence
from policy.decoding import beginning, is_plain
from policy.evidence import AnswerEvidence, RequestEvidence, Verdict, score
from policy.head import AmbiguousHead, read_fields

# The first bytes that are judged: a whole answer of a chat, and the beginning of any stream.
HEARD_BYTES_MAX = 128 * 1024

_TEXTS = frozenset(
    {"application/json", "text/event-stream", "application/x-ndjson", "application/jsonl", "text/plain"}
    | {"application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/vnd.amazon.eventstream"}
    | {"text/x-component", "text/markdown", "text/vtt", "application/x-subrip"}
)
# Servers that do not say what they send: a copy is kept of what begins as JSON.
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_BEGINNINGS = (b"{", b"[")


class Overheard:
    """The beginning of one answer. ``relay`` passes chunks on; ``judged`` judges the whole exchange."""

    def __init__(self, response: http.Response) -> None:
        self._head = _fields(response)
        self._status = response.status_code
        media_type = self._head.get("content-type", "").partition(";")[0].strip().lower()
        self._unsaid = media_type in _UNSAID
        self._left = HEARD_BYTES_MAX if self._unsaid or _may_be_answer(media_type) else 0
        self._copy = bytearray()
        self.bytes_down = 0

    def relay(self, chunk: bytes) -> bytes:
        """Copy the first bytes, and give the chunk back unchanged."""
        self.bytes_down += len(chunk)
        if self._unsaid and chunk:
            self._unsaid = False
            # What is packed may be anything.
            plain = is_plain(self._head.get("content-encoding", ""))
            self._left = 0 if plain and not chunk.startswith(_BEGINNINGS) else self._left
        if self._left:
            part = chunk[: self._left]
            self._copy += part
            self._left -= len(part)
        return chunk

    def judged(self, asked: RequestEvidence) -> Verdict:
        """The verdict on question and answer together; what cannot be decoded is no evidence."""
        encoding = self._head.get("content-encoding", "")
        answer = beginning(encoding, bytes(self._copy), HEARD_BYTES_MAX)
        return score(asked, AnswerEvidence(self._status, self._head, answer))


class OverheardSession:
    """The beginning of what either side of a WebSocket says."""

    def __init__(self) -> None:
        self._said = bytearray()
        self._heard = bytearray()

    def hear(self, from_client: bool, data: bytes) -> None:
        """Copy the first bytes of each side."""
        copy = self._said if from_client else self._heard
        left = HEARD_BYTES_MAX - len(copy)
        if left > 0:
            copy += data[:left]

    def judged(self, asked: RequestEvidence) -> Verdict:
        """The verdict on the handshake and the first messages."""
        return session_evidence.judge(asked, bytes(self._said), bytes(self._heard))


def _fields(response: http.Response) -> dict[str, str]:
    try:
        return read_fields(response.headers.fields)
    except AmbiguousHead:
        return {}


def _may_be_answer(media_type: str) -> bool:
    remote_call = media_type.startswith(("application/grpc", "application/connect"))
    return remote_call or media_type.endswith("+json") or media_type in _TEXTS
