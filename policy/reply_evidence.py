"""What any answer of a generative service has, whatever its form: new prose, and what generation reports.

Prose alone is what websites are made of: it counts where it stands under a name for answers, and is neither a
record of something stored, one of several results, nor a message about the request itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from policy import answer_names as names
from policy.answer_evidence import EMBEDDINGS, Found
from policy.conversations import ANSWERING, role_of, text_of
from policy.field_names import plain
from policy.hints import NONE, Hint, best
from policy.prose import is_echo, is_prose, texts_in, word_count
from policy.question_evidence import ID_LENGTH_MIN, Question, picture_points
from policy.reply_fields import CHECKS, OF_OBJECTS, is_picture_at, kinds_of
from policy.request_documents import is_sound

type Document = Mapping[str, object]

# Beside prose (10 to 20): a machine's turn, why it stopped, counted tokens, named sources.
ASSISTANT, FINISHED, COUNTED, SOURCES, JUDGED, CALLS_TOOLS = 30, 25, 40, 10, 40, 30
PROSE, PROSE_IN_PASSING, LONG = 20, 8, 5
LONG_WORDS = 25
COMPLETION, PICTURE, SOUND = 25, 15, 25
# A prompt and its output, fetched later; a job that was begun, where a request for one was.
RECORDED, JOB, JOB_FOR_POINTS = 25, 25, 35
# Dialogues written by people: what may be said next is listed, what was said is an intent.
SCRIPTED = -30
TEXTS_MAX = 12
# What sums up a text is an answer to a long one; other things have summaries too.
SUMMED_UP_LENGTH_MIN = 200

_OF_THE_QUESTION = ("prompt", "input", "context", "cached", "evaluated", "history")
_OF_THE_ANSWER = (
    "completion",
    "output",
    "generated",
    "candidates",
    "total",
    "predicted",
    "response",
    "reasoning",
    "reply",
    "answer",
)
_CAPTION = re.compile(r"\d\d:\d\d[,.]\d{3} --> \d\d:")


@dataclass(slots=True)
class Reply:
    """What an answer says: ``texts`` are prose that the request did not hold, ``signs`` what stood beside."""

    texts: list[str] = field(default_factory=list)
    signs: set[str] = field(default_factory=set)
    fields: int = 0


def read_reply(objects: Iterable[Found], asked: str) -> Reply:
    """Read the objects of an answer, each with whether it is one of several in a list.

    ``asked`` is what the request said, which is no answer to it.
    """
    reply = Reply()
    for found in objects:
        reply.fields += len(found.document)
        _read(found, asked, reply)
    return reply


def add_texts(reply: Reply, texts: list[str], asked: str) -> None:
    """Add what came as a text: a whole body, or a stream's fragments joined."""
    for text in texts:
        if _CAPTION.search(text[:400]):
            reply.signs.add("captions")
        elif is_prose(text) and not is_echo(text, asked):
            reply.texts.append(text)
            reply.signs.add("answer")


def reply_hints(reply: Reply, question: Question, stream: Hint, *, answers: bool) -> list[Hint]:
    """Hints that count together, and what speaks against a machine's answer.

    ``answers`` is whether anything was asked: a page's prose answers nobody.
    """
    hints = [Hint(points, reason) for sign, points, reason in _HINTS if sign in reply.signs]
    hints += [hint for hint in _asked_hints(reply, question) if answers]
    if "assistant" in reply.signs and (answers or not reply.signs.isdisjoint(("counted", "finished"))):
        hints.append(Hint(ASSISTANT, "turn of a machine"))
    spoken = NONE
    if "prompt" in reply.signs and not answers and (reply.texts or stream.points):
        hints.append(Hint(RECORDED, "a prompt with what was made of it"))
    if reply.texts and answers:
        points = PROSE if "answer" in reply.signs else PROSE_IN_PASSING
        long = max(map(word_count, reply.texts)) >= LONG_WORDS
        spoken = Hint(points + long * LONG, "answer in words")
        if "sources" in reply.signs:
            hints.append(Hint(SOURCES, "answer names its sources"))
    hints.append(best([stream, spoken]))
    if "scripted" in reply.signs:
        hints.append(Hint(SCRIPTED, "a dialogue by script"))
    return hints


