"""Text that comes as a model makes it: in fragments of a word or two, whose joints lie within sentences.

People's messages, lines of a log, and captions come in parts too. Theirs are whole: they do not begin with a
blank or a comma, a line ends with its line end, and a caption says when it is spoken.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from policy.field_names import plain
from policy.hints import NONE, Hint
from policy.prose import is_prose

STREAMED, FEW, GROWING, UNASKED = 40, 22, 40, 30
# From so many on, chance is ruled out.
FRAGMENTS_MIN = 4
FRAGMENT_LENGTH_MEAN_MAX = 24
FEW_LENGTH_MEAN_MAX = 60
JOINTS_SHARE_MIN = 0.34
STRINGS_MAX = 40
DEPTH_MAX = 6

type Path = tuple[str, ...]

_WITHIN_A_SENTENCE = " ,.;:!?'’)-\u3001\u3002\uff0c\uff1f\uff01"
# What stands beside a caption, a line of a log, an edit, or a price.
_TIMED = frozenset(
    (
        "start",
        "end",
        "level",
        "lineno",
        "line",
        "ts",
        "starttime",
        "endtime",
        "speaker",
        "cursor",
        "symbol",
        "ops",
    )
)


def stream_hint(documents: list[object], texts: list[str], *, asked: bool) -> tuple[Hint, str]:
    """The hint of a stream's fragments, and what they join to; empty where there is no such text.

    Where nothing was ``asked``, captions and shared documents come so too.
    """
    by_path: dict[Path, list[str]] = {}
    for document in documents:
        for path, text in _strings(document):
            by_path.setdefault(path, []).append(text)
    if texts:
        by_path[()] = texts
    hint, joined = NONE, ""
    for fragments in by_path.values():
        found = _judge(fragments)
        if found.points > hint.points:
            hint = found
            joined = fragments[-1] if _grows(fragments) else "".join(fragments)
    if hint.points == FEW and any(joined.strip() in text for text in _others(by_path, joined)):
        hint = Hint(STREAMED, "text in fragments, and whole at the end")
    if not asked:
        hint = Hint(min(hint.points, UNASKED), hint.reason)
    return hint, joined


def _others(by_path: dict[Path, list[str]], joined: str) -> Iterator[str]:
    """The texts that come once in a stream and are long enough to be all of it."""
    return (
        texts[0] for texts in by_path.values() if len(texts) == 1 and len(texts[0]) >= len(joined.strip())
    )


def _judge(fragments: list[str]) -> Hint:
    count = len(fragments)
    if count < 2:
        return NONE
    if _grows(fragments):
        return Hint(GROWING, "text that grows by a few words")
    joined = "".join(fragments)
    few = count < FRAGMENTS_MIN
    longest = FEW_LENGTH_MEAN_MAX if few else FRAGMENT_LENGTH_MEAN_MAX
    if len(joined) > longest * count or not is_prose(joined, 3 if few else 4):
        return NONE
    lines = sum(fragment.endswith("\n") for fragment in fragments[:-1])
    if lines * 3 > count or _joints(fragments) < JOINTS_SHARE_MIN * (count - 1):
        return NONE
    return Hint(FEW if few else STREAMED, "text in fragments of words")


def _grows(fragments: list[str]) -> bool:
    """Whether each text begins with the one before, and the last is prose."""
    parts = [fragment for fragment in fragments if fragment]
    if len(parts) < 2 or not is_prose(parts[-1], 5):
        return False
    pairs = pairwise(parts)
    return all(after.startswith(before) for before, after in pairs) and parts[0] != parts[-1]


def _joints(fragments: list[str]) -> int:
    """How many joints lie within a sentence, or between two characters of a script without blanks."""
    count = 0
    for before, after in pairwise(fragments):
        dense = before[-1:] >= "\u2e80" and after[:1] >= "\u2e80"
        count += dense or after[:1] in _WITHIN_A_SENTENCE or before.endswith(" ")
    return count


def _strings(document: object) -> Iterator[tuple[Path, str]]:
    """The strings of a document with the names above them; indices of lists are no part of a path."""
    pending: list[tuple[Path, object]] = [((), document)]
    for _ in range(STRINGS_MAX):
        if not pending:
            return
        path, node = pending.pop()
        if isinstance(node, str):
            # Hugging Face's chat pads each token, so that its length tells nothing.
            yield path, node.rstrip("\0")
        elif isinstance(node, Mapping):
            if len(path) < DEPTH_MAX and _TIMED.isdisjoint(map(plain, node)):
                pending.extend(((*path, key), node[key]) for key in list(node)[:STRINGS_MAX])
        elif isinstance(node, list):
            pending.extend((path, each) for each in node[:STRINGS_MAX])
