"""Whether a host that no catalogue has speaks an AI API, from one exchange, with the reasons shown.

Kinds of evidence are added up, the best of each. Two independent kinds are needed for ``ai``, since one
alone is common elsewhere; an answer in a whole family's shape, or a protocol that is AI by definition, may
stand alone. The weights are fitted to ``tests/policy/labelled_traffic.py`` and ``ordinary_traffic.py``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from policy.answer_evidence import Objects, answer_hints, objects_of
from policy.answer_frames import Frames, frames_of
from policy.body_evidence import body_hints
from policy.exchange_evidence import exchange_hint, media_hint
from policy.header_evidence import answer_header_hint, header_hint, realtime_hint
from policy.hints import NONE, Hint, best
from policy.name_evidence import AGREEING, TELLING, name_hint
from policy.path_evidence import path_hint
from policy.prose import LOOKED_AT
from policy.question_evidence import REASON, Question, read_question
from policy.reply_evidence import Reply, add_media, add_texts, job_hint, read_reply, reply_hints
from policy.request_documents import Asked, read_request
from policy.request_families import FULL
from policy.rpc_evidence import rpc_hint
from policy.token_streams import stream_hint

AI, SUSPECT = 60, 35
# From this status on, words say what was wrong with the question.
ERRORS = 400
# A client whose TLS is no browser's: no evidence, but it makes other evidence weigh more.
PROGRAM = 5
# Beside a telling name it makes a host suspect that nobody has looked into.
PROGRAM_BESIDE_NAME = 10
# A weak path gains by a body that is what the path says, as `/generate` by one of text-generation-inference.
AGREEMENT = 12


@dataclass(frozen=True, slots=True)
class RequestEvidence:
    """What is known of a request. Header names are lower case; ``body`` may be empty, or its first part.

    ``program`` is whose TLS it came by, where that is no browser's (``policy.tls_client``).
    """

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    program: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerEvidence:
    """What is known of its answer, identity-encoded; ``body`` may be the first part only."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """``score`` is 0 to 100: ``ai`` from 60, ``suspect`` from 35. ``evidence`` is for an analyst to read."""

    verdict: Literal["ai", "suspect", "none"]
    score: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Heard:
    """An answer that is read, with the hints of its family: all that holds whatever the question was."""

    answer: AnswerEvidence
    content_type: str
    frames: Frames
    objects: Objects
    hints: list[Hint]


def score(request: RequestEvidence, answer: AnswerEvidence | None) -> Verdict:
    """Judge one exchange; ``answer`` is ``None`` before it came. Never raises."""
    return _judged(request, None if answer is None else _heard(answer))


def score_session(requests: Iterable[RequestEvidence], answer: AnswerEvidence) -> Verdict:
    """Judge several requests that one answer came to; the highest score holds. Never raises."""
    heard = _heard(answer)
    return max((_judged(each, heard) for each in requests), key=_score)


def _judged(request: RequestEvidence, heard: _Heard | None) -> Verdict:
    content_type = request.headers.get("content-type", "").lower()
    path, _, query = request.path.partition("?")
    asked = read_request(request.body, request.headers.get("content-type", ""), query)
    question = read_question(asked.objects, asked.text)
    body = body_hints(asked, question, request.body, content_type)
    kinds = [
        path_hint(path),
        header_hint(request.headers),
        best(body),
        best(
            [
                rpc_hint(path, content_type, asked, request.body),
                realtime_hint(request.headers, request.path),
            ]
        ),
    ]
    against = [hint for hint in body if hint.points < 0]
    if heard is None:
        return _verdict(kinds, against, request)
    found, together, unlike = _answer(asked, question, heard, kinds[2].points)
    both = _verdict([*kinds, found, together], [*against, *unlike], request)
    if heard.answer.status < ERRORS:
        return both
    # An error says nothing against a question that looked like one to an AI.
    return max(both, _verdict(kinds, against, request), key=_score)


def _score(verdict: Verdict) -> int:
    return verdict.score


def score_tunnel(names: Sequence[str], program: str | None) -> Verdict:
    """Judge what is not looked into, by what it calls itself and by whose TLS it is: at best ``suspect``.

    ``names`` are canonical. A browser is never suspect, since people read about AI.
    """
    named = best([name_hint(name) for name in names])
    if program is None or named.points < TELLING:
        return Verdict("none", named.points, (named.reason,) if named.points else ())
    reasons = (named.reason, f"the client's TLS is a program's ({program})")
    return Verdict("suspect", named.points + PROGRAM_BESIDE_NAME, reasons)


def _heard(answer: AnswerEvidence) -> _Heard:
    content_type = answer.headers.get("content-type", "").lower()
    frames = frames_of(content_type.partition(";")[0].strip(), answer.body)
    objects = objects_of(frames)
    hints = answer_hints(answer.status, content_type, answer.body, frames, objects)
    return _Heard(answer, content_type, frames, objects, hints)


def _answer(
    asked: Asked, question: Question, heard: _Heard, body_points: int
) -> tuple[Hint, Hint, list[Hint]]:
    """What the answer says, what both say together, and what speaks against.

    An answer's hints add up: counts beside choices are a whole family's shape.
    """
    answer, frames, objects = heard.answer, heard.frames, heard.objects
    stream, joined = stream_hint(
        [document for _, document in frames.documents], frames.texts, asked=question.asks
    )
    said = "\n".join(text[:LOOKED_AT] for text in question.texts)
    reply = read_reply(objects.found, said)
    if any(name.encode("utf-8", "replace") in answer.body for name in question.ids):
        reply.signs.add("same conversation")
    add_texts(reply, [*frames.texts, joined], said)
    add_media(reply, heard.content_type, answer.body[:16], vector=objects.vector)
    hints = [
        *heard.hints,
        *reply_hints(
            reply, question, stream, answers=answer.status < ERRORS and (question.asks or asked.sound)
        ),
        answer_header_hint(answer.headers),
        job_hint(reply, body_points),
    ]
    together = _together(question, reply, stream, asked) if answer.status < ERRORS else NONE
    positive = [hint for hint in {hint.reason: hint for hint in hints}.values() if hint.points > 0]
    total = Hint(sum(hint.points for hint in positive), "; ".join(hint.reason for hint in positive))
    # A picture that was asked for is no sign against.
    return total, together, [hint for hint in hints if hint.points < 0 and not together.points]


def _together(question: Question, reply: Reply, stream: Hint, asked: Asked) -> Hint:
    words = exchange_hint(question, reply, streamed=stream.points > 0)
    return best([words, media_hint(question, reply, asked)])


def _verdict(kinds: list[Hint], against: list[Hint], request: RequestEvidence) -> Verdict:
    positive = [hint for hint in kinds if hint.points > 0]
    if positive and name_hint(request.host).points:
        positive.append(Hint(AGREEING, "the host's name"))
    path, _, body, call, *answer = kinds
    beside = []  # says nothing by itself, so it is no kind of evidence
    if positive and request.program is not None:
        beside.append(Hint(PROGRAM, f"the client's TLS is a program's ({request.program})"))
    points = sum(hint.points for hint in [*positive, *beside, *against])
    if path.points > 0 and body.points >= FULL and body.reason != REASON:
        points += AGREEMENT
    alone = [hint for hint in [call, *answer] if hint.points >= AI]
    if len(positive) < 2 and not alone:
        points = min(points, AI - 1)
    points = max(0, min(points, 100))
    reasons = tuple(hint.reason for hint in [*positive, *beside, *against])
    if points >= AI:
        return Verdict("ai", points, reasons)
    return Verdict("suspect" if points >= SUSPECT else "none", points, reasons)
