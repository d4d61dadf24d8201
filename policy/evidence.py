"""Whether a host that no catalogue has speaks an AI API, from one exchange, with the reasons shown.

Kinds of evidence are added up, the best of each. Two independent kinds are needed for ``ai``, since one
alone is common elsewhere; an answer in a whole family's shape, or a protocol that is AI by definition, may
stand alone. The weights are fitted to the labelled set in ``tests/policy/labelled_traffic.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from policy.answer_evidence import answer_hints
from policy.body_evidence import FULL, body_hints, rpc_hint
from policy.header_evidence import answer_header_hint, header_hint, realtime_hint
from policy.hints import Hint, best
from policy.name_evidence import AGREEING, TELLING, name_hint
from policy.path_evidence import path_hint

AI, SUSPECT = 60, 35
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


def score(request: RequestEvidence, answer: AnswerEvidence | None) -> Verdict:
    """Judge one exchange; ``answer`` is ``None`` before it came. Never raises."""
    content_type = request.headers.get("content-type", "").lower()
    body = body_hints(request.body, content_type) if request.body else []
    kinds = [
        path_hint(request.path),
        header_hint(request.headers),
        best(body),
        best(
            [
                rpc_hint(request.path, content_type, request.body),
                realtime_hint(request.headers, request.path),
            ]
        ),
    ]
    against = [hint for hint in body if hint.points < 0]
    if answer is not None:
        found, unlike = _answer(answer)
        kinds.append(found)
        against += unlike
    return _verdict(kinds, against, request)


def score_tunnel(names: Sequence[str], program: str | None) -> Verdict:
    """Judge what is not looked into, by what it calls itself and by whose TLS it is: at best ``suspect``.

    ``names`` are canonical. A browser is never suspect, since people read about AI.
    """
    named = best([name_hint(name) for name in names])
    if program is None or named.points < TELLING:
        return Verdict("none", named.points, (named.reason,) if named.points else ())
    reasons = (named.reason, f"the client's TLS is a program's ({program})")
    return Verdict("suspect", named.points + PROGRAM_BESIDE_NAME, reasons)


def _answer(answer: AnswerEvidence) -> tuple[Hint, list[Hint]]:
    """An answer's hints add up: counts beside choices are a whole family's shape."""
    hints = answer_hints(answer.status, answer.headers.get("content-type", "").lower(), answer.body)
    named = answer_header_hint(answer.headers)
    positive = [hint for hint in [named, *hints] if hint.points > 0]
    total = Hint(sum(hint.points for hint in positive), "; ".join(hint.reason for hint in positive))
    return total, [hint for hint in hints if hint.points < 0]


def _verdict(kinds: list[Hint], against: list[Hint], request: RequestEvidence) -> Verdict:
    positive = [hint for hint in kinds if hint.points > 0]
    if positive and name_hint(request.host).points:
        positive.append(Hint(AGREEING, "the host's name"))
    path, _, body, call, *answer = kinds
    beside = []  # says nothing by itself, so it is no kind of evidence
    if positive and request.program is not None:
        beside.append(Hint(PROGRAM, f"the client's TLS is a program's ({request.program})"))
    points = sum(hint.points for hint in [*positive, *beside, *against])
    if path.points > 0 and body.points >= FULL:
        points += AGREEMENT
    alone = [hint for hint in [call, *answer] if hint.points >= AI]
    if len(positive) < 2 and not alone:
        points = min(points, AI - 1)
    points = max(0, min(points, 100))
    reasons = tuple(hint.reason for hint in [*positive, *beside, *against])
    if points >= AI:
        return Verdict("ai", points, reasons)
    return Verdict("suspect" if points >= SUSPECT else "none", points, reasons)
