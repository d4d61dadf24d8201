"""Whether the instance may be sent traffic: named checks, each bounded in time, none trusted to answer.

What is checked is decided by the assembly (``conduit.console_process``); this module runs and reports.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from loguru import logger

# A load balancer asks every few seconds with a time-out of its own of about as much.
CHECK_TIMEOUT_S = 2.0
# Monitoring may ask often and from several places; the dependencies are asked once a second at most.
HELD_S = 1.0


class Unready(Exception):
    """What a check raises when its part is not fit; the message is shown and holds no secret."""


Check = Callable[[], Awaitable[str]]
"""Returns one short sentence on what it found; raises ``Unready``, or anything else, when it is not well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``milliseconds`` is how long it took."""

    ok: bool
    detail: str
    milliseconds: int


class Health:
    """Runs the checks side by side and holds the findings for a moment."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._held: dict[str, Finding] = {}
        self._held_until = 0.0
        self._lock = asyncio.Lock()

    async def findings(self) -> dict[str, Finding]:
        """Every check's finding, by name, no older than ``HELD_S``."""
        async with self._lock:
            if time.monotonic() >= self._held_until:
                found = await asyncio.gather(*(_run(name, check) for name, check in self._checks.items()))
                self._held = dict(zip(self._checks, found, strict=True))
                self._held_until = time.monotonic() + HELD_S
            return self._held


async def _run(name: str, check: Check) -> Finding:
    started = time.monotonic()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            ok, detail = True, await check()
    except Unready as error:
        ok, detail = False, str(error)
    except TimeoutError:
        ok, detail = False, f"no answer within {CHECK_TIMEOUT_S:g} s"
    except Exception as error:
        # The boundary that refuses: whatever a dependency throws means that it is not well. Its text may
        # hold an address or a password, so only its kind is told.
        logger.warning("readiness check {} failed: {}", name, type(error).__name__)
        ok, detail = False, f"failed ({type(error).__name__})"
    return Finding(ok=ok, detail=detail, milliseconds=round((time.monotonic() - started) * 1000))
