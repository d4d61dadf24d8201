"""The act of taking a new catalogue; one that is refused is written down too."""

from asyncio import to_thread
from dataclasses import dataclass

from policy.catalogue import Catalogue, InvalidCatalogue
from store import catalogues
from store.acts import Actor, record
from store.catalogue import read_catalogue
from store.catalogue_release import ReleaseRefused
from store.catalogues import Catalogues, Loaded
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord

# The database's word for it (migration 0017).
NOT_NEWER = "catalogue_release_newest"
OLDER = "its version is not newer than that of a catalogue loaded before"


@dataclass(frozen=True, slots=True)
class Offered:
    """A catalogue file's text, and its signed note."""

    entries: str
    note: str


async def load_catalogue(store: Store, *, actor: Actor, offered: Offered, known: Catalogues) -> Loaded:
    """Verify a catalogue and put it in force everywhere; raises ``InvalidRecord`` for one that is refused."""
    try:
        found = await to_thread(_verified, offered, known)
        return await _load(store, actor, offered, found.version, len(found))
    except (ReleaseRefused, InvalidCatalogue, InvalidRecord) as refusal:
        error: Exception = refusal
        if getattr(refusal, "constraint", None) == NOT_NEWER:
            error = ReleaseRefused(OLDER)
        async with store.platform(Purpose.ADMINISTRATION) as session:
            await record(
                session, actor, "catalogue.refuse", tenant_id=None, target="catalogue", reason=str(error)
            )
        raise InvalidRecord(str(error)) from error


def judged(offered: Offered, known: Catalogues, before: Catalogue) -> tuple[Catalogue, str | None]:
    """The catalogue as it would be in force, and why it would be refused, or ``None``; nothing is changed.

    ``before`` is the one in force. Raises ``InvalidRecord`` for what is no catalogue at all. It may take
    seconds of computing.
    """
    try:
        found = _verified(offered, known)
        if found.version <= before.version:
            raise ReleaseRefused(OLDER)
    except ReleaseRefused as refusal:
        try:
            return read_catalogue(offered.entries), str(refusal)
        except InvalidCatalogue as error:
            raise InvalidRecord(str(error)) from error
    except InvalidCatalogue as error:
        raise InvalidRecord(str(error)) from error
    return found, None


def _verified(offered: Offered, known: Catalogues) -> Catalogue:
    """The offered catalogue; raises ``ReleaseRefused`` or ``InvalidCatalogue``."""
    found = catalogues.opened(known.keys, offered.entries, offered.note)
    if found.version <= known.shipped.version:
        raise ReleaseRefused(f"version {found.version} is not newer than the one that was shipped")
    return found


async def _load(store: Store, actor: Actor, offered: Offered, version: int, entries: int) -> Loaded:
    async with store.platform(Purpose.ADMINISTRATION) as session:
        loaded = await catalogues.add(
            session,
            version=version,
            entries=offered.entries,
            note=offered.note,
            loaded_by=actor.name,
        )
        await record(session, actor, "catalogue.load", tenant_id=None, target=str(version), entries=entries)
    return loaded
