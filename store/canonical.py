"""Canonical JSON: one value, one text, so that a hash over it means something.

The form of RFC 8785 for what events hold: keys sorted, no blanks, UTF-8, only the escapes that JSON
demands, integers in full. Two departures, both so that nothing can be written in two ways: floats are
refused (RFC 8785 would print them as ECMAScript does), and keys sort by code point, which differs from
RFC 8785 only for keys outside the Basic Multilingual Plane.
"""

import json
from collections.abc import Mapping
from typing import Any


class NotCanonical(ValueError):
    """The value has no canonical text: it holds a float, a key that is no text, or a foreign type."""


def canonical(value: Mapping[str, Any]) -> bytes:
    """The canonical UTF-8 text of a JSON object. Raises ``NotCanonical``.

    Half of a surrogate pair, which a hostile request can put into a model's name, has no UTF-8 form and
    becomes ``?``: the record of a call must not fail because its content is odd.
    """
    _refuse_inexact(value)
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotCanonical("the value cannot be written as canonical JSON") from error
    return text.encode("utf-8", "replace")


def _refuse_inexact(value: object) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, float):
            raise NotCanonical("a float has no canonical text; use an integer of a smaller unit")
        if isinstance(item, Mapping):
            if not all(isinstance(key, str) for key in item):
                raise NotCanonical("a key that is not a text")
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
