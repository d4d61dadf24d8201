"""Signing a webhook as https://www.standardwebhooks.com says (specification 1.0, symmetric signatures)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
# "Between 24 bytes (192 bits) and 64 bytes (512 bits)", says the specification.
KEY_BYTES = range(24, 65)


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The keys of a secret's text: one a line, the newest first; while two are there, both sign.

    Each is ``whsec_`` and base64. Raises ``ValueError``, which does not repeat the text.
    """
    keys = tuple(_key(line.strip()) for line in text.splitlines() if line.strip())
    if not keys:
        raise ValueError("there is no secret")
    return keys


def _key(line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is whsec_ and base64") from None
    if not line.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError("a secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def signed_headers(keys: Sequence[bytes], *, identity: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers that prove a body; ``at`` is in seconds since 1970."""
    content = f"{identity}.{at}.".encode() + body
    signatures = [
        "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys
    ]
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }
