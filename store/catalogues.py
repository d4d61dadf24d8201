"""The catalogue in force: the newest signed release in the database, else the one that was shipped.

Every reader verifies for itself; one that cannot be verified or read is passed over, and what was in force
stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from loguru import logger
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.catalogue import Catalogue, InvalidCatalogue
from store.catalogue import read_catalogue
from store.catalogue_release import ReleaseRefused, verified
from store.checkpoint import VerifierKey
from store.rows import columns, many, one
from store.tables import CATALOGUE_RELEASE


@dataclass(frozen=True, slots=True)
class Loaded:
    """A release as it was loaded."""

    version: int
    loaded_by: str
    loaded_at: datetime


_LOADED = columns(CATALOGUE_RELEASE, Loaded)


async def add(session: AsyncSession, *, version: int, entries: str, note: str, loaded_by: str) -> Loaded:
    """Put a release in force; raises ``InvalidRecord`` for one that is not newer than every other."""
    statement = insert(CATALOGUE_RELEASE).values(
        version=version, entries=entries, note=note, loaded_by=loaded_by
    )
    return await one(session, Loaded, statement.returning(*_LOADED))


async def history(session: AsyncSession) -> list[Loaded]:
    """Every release that was loaded, the newest first."""
    return await many(session, Loaded, select(*_LOADED).order_by(CATALOGUE_RELEASE.c.version.desc()))


def origin(current: Catalogue, loaded: Sequence[Loaded]) -> str:
    """Where the catalogue in force is from: ``loaded``, or ``shipped`` with this version."""
    return "loaded" if current.version in {each.version for each in loaded} else "shipped"


class Catalogues:
    """Knows the shipped catalogue and the publishers' keys; keeps what it has verified."""

    def __init__(self, shipped: Catalogue, keys: Sequence[VerifierKey]) -> None:
        self.shipped = shipped
        self.keys = tuple(keys)
        self._current = shipped
        self._judged = shipped.version

    async def in_force(self, session: AsyncSession) -> Catalogue:
        """The newest catalogue that can be verified. The session may be anybody's."""
        if not self.keys:
            return self.shipped
        newest = select(CATALOGUE_RELEASE.c.version).order_by(CATALOGUE_RELEASE.c.version.desc()).limit(1)
        version = await session.scalar(newest)
        if version is not None and version > self._judged:
            self._current = await self._judge(session, version)
            self._judged = version
        return self._current

    async def _judge(self, session: AsyncSession, version: int) -> Catalogue:
        table = CATALOGUE_RELEASE.c
        query = select(table.entries, table.note).where(table.version == version)
        row = (await session.execute(query)).one()
        try:
            return opened(self.keys, row.entries, row.note)
        except (ReleaseRefused, InvalidCatalogue) as error:
            logger.error("catalogue {} is passed over: {}", version, error)
            return self._current


def opened(keys: Sequence[VerifierKey], entries: str, note: str) -> Catalogue:
    """The catalogue of a release; raises ``ReleaseRefused`` or ``InvalidCatalogue``."""
    release = verified(keys, entries, note)
    return replace(read_catalogue(entries), version=release.version)
