"""What a client says within a WebSocket session with an AI API, read as strictly as a request's body.

Sources: OpenAI "Realtime API" and "Responses WebSocket mode", Google "Live API (WebSockets reference)".
A message of a protocol that is not known here is not read; it is only looked through for keys.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

from policy.exchange import Call, Shape
from policy.inspection import Malformed, checked_model, inspect
from policy.key_places import holds_key
from policy.strict_json import AmbiguousJson, parse

# 24 kHz PCM at ten tokens a second of sound in, twenty out (OpenAI, "Managing costs"); Gemini takes 16 kHz
# and counts 25 either way. What is told in base64 is a third longer than what it stands for.
_SOUND_BYTES_PER_TOKEN = {"openai": (4_800, 2_400), "gemini": (1_280, 1_920)}
_NARROW_SOUND_BYTES_PER_TOKEN = (800, 400)
TEXT_BYTES_PER_TOKEN = 3

_STARTS_LIVE = ("clientContent", "client_content", "toolResponse", "tool_response")

type Document = Mapping[str, object]


class Dialect(StrEnum):
    """The protocol that is spoken within a session."""

    REALTIME = "realtime"
    RESPONSES = "responses"
    LIVE = "live"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Said:
    """What one message of a client says that has to be judged or counted.

    ``model`` is what it names, ``starts`` whether it asks for an answer. ``call`` is the answer's worst case
    where the message states it. ``text_tokens`` and ``sound_bytes`` are what it adds to the conversation;
    ``continues`` is false for an answer that stands by itself, whatever was said before. ``foreign_keys``
    tells whether a key in some provider's form stands where keys are read from.
    """

    model: str | None = None
    starts: bool = False
    call: Call | None = None
    text_tokens: int = 0
    sound_bytes: int = 0
    foreign_keys: bool = False
    continues: bool = True


def dialect_of(shape: Shape, operation: str) -> Dialect:
    """Which protocol a session at this operation speaks."""
    if operation == "realtime":
        return Dialect.REALTIME
    if operation == "live":
        return Dialect.LIVE
    return Dialect.RESPONSES if shape is Shape.OPENAI_RESPONSES else Dialect.OTHER


def opening_call(dialect: Dialect, query: str) -> Call:
    """The call that a handshake asks for; the model may be named later. Raises ``Malformed``."""
    named = [value for name, value in parse_qsl(query) if name in ("model", "deployment")]
    if len(set(named)) > 1:
        raise Malformed("The address names two models; name one.")
    model = checked_model(named[0]) if named else None
    return answer_call(model, 0, dialect.value if dialect is not Dialect.OTHER else "session")


def answer_call(model: str | None, input_tokens: int, operation: str = "session") -> Call:
    """The call that an answer within a session is where nothing bounds it: streamed, and one at a time."""
    return Call(operation, model, True, input_tokens, None, 1, False, 0)


def read_message(dialect: Dialect, content: bytes) -> Said:
    """Read one message of the client, text or binary; raises ``Malformed``."""
    if dialect is Dialect.OTHER:
        return Said(text_tokens=tokens_of_text(len(content)), foreign_keys=_has_key_in_text(content))
    try:
        document = parse(content)
    except AmbiguousJson as problem:
        raise Malformed(str(problem).replace("The body", "The message")) from problem
    if not isinstance(document, dict):
        raise Malformed("A message of this protocol is a JSON object.")
    foreign = _names_key(document)
    if dialect is Dialect.REALTIME:
        return _realtime(document, content, foreign)
    if dialect is Dialect.LIVE:
        return _live(document, content, foreign)
    return _responses(document, content, foreign)


def tokens_of_text(size: int) -> int:
    """Tokens that so many bytes of text are taken for, rounded up."""
    return -(-size // TEXT_BYTES_PER_TOKEN)


def tokens_of_sound(dialect: Dialect, size: int, *, spoken: bool, narrow: bool) -> int:
    """Tokens that so many bytes of sound are taken for; ``spoken`` by the model, ``narrow`` for G.711."""
    both = _SOUND_BYTES_PER_TOKEN["gemini" if dialect is Dialect.LIVE else "openai"]
    per_token = (_NARROW_SOUND_BYTES_PER_TOKEN if narrow else both)[spoken]
    return -(-size // per_token)


def _realtime(document: Document, content: bytes, foreign: bool) -> Said:
    kind = document.get("type")
    if kind == "input_audio_buffer.append":
        return Said(sound_bytes=decoded_size(document.get("audio")), foreign_keys=foreign)
    session = document.get("session")
    model = None
    if isinstance(session, dict):
        model = checked_model(session.get("model")) or _transcribing(session)
    sound = sum(map(decoded_size, _strings_named(document, "audio")))
    text = max(0, len(content) - sound * 4 // 3)
    return Said(model, kind == "response.create", None, tokens_of_text(text), sound, foreign)


def _transcribing(session: Document) -> str | None:
    """A session that only transcribes names its model deeper (OpenAI, "Realtime transcription")."""
    if session.get("type") != "transcription" and "input_audio_transcription" not in session:
        return None
    for path in (("audio", "input", "transcription"), ("input_audio_transcription",)):
        found: object = session
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, dict):
            return checked_model(found.get("model"))
    return None


def _responses(document: Document, content: bytes, foreign: bool) -> Said:
    if document.get("type") != "response.create":
        return Said(text_tokens=tokens_of_text(len(content)), foreign_keys=foreign)
    call = inspect(Shape.OPENAI_RESPONSES, "responses", None, content)
    continues = document.get("previous_response_id") is not None
    return Said(call.model, True, call, tokens_of_text(len(content)), 0, foreign, continues)


def _live(document: Document, content: bytes, foreign: bool) -> Said:
    setup = document.get("setup")
    model = checked_model(setup.get("model")) if isinstance(setup, dict) else None
    if model is not None:
        model = model.rpartition("/models/")[2]
    starts = any(name in document for name in _STARTS_LIVE)
    sound = sum(map(decoded_size, _strings_named(document, "data")))
    text = max(0, len(content) - sound * 4 // 3)
    return Said(model, starts, None, tokens_of_text(text), sound, foreign)


def decoded_size(value: object) -> int:
    """Bytes that a base64 text stands for."""
    return len(value) * 3 // 4 if isinstance(value, str) else 0


def _strings_named(document: Document, name: str) -> Iterator[str]:
    for key, value in _pairs(document):
        if key == name and isinstance(value, str):
            yield value


def _names_key(document: Document) -> bool:
    return any(isinstance(value, str) and holds_key(name, value) for name, value in _pairs(document))


def _pairs(document: Document) -> Iterator[tuple[str, object]]:
    """Every member at any depth; ``strict_json`` has bounded the depth."""
    pending: list[object] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield from node.items()
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def _has_key_in_text(content: bytes) -> bool:
    """A message that may be JSON, read loosely: its provider decides what it is."""
    if not content.lstrip().startswith(b"{"):
        return False
    try:
        document = parse(content)
    except AmbiguousJson:
        return False
    return isinstance(document, dict) and _names_key(document)
