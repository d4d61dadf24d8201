"""One bounded round trip to the limiter's scripts, and the few ways in which it can fail."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from store.breaker import Breaker
from store.errors import StoreError
from store.valkey import CONNECTIONS_MAX, Client
from store.valkey_batches import Batches

# A reply that has arrived while the event loop was busy is read within so many turns of the loop.
_TURNS = 8
# A Valkey that answers others is busy, not away: it is given the bound again, so many times.
_EXTENSIONS = 10

type Keys = tuple[str, str, str]


class LimiterUnavailable(StoreError):
    """Valkey is away, hung, failing over, or has lost what was used and it cannot be summed now."""


class NotSent(LimiterUnavailable):
    """The breaker was open, so that Valkey knows nothing of the call."""


class InvalidDemand(StoreError, ValueError):
    """An amount that is not a whole number in range; a fault of ours, or a provider's lie."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest that Valkey knows it by."""

    text: str
    digest: str

    @classmethod
    def of(cls, *names: str) -> Self:
        """The script that these files of this folder are, one after the other."""
        text = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class ScriptRunner:
    """Runs scripts on one tenant's keys; ``timeout_s`` bounds each wait for Valkey's answer."""

    def __init__(self, client: Client, *, timeout_s: float) -> None:
        # A cluster's commands go to different servers, so they go one by one.
        self._together = Batches(client) if isinstance(client, Redis) else None
        self._command: Callable[..., Awaitable[Any]] = (self._together or client).execute_command
        self.timeout_s = timeout_s
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._breaker = Breaker()
        self.heard_at = 0.0

    @property
    def available(self) -> bool:
        """False while the breaker is open."""
        return not self._breaker.open

    async def run(self, script: Script, keys: Keys, *arguments: str | int) -> list[int]:
        """One round trip; the script's answer is a text of integers, never none.

        Raises ``InvalidDemand`` when the script refuses its arguments, else ``LimiterUnavailable``.
        """
        if self._together is not None:
            reply = await self._admitted(script, keys, arguments)
        else:
            # A crowd waits here, in order, and not in the time given to Valkey.
            async with self._turns:
                reply = await self._admitted(script, keys, arguments)
        numbers = _numbers(reply)
        if numbers is None:
            self._breaker.failed()
            raise LimiterUnavailable("Valkey answered what the script never does")
        self._breaker.succeeded()
        return numbers

    async def _admitted(self, script: Script, keys: Keys, arguments: tuple[str | int, ...]) -> Any:
        if not self._breaker.admits():
            raise NotSent("Valkey did not answer a moment ago")
        return await self._bounded(script, keys, arguments)

    async def _bounded(self, script: Script, keys: Keys, arguments: tuple[str | int, ...]) -> Any:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:
                patience = _Patience(scope, loop, self)
                try:
                    reply = await self._send(script, keys, arguments)
                finally:
                    patience.end()
                self.heard_at = loop.time()
                return reply
        except ResponseError as error:
            if str(error).startswith("INVALID"):
                raise InvalidDemand(str(error)) from error
            self._breaker.failed()
            raise LimiterUnavailable(f"Valkey refused: {type(error).__name__}") from error
        except (RedisError, OSError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and self._together is not None:
                self._together.give_up()
            self._breaker.failed()
            raise LimiterUnavailable(f"Valkey did not answer: {type(error).__name__}") from error

    async def _send(self, script: Script, keys: Keys, arguments: tuple[str | int, ...]) -> Any:
        try:
            return await self._command("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._command("EVAL", script.text, len(keys), *keys, *arguments)


class _Patience:
    """Ends a wait for Valkey that nothing has ended within the bound.

    Only silence counts: not the time in which our own event loop was busy while a reply lay in the socket,
    nor that in which Valkey answered other calls.
    """

    def __init__(self, scope: asyncio.Timeout, loop: asyncio.AbstractEventLoop, runner: ScriptRunner) -> None:
        self._scope, self._loop, self._runner = scope, loop, runner
        self._extensions = _EXTENSIONS
        self._began = loop.time()
        self._handle: asyncio.Handle = loop.call_later(runner.timeout_s, self._turn, _TURNS)

    def end(self) -> None:
        """The reply has come, or the caller has gone."""
        self._handle.cancel()

    def _turn(self, left: int) -> None:
        if left:
            self._handle = self._loop.call_soon(self._turn, left - 1)
        elif self._runner.heard_at > self._began and self._extensions:
            self._extensions -= 1
            self._began = self._loop.time()
            self._handle = self._loop.call_later(self._runner.timeout_s, self._turn, _TURNS)
        else:
            self._scope.reschedule(self._loop.time())


def _numbers(reply: Any) -> list[int] | None:
    try:
        return [int(number) for number in reply.split()] or None
    except (AttributeError, ValueError):
        return None
