"""The live stream: tells a page that something happened, and leaves it to the page to ask what.

It polls one number. It carries no data of its own, so it can leak none.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from litestar.response.sse import ServerSentEventMessage

from console.errors import ConsoleError, TooBusy
from console.views import reading
from policy.identifiers import TenantId
from store import overview
from store.door import Store
from store.errors import StoreError

# The page redraws at most this often. It must not throttle by itself: what htmx drops while it throttles is
# lost, and the last change would stay unseen until the next one.
POLL_S = 2.0
# Each stream costs a small query every time; a team of analysts with several tabs stays far below.
STREAMS_MAX = 64
# How soon a stream ends after its session was revoked.
SESSION_CHECK_POLLS = 3

ENDED = ServerSentEventMessage(event="ended", data="ended")


class Live:
    """Hands out streams, a bounded number at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open = 0
        self._ending = asyncio.Event()

    def end(self) -> None:
        """End every stream, so that the process can; browsers connect to the next one by themselves."""
        self._ending.set()

    async def changes(
        self, tenant_id: TenantId | None, still_signed_in: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[ServerSentEventMessage]:
        """Yield ``changed`` whenever the record has grown, ``ended`` when the session is over.

        ``still_signed_in`` raises ``ConsoleError`` when it is. Raises ``TooBusy`` before the first message.
        """
        if self._open >= STREAMS_MAX:
            raise TooBusy
        self._open += 1
        try:
            async for message in self._follow(tenant_id, still_signed_in):
                yield message
        finally:
            self._open -= 1

    async def _follow(
        self, tenant_id: TenantId | None, still_signed_in: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[ServerSentEventMessage]:
        seen, polls = await self._latest(tenant_id), 0
        yield ServerSentEventMessage(comment="connected", retry=3000)
        while not await self._told_to_end():
            polls += 1
            try:
                if polls % SESSION_CHECK_POLLS == 0:
                    await still_signed_in()
                newest = await self._latest(tenant_id)
            except ConsoleError:
                yield ENDED
                return
            except StoreError:
                return  # the browser connects again, and is answered once the database is back
            if newest != seen:
                seen = newest
                yield ServerSentEventMessage(event="changed", data=str(newest))
            elif polls % SESSION_CHECK_POLLS == 0:
                yield ServerSentEventMessage(comment="alive")

    async def _told_to_end(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._ending.wait()
        return self._ending.is_set()

    async def _latest(self, tenant_id: TenantId | None) -> int:
        async with reading(self._store, tenant_id) as session:
            return await overview.latest(session)
