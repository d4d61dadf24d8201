"""Passwords: argon2id, off the event loop, a bounded number at once.

It knows nothing of accounts; a missing account is verified against ``DECOY`` so that it takes as long.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from console.errors import Invalid, SignInFailed, TooBusy

# NIST SP 800-63B-4: at least 15 characters for a password alone, 8 beside a second factor; 12 is between.
# The upper bound keeps the hash's input small; NIST asks to accept at least 64.
PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 256

# One hash takes 64 MiB and about 0.1 s of a core (argon2-cffi's default profile, RFC 9106 low memory).
CONCURRENT_MAX = 2
WAITING_MAX = 16


class Passwords:
    """Hashes and verifies within the bounds above. One instance serves the whole process."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """``hasher`` other than argon2-cffi's default profile is for tests that are not about its cost."""
        self._hasher = hasher if hasher is not None else PasswordHasher()
        self._slots = asyncio.Semaphore(CONCURRENT_MAX)
        self._waiting = 0
        # The hash of a text that nobody can type; made with the same cost as every real one.
        self._decoy = self._hasher.hash("\x00")

    async def hash(self, password: str) -> str:
        """Hash a new password; raises ``Invalid`` when its length is out of bounds, ``TooBusy``."""
        check_length(password)
        async with self._slot():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, stored: str | None) -> None:
        """Return if ``password`` is the one that ``stored`` was made from; else raise ``SignInFailed``.

        ``stored`` ``None`` (no such account) always fails and takes as long. Raises ``TooBusy``.
        """
        async with self._slot():
            matched = await asyncio.to_thread(self._matches, password[: PASSWORD_LENGTH_MAX + 1], stored)
        if not matched:
            raise SignInFailed

    def _matches(self, password: str, stored: str | None) -> bool:
        try:
            self._hasher.verify(stored if stored is not None else self._decoy, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_MAX:
            raise TooBusy
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1


def check_length(password: str) -> None:
    """Raise ``Invalid`` unless the length is within bounds; no rule on kinds of characters (NIST)."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise Invalid(f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters.")
