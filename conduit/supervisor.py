"""``conduit up``: bring everything up in order, keep it up, reload, drain, and bring it down in order.

Up: the folder's lock, engines, migration as the owner, certificate authority, key-encryption key, children.
Down: workers (calls in flight finish), then console and shipper (the last events are stored), then the
engines. No request passes through this process.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger
from prometheus_client.multiprocess import mark_process_dead

from conduit.authority import Authority, ensure_authority
from conduit.boot import Boot
from conduit.child import Keeper
from conduit.data_folder import DataFolder
from conduit.embedded import Engines, EngineUrls
from conduit.errors import ChildFailed, ConfigurationError, EngineError
from conduit.hardening import forbid_dumps, refuse_tracer
from conduit.key_provision import ensure_key, key_environment
from conduit.listeners import require_free
from conduit.logs import write_logs
from conduit.settings import Settings, load
from conduit.welcome import first_sign_in, welcome
from store.migrate import upgrade
from store.roles import RoleSecrets

WORKER, CONSOLE, SHIPPER, DUTIES = (
    "conduit.worker",
    "conduit.console_process",
    "conduit.shipper_process",
    "conduit.duties_process",
)
ENGINE_LOOK_S = 0.5
SHIPPER_DRAIN_S = 10.0
# What cannot be changed under running children that hold connections and listeners of the old.
FIXED = ("database", "redis", "vault")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What children need, once engines, schema, authority and key are there."""

    folder: DataFolder
    urls: EngineUrls
    roles: RoleSecrets
    authority: Authority
    key_environment: dict[str, str] = field(repr=False)


def up(data: Path, config: Path | None, workers: int | None) -> None:
    """Run an instance until SIGTERM or SIGINT; a second one ends it without waiting for calls.

    Raises ``ConduitError``, or an error of the store or the vault, with one line for the operator.
    """
    forbid_dumps()
    settings = load(config, os.environ)
    refuse_tracer(allowed=settings.vault.allow_tracer)
    write_logs(settings.logging, process="conduit")
    folder = DataFolder(data)
    with folder.locked(), contextlib.ExitStack() as stack:
        require_free(settings.listen)
        # Its one thread lives as long as the engines: the kernel ends them with the thread that started them.
        engine_thread = stack.enter_context(ThreadPoolExecutor(1, "engines"))
        engines = Engines(folder, settings)
        stack.callback(lambda: engine_thread.submit(engines.stop).result())
        asyncio.run(Supervisor(folder, settings, config, workers, engines, engine_thread).run())


