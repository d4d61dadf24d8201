"""Credentials that turned out to be of a private account, told from one worker to all, through Valkey.

Both halves of a mark are keyed digests: whoever reads Valkey learns neither credential nor account. What is
lost with Valkey is found again at the credential's next answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from redis.exceptions import RedisError

from store.valkey import Client

MARKS_MAX = 10_000
KEPT_S = 7 * 24 * 3600
KEY = "conduit:{account-marks}"
_TIMEOUT_S = 2.0
_CREDENTIAL_BYTES = 32

type Mark = tuple[bytes, bytes]


class MarksUnavailable(Exception):
    """Valkey did not answer."""


class AccountMarks:
    """A mark is the digest of a credential (32 bytes) and that of the account that it opens."""

    def __init__(self, client: Client) -> None:
        self._command: Callable[..., Awaitable[Any]] = client.execute_command

    async def exchange(self, fresh: Collection[Mark], since_s: float) -> list[Mark]:
        """Tell of ``fresh`` marks, and hear of those since a moment (Unix time); raises ``MarksUnavailable``.

        At most ``MARKS_MAX`` are kept, none longer than a week.
        """
        now = time.time()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                if fresh:
                    scored = [part for mark in fresh for part in (now, b"".join(mark))]
                    await self._command("ZADD", KEY, *scored)
                    await self._command("ZREMRANGEBYSCORE", KEY, "-inf", now - KEPT_S)
                    await self._command("ZREMRANGEBYRANK", KEY, 0, -(MARKS_MAX + 1))
                found = await self._command("ZRANGEBYSCORE", KEY, since_s, "+inf")
        except (RedisError, OSError, TimeoutError) as error:
            raise MarksUnavailable(f"Valkey did not answer: {type(error).__name__}") from error
        return [(member[:_CREDENTIAL_BYTES], member[_CREDENTIAL_BYTES:]) for member in found]
