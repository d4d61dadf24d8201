"""Long texts are read in a thread, so that all other calls go on meanwhile.

Reading takes the interpreter's lock for one search or one text at a time, never for the whole
(``policy.strict_json``, ``vault.placeholder``). One text is read at a time: what is made of it may take a
hundred times its bytes.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# What is read at once takes ten milliseconds, were it made to be slow; a thread costs a tenth of one.
AT_ONCE_BYTES_MAX = 256 * 1024
# At the least so much is read in a second; the time that a step has grows with what it must read.
BYTES_PER_SECOND = 8 * 1024 * 1024


class LongTexts:
    """Reads for one worker."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-texts")

    async def read[Read](self, size: int, work: Callable[[], Read]) -> Read:
        """What ``work`` makes of a text of ``size`` bytes. In a thread it must change nothing by itself."""
        if size <= AT_ONCE_BYTES_MAX:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
