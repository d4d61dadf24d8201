"""The two database engines of an instance: embedded ones, or those that the operator's URLs name.

Which it is, nothing else needs to know: everything downstream is given two URLs.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from conduit.embedded_valkey import EmbeddedValkey
from conduit.settings import Settings


@dataclass(frozen=True, slots=True)
class EngineUrls:
    """Where the engines are. Both may hold passwords, so neither is shown."""

    owner: str = field(repr=False)
    redis: str = field(repr=False)


class Engines:
    """The engines that this process runs itself; none where both URLs are set."""

    def __init__(self, folder: DataFolder, settings: Settings) -> None:
        database, redis = settings.database.resolved(), settings.redis.resolved()
        self._postgres = None if database else EmbeddedPostgres(folder)
        self._valkey = None if redis else EmbeddedValkey(folder)
        self._database, self._redis = database, redis

    @property
    def urls(self) -> EngineUrls:
        return EngineUrls(
            owner=self._postgres.owner_url if self._postgres else str(self._database),
            redis=self._valkey.url if self._valkey else str(self._redis),
        )

    def start(self) -> None:
        """Start what is embedded, under the folder's lock. Raises ``EngineError``, leaving none running."""
        try:
            for engine in self._embedded():
                engine.start()
        except BaseException:
            self.stop()
            raise

    def revive(self) -> list[str]:
        """Start again what has died; the names of it, for the log. Raises ``EngineError``."""
        dead = [engine for engine in self._embedded() if not engine.running]
        for engine in dead:
            engine.start()
        return [type(engine).__name__ for engine in dead]

    def stop(self) -> None:
        """Stop what is embedded, the database last."""
        for engine in reversed(self._embedded()):
            engine.stop()

    def _embedded(self) -> list[EmbeddedPostgres | EmbeddedValkey]:
        return [engine for engine in (self._postgres, self._valkey) if engine is not None]


@contextlib.contextmanager
def started(folder: DataFolder, settings: Settings) -> Iterator[EngineUrls]:
    """The engines for as long as the block lasts. Raises ``AlreadyRunning`` or ``EngineError``."""
    engines = Engines(folder, settings)
    with folder.locked():
        engines.start()
        try:
            yield engines.urls
        finally:
            engines.stop()
