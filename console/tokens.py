"""Random tokens for cookies and links. Only a digest is stored: a thief of the database signs nobody in.

The tokens are random, 256 bits, so a plain SHA-256 is enough.
"""

import hashlib
import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """A token to hand out once."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """What is stored of it: 32 bytes."""
    return hashlib.sha256(token.encode()).digest()
