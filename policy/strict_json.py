"""JSON that every reader reads alike: UTF-8, unique keys, finite numbers, bounded depth.

A gateway that decides on a body must read what the provider will read. Where the JSON standard lets
readers differ (RFC 8259 §4, §6, §8.1), the text is refused instead of guessed at. It does not interpret
what the document says; ``policy.inspection`` does.
"""

import json
import math
import re

DEPTH_MAX = 64
INTEGER_DIGITS_MAX = 20
# Reading is at once, and values cost up to a hundred times their bytes. OpenAI takes 300,000 tokens to embed
# in one request.
VALUES_MAX = 500_000
# Each is read by itself, ten times as slowly as plain text. A million Chinese characters make a million of
# them, and so does a base64 text of 60 MB with its slashes escaped, as PHP writes it.
ESCAPES_MAX = 2_000_000
# A double has 17 significant digits and, written without an exponent, up to 323 zeros.
FLOAT_CHARACTERS_MAX = 1_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A text with its quotes; one without its end goes on to the last byte, so that this is linear.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
# A pair where there is one, else half of it.
_SURROGATES = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})"
)


class AmbiguousJson(ValueError):
    """A body that two readers could take for different documents; its text is one sentence for the caller."""


def parse(body: bytes) -> object:
    """Read one JSON document strictly.

    Raises ``AmbiguousJson`` for another encoding than UTF-8 or a byte order mark, duplicate keys, ``NaN``
    and ``Infinity``, a number that overflows a double, an integer of more than ``INTEGER_DIGITS_MAX``
    digits, nesting deeper than ``DEPTH_MAX``, more than ``VALUES_MAX`` values or ``ESCAPES_MAX`` backslashes,
    a lone surrogate, and for anything that is not JSON. Of a text of 64 MiB no single piece of the work
    holds the interpreter longer than the decoder needs for it: a tenth of a second or two.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        raise AmbiguousJson("The body starts with a byte order mark; send plain UTF-8.")
    if b"\x00" in body[:4]:
        raise AmbiguousJson("The body is not UTF-8.")
    if body.count(b"\\") > ESCAPES_MAX:
        raise AmbiguousJson(f"The body holds more than {ESCAPES_MAX} escapes.")
    _check_surrogates(body)
    _check_count(body)
    try:
        document = _decoder.decode(body.decode())
    except AmbiguousJson:
        raise
    except UnicodeDecodeError as error:
        raise AmbiguousJson("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise AmbiguousJson(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except (RecursionError, ValueError, MemoryError) as error:
        raise AmbiguousJson("The body is not JSON that can be read safely.") from error
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX:
        _check_depth([document])
    return document


def _check_depth(document: object) -> None:
    """Measure nesting level by level. The parser's own recursion guard has bounded it to thousands."""
    level: list[object] = [document]
    for _ in range(DEPTH_MAX + 1):
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)  # type: ignore[attr-defined]
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return
    raise AmbiguousJson(f"The body is nested deeper than {DEPTH_MAX} levels.")


def _check_count(body: bytes) -> None:
    """Bound the values before they are made; most texts hold few of these characters."""
    if _separators(body) <= VALUES_MAX:
        return
    texts = body.count(b'"') - body.count(b'\\"')
    if texts > 2 * VALUES_MAX or _separators_outside_texts(body) > VALUES_MAX:
        raise AmbiguousJson(f"The body holds more than {VALUES_MAX} values.")


def holds_many_values(text: bytes) -> bool:
    """Whether a text might hold more than ``VALUES_MAX`` values, were it JSON: at a glance."""
    return len(text) > VALUES_MAX and _separators(text) > VALUES_MAX


def _separators_outside_texts(body: bytes) -> int:
    found, end = 0, 0
    for text in _TEXT.finditer(body):
        found += _separators(body[end : text.start()])
        end = text.end()
    return found + _separators(body[end:])


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


def _check_surrogates(body: bytes) -> None:
    if b"\\ud" not in body and b"\\uD" not in body:
        return
    # Something is put where an escaped backslash stood, or what stands beside it would become a pair.
    text = body.replace(b"\\\\", b"--")
    if any(found[1] is None for found in _SURROGATES.finditer(text)):
        raise AmbiguousJson("The body holds half of a surrogate pair.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise AmbiguousJson("The body holds the same key twice in one object.")
    return found


def _integer(text: str) -> int:
    if len(text) > INTEGER_DIGITS_MAX:
        raise AmbiguousJson("The body holds an integer that is too large to be read alike everywhere.")
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= FLOAT_CHARACTERS_MAX else math.inf
    if not math.isfinite(number):
        raise AmbiguousJson("The body holds a number that is too large or too long.")
    return number


def _constant(text: str) -> float:
    raise AmbiguousJson(f"The body holds {text}, which is not JSON.")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
