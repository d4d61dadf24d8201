"""Which callers' credentials are of a private account: remembered here, and told to the other workers.

A call looks here alone and waits for nobody; a mark reaches every worker within a second. While Valkey is
away each worker goes by its own.
"""

import asyncio
import time
from collections import OrderedDict

from loguru import logger

from store.account_marks import KEPT_S, MARKS_MAX, AccountMarks, Mark, MarksUnavailable
from vault.vault import Vault

INTERVAL_S = 0.5
# Machines' clocks differ by less; what is heard twice changes nothing.
_OVERLAP_S = 60.0


class SharedMarks:
    """Keyed digests alone, of credentials and of accounts."""

    def __init__(self, vault: Vault, marks: AccountMarks) -> None:
        self._vault, self._shared = vault, marks
        self._marks: OrderedDict[bytes, bytes] = OrderedDict()
        self._untold: dict[Mark, None] = {}

    def digest(self, text: str) -> bytes:
        """The same in every worker; raises ``vault.errors.Sealed``."""
        return self._vault.digest(f"account mark\n{text}")

    def account_of(self, credential: bytes) -> bytes | None:
        """The digest of the account that a credential turned out to be of, if any."""
        return self._marks.get(credential)

    def note(self, credential: bytes, account: bytes) -> None:
        """Mark a credential, at once here and soon everywhere."""
        self._keep(credential, account)
        if len(self._untold) < MARKS_MAX:
            self._untold[credential, account] = None

    async def run(self) -> None:
        """Tell and hear, for ever."""
        heard_s, failing = time.time() - KEPT_S, False
        while True:
            begun_s, telling = time.time(), tuple(self._untold)
            try:
                heard = await self._shared.exchange(telling, heard_s - _OVERLAP_S)
            except MarksUnavailable as problem:
                if not failing:
                    logger.warning("private accounts are not told to other workers: {}", problem)
                failing = True
            else:
                heard_s, failing = begun_s, False
                for mark in telling:
                    self._untold.pop(mark, None)
                for credential, account in heard:
                    self._keep(credential, account)
            await asyncio.sleep(INTERVAL_S)

    def _keep(self, credential: bytes, account: bytes) -> None:
        self._marks[credential] = account
        self._marks.move_to_end(credential)
        if len(self._marks) > MARKS_MAX:
            self._marks.popitem(last=False)
