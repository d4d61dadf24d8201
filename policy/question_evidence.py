"""What any request to a generative service has, whatever its form: a text, beside what only generation needs.

A text alone is no evidence: people send texts to each other, search and fill in forms. It counts by what
stands beside it, and in `policy.exchange_evidence` by what comes back.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from policy.conversations import MACHINE, is_history, role_of
from policy.field_names import NAME_LENGTH_MAX
from policy.hints import NONE, Hint
from policy.prose import is_prose, is_question, texts_in
from policy.question_fields import Field, field_of

type Document = Mapping[str, object]

# Beside a text or turns. Two settings, or one and an agent's name, are a partial match (25) of a family.
SETTINGS = (0, 12, 24, 34)
BOTH_ROLES, ONE_ROLE, HISTORY = 25, 8, 25
# A text for a machine by its field's name; whom it is for; where it is answered from; what may be called.
FOR_A_MACHINE, FOR_AN_AGENT, FROM_KNOWLEDGE, WITH_TOOLS = 5, 12, 10, 8
SYSTEM_PROMPT, KNOWN_MODEL, SOME_MODEL, STREAMED, SETTINGS_APART = 15, 15, 5, 5, 12
# Speech from a text; an image from a text: one setting, and several.
SPOKEN, PICTURE, SIZED, SIZED_FOR_A_MODEL, PICTURES = 15, 12, 20, 30, 30
# Code before and after the cursor; the whole text with the cursor in it, which editors' servers get too.
INFILL, AT_CURSOR = 35, 12
TO_A_PERSON = -15
QUESTION_MAX = 40
# A path agrees with a family; with this it would agree whatever it is.
REASON = "text beside what generation needs"
# No more texts are kept, to compare them with the answer.
TEXTS_MAX = 12
ID_LENGTH_MIN, IDS_MAX = 8, 4
# Of one object, so many fields are looked at.
FIELDS_MAX = 1_000
# Texts under other names: of some length, and so many.
UNNAMED_LENGTH_MIN, UNNAMED_MAX = 20, 4
CODE_LENGTH_MIN = 12
STATEMENT_LENGTH_MAX = 65_536


@dataclass(slots=True)
class Question:
    """What a request says: ``texts`` are prose, ``signs`` what stood beside, ``ids`` conversations'.

    ``unnamed`` are texts under names that tell nothing; they count where there are no others.
    """

    texts: list[str] = field(default_factory=list)
    signs: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    unnamed: list[str] = field(default_factory=list)
    settings: int = 0
    fields: int = 0

    @property
    def asks(self) -> bool:
        """Whether there is anything that could be answered."""
        return bool(self.texts) or not self.signs.isdisjoint(
            ("both roles", "one role", "infill", "cursor", "statement")
        )


# MindsDB, Snowflake Cortex, Databricks, BigQuery ML, PostgresML, pgai, Azure SQL.
_SQL_CALL = re.compile(
    r"(?i)\b(?:prompt_template\s{0,9}=|cortex\.(?:try_)?complete\s{0,9}\(|ai_(?:query|gen|complete|generate|generate_text)"
    r"\s{0,9}\(|ml\.generate_text\s{0,9}\(|pgml\.transform\s{0,9}\(|ai\.\w{1,20}_(?:chat_complete|generate)\s{0,9}\()"
)
_SQL = re.compile(r"(?i)\s{0,99}(?:select|with|insert|create)\s")
# How texts begin that tell a model what it is.
_INSTRUCTS = re.compile(r"\s{0,9}You are (?:an?|the|[A-Z]\w{1,30},) ")


def read_question(objects: Iterable[tuple[Document, int]], text: str) -> Question:
    """Read the objects of a request, as ``policy.request_documents`` finds them, or its plain text."""
    question = Question()
    for found, _ in objects:
        _read(found, question)
        name, data = found.get("name"), found.get("data")
        if isinstance(name, str) and isinstance(data, list) and data:
            # The Open Inference Protocol names its values so.
            _read({name: data[0]}, question)
    if text and is_prose(text):
        question.texts.append(text)
    if not question.texts:
        question.texts += filter(is_prose, question.unnamed)
        question.signs |= {"unnamed"} if question.texts else set()
    if "code after" in question.signs and not question.signs.isdisjoint(("code before", "for a machine")):
        question.signs.add("infill")
    return question


def question_hint(question: Question, known_model: bool) -> Hint:
    """The hint of a request by what it asks and what stands beside that."""
    if not question.asks:
        return NONE
    signs = question.signs
    points = SETTINGS[min(question.settings, 3)]
    points += INFILL if "infill" in signs else AT_CURSOR if {"cursor", "language"} <= signs else 0
    points += max(picture_points(question), SPOKEN if "voice" in signs else 0)
    points += KNOWN_MODEL if known_model else SOME_MODEL if "model" in signs else 0
    points += BOTH_ROLES if "both roles" in signs else ONE_ROLE if "one role" in signs else 0
    points += sum(weight for sign, weight in _WEIGHTS if sign in signs)
    if points <= 0:
        return NONE
    return Hint(min(points, QUESTION_MAX), REASON)


def picture_points(question: Question) -> int:
    """What the settings of pictures beside a prompt weigh."""
    if "prompt" not in question.signs:
        return 0
    own, sizes = (sum(sign.startswith(kind) for sign in question.signs) for kind in ("image ", "size "))
    if own and own + sizes > 1:
        return PICTURES
    if sizes > 1:
        return SIZED_FOR_A_MODEL if "model" in question.signs else SIZED
    return PICTURE if own or sizes else 0


_WEIGHTS = (
    ("history", HISTORY),
    ("for a machine", FOR_A_MACHINE),
    ("agent", FOR_AN_AGENT),
    ("knowledge", FROM_KNOWLEDGE),
    ("tools", WITH_TOOLS),
    ("system prompt", SYSTEM_PROMPT),
    ("stream", STREAMED),
    ("settings", SETTINGS_APART),
    ("person", TO_A_PERSON),
)


def _read(found: Document, question: Question) -> None:
    question.fields += len(found)
    speaks = False
    for key, value in islice(found.items(), FIELDS_MAX):
        known = field_of(key) if len(key) <= NAME_LENGTH_MAX else None
        if known is None:
            if (
                isinstance(value, str)
                and len(value) >= UNNAMED_LENGTH_MIN
                and len(question.unnamed) < UNNAMED_MAX
            ):
                question.unnamed.append(value)
            continue
        if known.asked:
            _read_texts(value, question, known)
        if known.check is not None:
            question.settings += known.check(value)
        elif known.sign:
            _read_sign(known.sign, value, question)
        if known.history and is_history(known.name, value):
            question.signs.add("history")
        speaks = speaks or known.role
    if speaks:
        _read_role(found, question)


def _read_sign(sign: str, value: object, question: Question) -> None:
    if value in (None, "", False, []) and sign not in ("stream", "model", "conversation"):
        return
    if sign == "settings" and not isinstance(value, dict):
        return
    if sign.startswith(("image ", "size ")) and (value is True or not isinstance(value, int | float | str)):
        return
    if sign in ("code before", "code after") and not (isinstance(value, str) and _is_code(value)):
        return
    question.signs.add(sign)
    identifies = sign == "conversation" and isinstance(value, str) and len(value) >= ID_LENGTH_MIN
    if identifies and len(question.ids) < IDS_MAX:
        question.ids.add(str(value))


def _is_code(text: str) -> bool:
    """Lines of code or more than a name: a person has a prefix and a suffix too."""
    return "\n" in text or len(text) >= CODE_LENGTH_MIN


def _read_role(found: Document, question: Question) -> None:
    role = role_of(found)
    if not role:
        return
    signs = question.signs
    signs.add("machine turn" if role in MACHINE else "human turn")
    signs.add("both roles" if {"machine turn", "human turn"} <= signs else "one role")


def _read_texts(value: object, question: Question, known: Field) -> None:
    for text in texts_in(value):
        if len(question.texts) < TEXTS_MAX and is_prose(text, 2 if is_question(text) else 3):
            question.texts.append(text)
            question.signs |= known.signs
            if _INSTRUCTS.match(text):
                question.signs.add("system prompt")
        elif _SQL.match(text) and _SQL_CALL.search(text[:STATEMENT_LENGTH_MAX]):
            question.signs.add("statement")
