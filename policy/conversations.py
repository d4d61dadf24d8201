"""The turns of a conversation with a machine, in the many forms that the references of such services show.

`{role, content}`, `{role, parts}`, `{type: human, content}`, `{from: gpt, value}`, `{author: bot, text}`, and
histories of pairs. People's chats have senders too: what tells is a machine among them.
"""

from collections.abc import Mapping

from policy.field_names import HISTORY, plain
from policy.prose import is_prose

type Document = Mapping[str, object]

# Of a machine that answers: a system prompt is also an operator's message.
ANSWERING = frozenset(
    (
        "assistant",
        "model",
        "ai",
        "bot",
        "gpt",
        "chatbot",
        "aimessage",
        "aimessagechunk",
        "assistant_message",
        "ai_message",
    )
)
# A machine's part, and that of those who use it. An `agent` is as often a person at a help desk.
MACHINE = ANSWERING | {"system", "developer", "tool"}
HUMAN = frozenset(("user", "human"))
_ROLE_KEYS = ("role", "from", "author", "sender", "speaker", "who", "type", "message_type")
# The same in their plain form.
ROLE_NAMES = frozenset(map(plain, _ROLE_KEYS))
# A type is also that of any object: only these types are roles.
_ROLE_TYPES = frozenset(
    (
        "human",
        "ai",
        "aimessage",
        "aimessagechunk",
        "assistant",
        "user_message",
        "assistant_message",
        "ai_message",
    )
)
_ROLES = MACHINE | HUMAN
_TEXT_NAMES = ("content", "text", "parts", "value", "message", "data", "say")
# Pairs in a history: what was asked, and what was answered.
_PAIRS = (
    ("question", "answer"),
    ("user", "bot"),
    ("human", "ai"),
    ("user", "assistant"),
    ("inputs", "outputs"),
)


def role_of(found: Document) -> str:
    """The role of a turn, in lower case; empty for what is none."""
    for name in _ROLE_KEYS:
        role = found.get(name) or found.get(name.title())
        if isinstance(role, dict):
            role = role.get("role")
        if isinstance(role, str) and len(role) <= 20:
            role = role.lower()
            known = _ROLE_TYPES if name in ("type", "message_type") else _ROLES
            spoken = role in known
            if spoken and any(found.get(text) or found.get(text.title()) for text in _TEXT_NAMES):
                return role
    return ""


def text_of(found: Document) -> str:
    """What is said in a turn, its parts joined; empty where it is no text."""
    for name in _TEXT_NAMES:
        said = found.get(name) or found.get(name.title())
        if isinstance(said, str):
            return said
        if isinstance(said, dict):
            said = said.get("parts") or [said]
        if isinstance(said, list):
            return "".join(_part(part) for part in said[:64])
    return ""


def is_history(name: str, value: object) -> bool:
    """Whether a field of that plain name holds earlier questions with their answers."""
    if name not in HISTORY or not isinstance(value, list) or not value:
        return False
    first = value[0]
    if isinstance(first, list):
        return len(first) == 2 and all(isinstance(text, str) for text in first)
    if isinstance(first, dict):
        return any(isinstance(first.get(a), str) and isinstance(first.get(b), str) for a, b in _PAIRS)
    return isinstance(first, str) and any(isinstance(text, str) and is_prose(text) for text in value[:8])


def _part(part: object) -> str:
    if isinstance(part, dict):
        part = part.get("text")
        if isinstance(part, dict):
            part = part.get("value")
    return part if isinstance(part, str) else ""
