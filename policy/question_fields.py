"""What one field of a request may be, by its name: all that is known of it, for one look-up."""

from functools import lru_cache
from typing import NamedTuple

from policy import field_names as names
from policy.conversations import ROLE_NAMES
from policy.field_names import plain
from policy.generation_settings import CHECKS, Check

_SIGNS: tuple[tuple[frozenset[str], str], ...] = (
    (names.CONVERSATION, "conversation"),
    (names.AGENT, "agent"),
    (names.KNOWLEDGE, "knowledge"),
    (names.TOOLS, "tools"),
    (names.SYSTEM_PROMPT, "system prompt"),
    (names.STREAM, "stream"),
    (names.SETTINGS, "settings"),
    (names.VOICE, "voice"),
    (names.CODE_BEFORE, "code before"),
    (names.CODE_AFTER, "code after"),
    (names.CURSOR, "cursor"),
    (names.LANGUAGE, "language"),
    (names.PERSON, "person"),
    (names.MODEL, "model"),
)
_SIGN_OF = {
    **{name: f"size {name}" for name in names.IMAGE_SIZE},
    **{name: f"image {name}" for name in names.IMAGE},
    **{name: sign for known, sign in reversed(_SIGNS) for name in known},
}


class Field(NamedTuple):
    """What a field of one plain name may be: all that is known of it, for one look-up."""

    name: str
    asked: bool
    signs: frozenset[str]
    sign: str
    check: Check | None
    history: bool
    role: bool


# Names are made of these by prefixes: `hrQuestion`, `rewritePrompt`, `search_query`.
_ENDINGS = ("prompt", "question", "instruction")
_WEAK_ENDINGS = ("query", "instructions", "message", "text", "utterance")
_MACHINE = frozenset({"for a machine"})
_PROMPT = frozenset({"for a machine", "prompt"})


@lru_cache(maxsize=8192)
def field_of(key: str) -> Field | None:
    """What a field of that name, as it is spelled, may be; ``None`` for any other."""
    name = plain(key)
    sign, check = _SIGN_OF.get(name, ""), CHECKS.get(name)
    for_a_machine = name in names.ASKED_OF_A_MACHINE or (not sign and name.endswith(_ENDINGS))
    asked = name in names.ASKED or for_a_machine or (not sign and name.endswith(_WEAK_ENDINGS))
    history, role = name in names.HISTORY, name in ROLE_NAMES
    if not (asked or sign or check or history or role):
        return None
    signs = _PROMPT if "prompt" in name else _MACHINE
    return Field(name, asked, signs if for_a_machine else frozenset(), sign, check, history, role)
