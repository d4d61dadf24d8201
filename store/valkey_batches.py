"""Commands that are asked for at the same time go to Valkey together.

One pipeline is under way at a time; what is asked for meanwhile forms the next. A worker under load so pays
for a connection's hand-over, a write and a wake-up once for many calls instead of once for each.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

BATCH_MAX = 64

type _Waiting = tuple[tuple[Any, ...], asyncio.Future[Any]]


class GivenUp(RedisError):
    """The pipeline that held this command was given up, since somebody waited for it in vain."""


class Batches:
    """Sends commands to one server. A reply is the command's value, or raised if it is an error."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._command: Callable[..., Awaitable[Any]] = client.execute_command
        self._asked: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def execute_command(self, *command: Any) -> Any:
        """As ``Redis.execute_command``. A caller that goes away leaves the others' commands alone."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        self._asked.append((command, reply))
        # An eager task that never waited has ended before it could be kept.
        if self._sending is None or self._sending.done():
            self._sending = loop.create_task(self._send_all())
        return await reply

    def give_up(self) -> None:
        """Somebody has waited in vain: end the pipeline under way, so that the next has a new connection."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._asked:
                batch, self._asked = self._asked[:BATCH_MAX], self._asked[BATCH_MAX:]
                await self._send(batch)
        except asyncio.CancelledError:
            _refuse(batch, GivenUp("Valkey did not answer"))
        finally:
            # What was asked for since is none of the failure's business, and goes out on another connection.
            loop = asyncio.get_running_loop()
            self._sending = loop.create_task(self._send_all()) if self._asked else None

    async def _send(self, batch: list[_Waiting]) -> None:
        if len(batch) == 1:
            replies = await self._single(batch[0][0])
        else:
            pipeline = self._client.pipeline(transaction=False)
            for command, _ in batch:
                pipeline.execute_command(*command)
            try:
                replies = await pipeline.execute(raise_on_error=False)
            except (RedisError, OSError) as error:
                replies = [error] * len(batch)
        for (_, future), reply in zip(batch, replies, strict=True):
            if future.done():
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    async def _single(self, command: tuple[Any, ...]) -> list[Any]:
        try:
            return [await self._command(*command)]
        except (RedisError, OSError) as error:
            return [error]


def _refuse(waiting: list[_Waiting], error: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