def _asked_hints(reply: Reply, question: Question) -> Iterator[Hint]:
    """What is common where nobody asked for it: pages have pictures, staff have roles."""
    if "vector" in reply.signs:
        yield EMBEDDINGS
    if "picture" in reply.signs and picture_points(question):
        yield Hint(PICTURE, "answer holds a picture")
    if "sound" in reply.signs and not question.signs.isdisjoint(("voice", "model")):
        yield Hint(SOUND, "answer holds sound")
    if "completion" in reply.signs and not question.signs.isdisjoint(("infill", "cursor")):
        yield Hint(COMPLETION, "answer completes code")


_HINTS = (
    ("finished", FINISHED, "answer says why generation ended"),
    ("counted", COUNTED, "answer counts tokens"),
    ("judged", JUDGED, "answer sorts a text into categories"),
    ("calls tools", CALLS_TOOLS, "answer calls a tool"),
)


def _read(place: Found, asked: str, reply: Reply) -> None:
    """Read one object. One of several in a list is a result or a record, and answers nothing by itself."""
    texts: list[tuple[bool, object]] = []
    tokens: list[str] = []
    kinds: set[str] = set()
    for key, value in place.document.items():
        name = plain(key)
        if "token" in name and _is_count(value):
            tokens.append(name)
        for kind in kinds_of(name):
            if kind in ("answer", "summary", "in passing"):
                summed_up = kind == "summary" and len(asked) >= SUMMED_UP_LENGTH_MIN
                texts.append((kind == "answer" or summed_up, value))
            elif CHECKS[kind](value):
                kinds.add(kind)
    if kinds or tokens or plain(place.under) in names.USAGES:
        _add_signs(place, kinds, tokens, asked, reply)
    if texts and "record" not in kinds and not place.several:
        below = plain(place.under) in names.ANSWERS
        for answers, value in texts:
            _read_texts(value, answers or below, asked, reply)


def _add_signs(place: Found, kinds: set[str], tokens: list[str], asked: str, reply: Reply) -> None:
    found, under = place.document, place.under
    reply.signs |= kinds - OF_OBJECTS
    if "picture at" in kinds:
        reply.signs.add("picture")
    if "asked" in kinds and any(_is_within(value, asked) for value in found.values()):
        reply.signs.add("repeats")
    if {"url", "of a source"} <= kinds:
        reply.signs.add("sources")
    if _counts(tokens) or (
        plain(under) in names.USAGES and _is_count(found.get("input")) and _is_count(found.get("output"))
    ):
        reply.signs.add("counted")
    if "role" in kinds:
        _read_turn(found, asked, reply)


def _is_within(value: object, asked: str) -> bool:
    return isinstance(value, str) and len(value) >= ID_LENGTH_MIN and value in asked


def _read_turn(found: Document, asked: str, reply: Reply) -> None:
    said = text_of(found) if role_of(found) in ANSWERING else ""
    if said and said not in asked:
        reply.signs.add("assistant")
        reply.texts.append(said)


def _read_texts(value: object, answers: bool, asked: str, reply: Reply) -> None:
    for text in texts_in(value):
        if len(reply.texts) >= TEXTS_MAX:
            return
        if text[:11] in ("data:image/", "data:video/") or is_picture_at(text):
            reply.signs.add("picture")
        elif text[:11] == "data:audio/":
            reply.signs.add("sound")
        elif is_prose(text) and not is_echo(text, asked):
            reply.texts.append(text)
            if answers:
                reply.signs.add("answer")


def add_media(reply: Reply, content_type: str, start: bytes, *, vector: bool) -> None:
    """Add what an answer is as a whole: sound, a picture or a film; whether numbers for a text are in it."""
    if is_sound(content_type, start):
        reply.signs.add("sound")
    if content_type.startswith(("image/", "video/")):
        reply.signs.add("picture")
    if vector:
        reply.signs.add("vector")


def job_hint(reply: Reply, body_points: int) -> Hint:
    """Pictures and films are made by jobs: what answers the request is the job's name."""
    begun = not reply.signs.isdisjoint(("job", "job begun")) and body_points >= JOB_FOR_POINTS
    return Hint(JOB, "answer names a job that was begun") if begun else NONE


def _counts(found: list[str]) -> bool:
    """Whether the names of whole numbers tell the tokens of the question, and of the answer or of both."""
    parts = [name.replace("tokens", "").replace("token", "").removesuffix("count") for name in found]
    asked = any(part.startswith(_OF_THE_QUESTION) or part == "in" for part in parts)
    answered = any(
        part == "out" or part.startswith(_OF_THE_ANSWER) or part.endswith(_OF_THE_ANSWER) for part in parts
    )
    return asked and answered


def _is_count(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and 0 < len(value) <= 9 and value.isdecimal())
