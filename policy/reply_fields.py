"""What one field of an answer may tell, by its name and its value."""

import re
from collections.abc import Callable
from functools import lru_cache

from policy import answer_names as names
from policy.conversations import ROLE_NAMES
from policy.field_names import ASKED_OF_A_MACHINE, plain
from policy.prose import is_prose, texts_in

# A name that a language server completes is shorter, and has no blank.
CODE_LENGTH_MIN = 12
# Shorter ones are names.
ENCODED_LENGTH_MIN = 100

_PICTURE_FILES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm")
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]+")


def _is_encoded(text: str) -> bool:
    """Bytes in base64 or hexadecimal digits, of some length."""
    return len(text) >= ENCODED_LENGTH_MIN and _ENCODED.fullmatch(text[:ENCODED_LENGTH_MIN]) is not None


def _completes(items: object) -> bool:
    """Code of more than a name, and no entry of a menu, as language servers offer."""
    first = items[0] if isinstance(items, list) and items else items
    if isinstance(first, dict) and isinstance(first.get("completion"), dict):
        first = first["completion"]
    if not isinstance(first, dict):
        return isinstance(first, str) and _is_code(first)
    if not names.OF_A_MENU.isdisjoint(map(plain, first)):
        return False
    return any(isinstance(text, str) and _is_code(text) for text in list(first.values())[:8])


def _is_code(text: str) -> bool:
    start = text[:400].strip()
    return len(start) >= CODE_LENGTH_MIN and (" " in start or "\n" in start) and not is_prose(start, 8)


def _is_reason(value: object) -> bool:
    if isinstance(value, dict):
        value = value.get("type")
    return (
        isinstance(value, str)
        and len(value) <= 40
        and plain(value).removeprefix("finishreason") in names.REASONS
    )


def _is_begun(value: object) -> bool:
    return isinstance(value, str) and value.lower() in names.BEGUN


def _is_prompt(value: object) -> bool:
    return any(is_prose(text) for text in texts_in(value))


def _is_media(value: object) -> bool:
    return any(_is_encoded(text) for text in texts_in(value))


def _is_at(value: object) -> bool:
    """Whether an address is that of a picture or a film."""
    return any(is_picture_at(text) for text in texts_in(value))


def _is_named(_: object) -> bool:
    return True


def _is_tool_call(value: object) -> bool:
    """A call by name with arguments, which whoever asked is to carry out."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, dict) and isinstance(first.get("function"), dict):
        first = first["function"]
    return (
        isinstance(first, dict)
        and isinstance(first.get("name", first.get("toolName")), str)
        and not {"arguments", "args", "input"}.isdisjoint(first)
    )


def _is_there(value: object) -> bool:
    return value is not None and value is not False and value not in ("", [])


_NAMED: tuple[tuple[str, frozenset[str], Callable[[object], bool]], ...] = (
    ("answer", names.ANSWERS, _is_there),
    ("summary", names.SUMMARIES, _is_there),
    ("in passing", names.IN_PASSING, _is_there),
    ("record", names.OF_A_RECORD, _is_there),
    ("scripted", names.CHOICES, _is_there),
    ("finished", names.FINISHES, _is_reason),
    ("sources", names.SOURCES, _is_named),
    ("of a source", names.OF_A_SOURCE, _is_there),
    ("url", frozenset({"url"}), _is_there),
    ("picture at", frozenset({"url", "imageurl", "videourl", "imageurls", "images", "video"}), _is_at),
    ("completion", names.COMPLETIONS, _completes),
    ("sound", names.SOUNDS, _is_media),
    ("picture", names.PICTURES, _is_media),
    ("prompt", names.PROMPTS, _is_prompt),
    ("job", names.JOBS, _is_there),
    ("job begun", names.STATES, _is_begun),
    ("judged", frozenset({"categoryscores"}), lambda value: isinstance(value, dict)),
    ("calls tools", names.TOOL_CALLS, _is_tool_call),
    ("role", ROLE_NAMES, _is_there),
    ("asked", ASKED_OF_A_MACHINE | {"query", "q"}, _is_there),
)
CHECKS = {kind: check for kind, _, check in _NAMED}
_KINDS = {
    name: tuple(kind for kind, known, _ in _NAMED if name in known)
    for name in frozenset().union(*(known for _, known, _ in _NAMED))
}
# Names are made of these by prefixes: `botReply`, `llm_response`, `answer_html`.
_ENDINGS = ("answer", "response", "reply", "completion", "explanation", "caption")


@lru_cache(maxsize=8192)
def kinds_of(name: str) -> tuple[str, ...]:
    """What a field of that plain name may tell; each kind has a check of its value in ``CHECKS``."""
    return _KINDS.get(name) or (("answer",) if name.endswith(_ENDINGS) or name.startswith("answer") else ())


def is_picture_at(text: str) -> bool:
    """Whether a text is the address of a picture or a film."""
    return text[:8] == "https://" and text.partition("?")[0].endswith(_PICTURE_FILES)


# What tells something of one object, and nothing of the answer.
OF_OBJECTS = frozenset({"picture at", "asked", "record", "of a source", "url", "role"})
