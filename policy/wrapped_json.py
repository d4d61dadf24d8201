"""Documents that come wrapped in texts of other documents: JSON as it is, or in base64.

Queues, functions and relays pass a body on as a text. What cannot be unwrapped holds nothing.
"""

import base64
import binascii
import json

BYTES_MAX = 1024 * 1024
# How base64 of an object that has a field begins.
_PACKED = "eyJ"


def may_wrap(value: object) -> bool:
    """Whether there may be objects in a value. A signed token (RFC 7519) begins as one, and has dots."""
    if isinstance(value, str):
        return value[:1] in ("{", "[") or (value[:3] == _PACKED and "." not in value)
    return isinstance(value, dict | list)


def unwrapped(text: str) -> object:
    """The document in a text; ``None`` for what is none, or too long. Never raises."""
    if len(text) > BYTES_MAX:
        return None
    try:
        return json.loads(base64.b64decode(text + "==") if text[:3] == _PACKED else text)
    except (ValueError, RecursionError, binascii.Error):
        return None
