"""Wipes the keys and tokens that a worker holds and may not need any more, also where no call comes.

A tenant's data key goes when the policy says that it was shredded or rotated, or when its time is over; a
token when its credential was revoked or rotated.
"""

import asyncio
from typing import NoReturn

from loguru import logger

from addons.snapshots import Snapshots
from policy.snapshot import PolicySnapshot
from vault.token_exchange import TokenExchange
from vault.vault import Vault

LOOK_EVERY_S = 0.5


class Forgetting:
    """Looks through what this worker holds, for as long as it serves."""

    def __init__(self, vault: Vault, exchange: TokenExchange, snapshots: Snapshots) -> None:
        self._vault, self._exchange, self._snapshots = vault, exchange, snapshots

    async def run(self) -> NoReturn:
        """Look twice a second. What is held is little: one ring for each tenant that called lately."""
        while True:
            try:
                self.look(self._snapshots.current)
            except Exception:
                logger.opt(exception=True).error("held keys could not be looked through")
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self, policy: PolicySnapshot) -> None:
        """Wipe what ``policy`` does not know as it is held."""
        self._vault.keep_only(policy.tenants)
        self._exchange.keep_only(policy.credentials)
