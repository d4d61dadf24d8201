"""A child process and its keeper: started with its document, ready when it says so, replaced when it dies.

What the children do, and in which order they end, is the supervisor's concern.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable

from loguru import logger

from conduit.boot import Boot
from conduit.errors import ChildFailed

# Imports, the policy's first load and the listeners, on a loaded machine.
READY_TIMEOUT_S = 60.0
# A child that dies at once is not restarted in a tight loop; one that has lived is forgiven.
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 10.0
FORGIVEN_AFTER_S = 30.0
# Beyond the drain itself: settling, the record, closing the engines' connections.
END_MARGIN_S = 10.0

# All that a child inherits. Settings and proxies of the operator's shell are none of its business, and a
# database URL may stand in the environment.
INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ")


class Child:
    """One process. ``module`` is run with ``python -O``: no security check of ours is an ``assert``."""

    def __init__(self, boot: Boot, process: asyncio.subprocess.Process) -> None:
        self.boot = boot
        self._process = process
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, module: str, boot: Boot, environment: dict[str, str]) -> "Child":
        """Start it and return when it is ready. Raises ``ChildFailed``; nothing is left running then."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-O", "-P", "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in INHERITED if name in os.environ} | environment,
            start_new_session=True,  # a terminal's Ctrl-C is the supervisor's to handle
        )
        child = cls(boot, process)
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await child._introduce()
        except TimeoutError:
            await child.stop(0)
            raise ChildFailed(f"{boot.process} was not ready within {READY_TIMEOUT_S:.0f} s") from None
        except BaseException:
            await child.stop(0)
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return await self._process.wait()

    async def stop(self, timeout_s: float) -> None:
        """End it in good order, by force after ``timeout_s``; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM if timeout_s > 0 else signal.SIGKILL)
        try:
            async with asyncio.timeout(timeout_s or None):
                await self._process.wait()
        except TimeoutError:
            logger.error("{} did not end within {:.0f} s and is killed", self.boot.process, timeout_s)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            self._reader.cancel()  # not awaited to its end: a grandchild may hold the pipe open

    async def _introduce(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ChildFailed(f"{self.boot.process} has no pipes")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(self.boot.model_dump_json().encode())
            await stdin.drain()
            stdin.close()
            await stdin.wait_closed()
        while line := await stdout.readline():
            if line.startswith(b'{"ready": true'):
                self._reader = asyncio.create_task(_discard(stdout))
                return
        code = await self._process.wait()
        raise ChildFailed(f"{self.boot.process} ended with {code} before it was ready; its log says why")


async def _discard(stdout: asyncio.StreamReader) -> None:
    """Nobody reads it further, yet a full pipe would block the child."""
    while await stdout.read(64 * 1024):
        pass


class Keeper:
    """One place that a child fills. ``boot`` makes the document anew for each that is started."""

    def __init__(
        self,
        module: str,
        boot: Callable[[], Boot],
        environment: dict[str, str],
        *,
        ended: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        self._module, self._boot, self._environment, self._ended = module, boot, environment, ended
        self._child: Child | None = None
        self._retiring: dict[asyncio.Task[None], Child] = {}
        self._changing = asyncio.Lock()
        self._stopping = False
        self._restart_wanted = False

    @property
    def pid(self) -> int | None:
        """Of the child in place; ``None`` before the first."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Fill the place for the first time. Raises ``ChildFailed``."""
        self._child = await self._new()

    async def keep(self) -> None:
        """Replace the child whenever it dies, until ``stop``."""
        loop = asyncio.get_running_loop()
        backoff_s, started = BACKOFF_FIRST_S, loop.time()
        while (child := self._child) is not None and not self._stopping:
            code = await child.ended()
            if self._stopping or child is not self._child:
                continue
            if loop.time() - started > FORGIVEN_AFTER_S:
                backoff_s = BACKOFF_FIRST_S
            if not self._restart_wanted:
                logger.error("{} (process {}) ended with {}", child.boot.process, child.pid, code)
            backoff_s = await self._refill(child, backoff_s)
            started = loop.time()

    async def replace(self, drain_s: float) -> None:
        """Start another; when it is ready, let the old one drain behind it.

        Raises ``ChildFailed``, keeping the old one.
        """
        async with self._changing:
            if self._stopping:
                return
            new = await self._new()
            old, self._child = self._child, new
        if old is not None:
            task = asyncio.create_task(self._end(old, drain_s))
            self._retiring[task] = old
            task.add_done_callback(self._retiring.pop)

    async def restart(self, drain_s: float) -> None:
        """End the child and let ``keep`` start another, for one whose port two cannot share."""
        if self._child is not None:
            self._restart_wanted = True
            await self._child.stop(drain_s + END_MARGIN_S)

    async def stop(self, drain_s: float) -> None:
        """End the child for good; it has ``drain_s`` for what it is doing, and a margin to tidy up."""
        self._stopping = True
        async with self._changing:
            if self._child is not None:
                await self._end(self._child, drain_s)
        await asyncio.gather(*self._retiring)

    async def kill(self) -> None:
        """End the child, and those that drain, at once."""
        self._stopping = True
        here = [self._child] if self._child else []
        await asyncio.gather(*(child.stop(0) for child in (*here, *self._retiring.values())))

    async def _end(self, child: Child, drain_s: float) -> None:
        await child.stop(drain_s + END_MARGIN_S)
        self._ended(child.pid)

    async def _refill(self, dead: Child, backoff_s: float) -> float:
        """Start until one is ready or none is wanted; the pause before the next start, in seconds."""
        self._ended(dead.pid)
        while not self._stopping and self._child is dead:
            await asyncio.sleep(0 if self._restart_wanted else backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
            async with self._changing:
                if self._stopping or self._child is not dead:
                    break
                try:
                    self._child = await self._new()
                    self._restart_wanted = False
                except ChildFailed as error:
                    logger.error("{}", error)
        return backoff_s

    async def _new(self) -> Child:
        return await Child.start(self._module, self._boot(), self._environment)
