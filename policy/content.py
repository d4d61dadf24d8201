"""What was said in a call, as it is kept where a tenant's policy asks for it: bounded, and without real keys.

Pure: the ``content`` step gathers it as it passes, the vault seals it, ``store.content`` keeps it.
"""

import json
from dataclasses import dataclass
from struct import Struct, error
from typing import Any

from policy.provider_keys import without_keys

# Beyond this the sealed record of both directions would not fit into a record of the spool (256 KiB).
BYTES_MAX = 64 * 1024

_LENGTHS = Struct(">III")


class InvalidContent(ValueError):
    """The bytes are not the packed content of a call."""


class Gathered:
    """One direction of a call: its first ``bound`` bytes, and how many there were."""

    __slots__ = ("_bound", "_kept", "total")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._kept = bytearray()
        self.total = 0

    def feed(self, chunk: bytes) -> None:
        """Take note of what passes."""
        self.total += len(chunk)
        room = self._bound - len(self._kept)
        if room > 0:
            self._kept += chunk[:room]

    def text(self) -> bytes:
        """What was gathered, without anything in the form of a provider's key."""
        return without_keys(bytes(self._kept))


@dataclass(frozen=True, slots=True)
class Content:
    """What is kept of one call. ``question_bytes`` and ``answer_bytes`` are the lengths as they passed."""

    question: bytes
    answer: bytes
    question_bytes: int
    answer_bytes: int
    content_type: str

    def packed(self) -> bytes:
        """As it is sealed: three lengths, facts as JSON, question, answer."""
        facts = json.dumps(
            {
                "question_bytes": self.question_bytes,
                "answer_bytes": self.answer_bytes,
                "content_type": self.content_type[:200],
            }
        ).encode()
        head = _LENGTHS.pack(len(facts), len(self.question), len(self.answer))
        return head + facts + self.question + self.answer

    def document(self) -> dict[str, Any]:
        """As it is shown: texts, and whether each is whole."""
        return {
            "question": self.question.decode("utf-8", "replace"),
            "question_bytes": self.question_bytes,
            "question_whole": len(self.question) == self.question_bytes,
            "answer": self.answer.decode("utf-8", "replace"),
            "answer_bytes": self.answer_bytes,
            "answer_whole": len(self.answer) == self.answer_bytes,
            "answer_content_type": self.content_type,
        }


def unpacked(data: bytes) -> Content:
    """The reverse of ``Content.packed``; raises ``InvalidContent``."""
    try:
        facts_end, question, answer = _LENGTHS.unpack_from(data)
        begin = _LENGTHS.size
        facts = json.loads(data[begin : begin + facts_end])
        start = begin + facts_end
        if len(data) != start + question + answer:
            raise InvalidContent("the lengths do not add up")
        return Content(
            question=data[start : start + question],
            answer=data[start + question :],
            question_bytes=int(facts["question_bytes"]),
            answer_bytes=int(facts["answer_bytes"]),
            content_type=str(facts["content_type"]),
        )
    except (error, ValueError, KeyError, TypeError) as problem:
        raise InvalidContent("not the content of a call") from problem
