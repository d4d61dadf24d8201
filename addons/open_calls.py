"""Open calls, sessions and tunnels are looked at again while they last, also where nothing comes.

A step that acts on what passes never notices that what a silent call was admitted by is no longer in force.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from loguru import logger

from addons.connections import ClientConnection, Connections
from addons.visit import Visit

# How often to look for a new policy, and for calls that could not be ended at the last look.
LOOK_EVERY_S = 0.2

# Looks at one call and ends it where it must end; passes over those that it is not about.
type Look = Callable[[Visit], Awaitable[None]]
# The same of a tunnel, which is known by the id of its client's connection.
type TunnelLook = Callable[[str, ClientConnection], Awaitable[None]]


class OpenCalls:
    """Those of this worker. No look waits for its client, so each call has its turn."""

    def __init__(self, connections: Connections, looks: Sequence[Look], tunnel_look: TunnelLook) -> None:
        self._connections, self._looks, self._tunnel_look = connections, looks, tunnel_look

    async def run(self) -> NoReturn:
        """Look for as long as the doors are open. A call that cannot be judged keeps no other from it."""
        while True:
            for visit in self._connections.open_visits():
                for look in self._looks:
                    try:
                        await look(visit)
                    except Exception:
                        logger.opt(exception=True).error(
                            "call {} could not be judged again", visit.exchange.id
                        )
            for client_id, facts in self._connections.open_tunnels():
                try:
                    await self._tunnel_look(client_id, facts)
                except Exception:
                    logger.opt(exception=True).error("a tunnel to {} could not be judged again", facts.tunnel)
            await asyncio.sleep(LOOK_EVERY_S)