class Supervisor:
    """The state of one run."""

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        config: Path | None,
        workers: int | None,
        engines: Engines,
        engine_thread: ThreadPoolExecutor,
    ) -> None:
        self._folder, self._settings, self._config, self._asked = folder, settings, config, workers
        self._engines, self._engine_thread = engines, engine_thread
        self._stop_asked, self._stop_now, self._reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._workers: list[Keeper] = []
        self._console: Keeper | None = None
        self._behind: list[Keeper] = []
        self._metrics = folder.folder("run", "metrics")

    async def run(self) -> None:
        """Up, then until told to stop, then down."""
        self._take_signals()
        starting = asyncio.create_task(self._start())
        stopped = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            await self._keep_until_stopped()
        finally:
            await self._down()

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    def _on_stop(self) -> None:
        (self._stop_now if self._stop_asked.is_set() else self._stop_asked).set()

    async def _start(self) -> None:
        shutil.rmtree(self._metrics)
        self._folder.folder("run", "metrics")
        await self._on_engines(self._engines.start)
        roles = await asyncio.to_thread(upgrade, self._engines.urls.owner)
        prepared = Prepared(
            folder=self._folder,
            urls=self._engines.urls,
            roles=roles,
            authority=ensure_authority(self._folder, now=datetime.now(UTC)),
            key_environment=key_environment(self._settings.vault.kek, os.environ),
        )
        await ensure_key(self._folder, self._settings, roles)
        count = self._asked or self._settings.workers or os.cpu_count() or 1
        self._workers = [self._keeper(WORKER, "worker", prepared, number) for number in range(count)]
        self._console = self._keeper(CONSOLE, "console", prepared)
        self._behind = [self._keeper(SHIPPER, "shipper", prepared), self._keeper(DUTIES, "duties", prepared)]
        await _all(keeper.start() for keeper in self._children())
        token = await first_sign_in(roles)
        print(welcome(self._settings, prepared.authority, token), flush=True)

    def _keeper(self, module: str, process: str, prepared: Prepared, number: int = 0) -> Keeper:
        """A place for a child, which is told the settings in force when it is started."""
        # The duties read every tenant and try every repository function, as only the console's role may.
        as_console = module in (CONSOLE, DUTIES)

        def boot() -> Boot:
            return Boot(
                process=f"{process}-{number}" if module == WORKER else process,
                number=number,
                workers=max(1, len(self._workers)),
                parent=os.getpid(),
                data=prepared.folder.path,
                settings=self._settings,
                dsn=prepared.roles.console_dsn if as_console else prepared.roles.gateway_dsn,
                claim_key=prepared.roles.claim_key,
                redis_url=prepared.urls.redis,
                environment=prepared.key_environment,
            )

        environment = {"PROMETHEUS_MULTIPROC_DIR": str(self._metrics)}
        return Keeper(module, boot, environment, ended=self._forget_gauges)

    def _forget_gauges(self, pid: int) -> None:
        """A dead process's gauges (calls in flight) must not be counted on; its counters stay."""
        mark_process_dead(pid, str(self._metrics))  # type: ignore[no-untyped-call]

    def _children(self) -> list[Keeper]:
        console = [self._console] if self._console else []
        return [*self._workers, *console, *self._behind]

    async def _keep_until_stopped(self) -> None:
        """Children, engines and reloads, until a signal ends it. A fault of ours here ends the instance."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keeper.keep()) for keeper in self._children()]
            tasks += [group.create_task(self._watch_engines()), group.create_task(self._reload_when_asked())]
            await self._stop_asked.wait()
            for task in tasks:
                task.cancel()

    async def _watch_engines(self) -> None:
        """Start again an engine that died. Meanwhile workers refuse: nothing passes unrecorded."""
        while True:
            await asyncio.sleep(ENGINE_LOOK_S)
            try:
                for name in await self._on_engines(self._engines.revive):
                    logger.error("{} had died and serves again", name)
            except EngineError as error:
                logger.error("{}", error)

    async def _reload_when_asked(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            try:
                await self._load_anew()
            except (ConfigurationError, ChildFailed) as error:
                logger.error("nothing is reloaded: {}", error)

    async def _load_anew(self) -> None:
        """Replace workers one by one, each ready before its forerunner drains; then the others."""
        settings = load(self._config, os.environ)
        fixed = [name for name in FIXED if getattr(settings, name) != getattr(self._settings, name)]
        if fixed:
            raise ConfigurationError(f"{', '.join(fixed)} can only be changed by a restart")
        former, self._settings = self._settings, settings
        try:
            for keeper in self._workers:
                await keeper.replace(former.drain_s)
        except ChildFailed:
            self._settings = former
            raise
        for other in self._children()[len(self._workers) :]:
            await other.restart(0)
        write_logs(settings.logging, process="conduit")
        logger.info("reloaded; new calls are decided by the new settings")

    async def _down(self) -> None:
        """In order: the console tells load balancers of the drain, the shipper stores what workers leave."""
        now = asyncio.create_task(self._stop_now.wait())
        draining = asyncio.create_task(_all(keeper.stop(self._settings.drain_s) for keeper in self._workers))
        await asyncio.wait((draining, now), return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            logger.warning("calls in flight are cut")
            await _all(keeper.kill() for keeper in self._workers)
        await draining
        now.cancel()
        await _all(keeper.stop(SHIPPER_DRAIN_S) for keeper in self._children())

    async def _on_engines[Result](self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._engine_thread, work)


async def _all(work: Iterable[Coroutine[None, None, object]]) -> None:
    """Do all at once; the first failure is raised when all have ended, so that none is left half done."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
