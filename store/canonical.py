"""Canonical JSON: one value, one text, so that a hash over it means something.

The form of RFC 8785 for what events hold: keys sorted, no blanks, UTF-8, only the escapes that JSON
demands, integers in full. Two departures, both so that nothing can be written in two ways: floats are
refused (RFC 8785 would print them as ECMAScript does), and keys sort by code point, which differs from
RFC 8785 only for keys outside the Basic Multilingual Plane.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class NotCanonical(ValueError):
    """The value has no canonical text: it holds a float, a key that is no text, or a foreign type."""


# Made once: json.dumps would make an encoder for each call that states any option.
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
# In the order of its making, where a text is only read back: sorting costs as much as the rest.
_ENCODE_AS_MADE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_EXACT = {str, int, bool, type(None)}
_TEXT = {str}


def canonical(value: Mapping[str, Any]) -> bytes:
    """The canonical UTF-8 text of a JSON object. Raises ``NotCanonical``.

    Half of a surrogate pair, which a hostile request can put into a model's name, has no UTF-8 form and
    becomes ``?``: the record of a call must not fail because its content is odd.
    """
    return _written(value, _ENCODE)


def writable(value: Mapping[str, Any]) -> bytes:
    """The same text but for the order of its keys, for what is read back before it is hashed."""
    return _written(value, _ENCODE_AS_MADE)


def _written(value: Mapping[str, Any], encode: Callable[[Any], str]) -> bytes:
    try:
        _refuse_inexact(value)
        return encode(value).encode("utf-8", "replace")
    except NotCanonical:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise NotCanonical("the value cannot be written as canonical JSON") from error


def _refuse_inexact(value: object) -> None:
    """Raise ``NotCanonical`` for a float, a key that is no text, or any type that JSON does not have.

    Sets of types, because this stands before every call: the usual flat event costs two passes in C.
    """
    items: Iterable[object]
    if isinstance(value, dict):
        if not set(map(type, value)) <= _TEXT:
            raise NotCanonical("a key that is not a text")
        items = value.values()
    elif isinstance(value, list | tuple):
        items = value
    elif isinstance(value, str | int):
        return  # a member of an enumeration, written as its value
    else:
        raise NotCanonical(f"{type(value).__name__} has no canonical text; of a number, only an integer has")
    if not set(map(type, items)) <= _EXACT:
        for item in items:
            if type(item) not in _EXACT:
                _refuse_inexact(item)
