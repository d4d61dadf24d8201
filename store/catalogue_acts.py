"""The act of taking a new catalogue; one that is refused is written down too."""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.catalogue import InvalidCatalogue
from store import catalogues
from store.acts import Actor, record
from store.catalogue_release import ReleaseRefused
from store.catalogues import Catalogues, Loaded
from store.checkpoint import VerifierKey
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord

# The database's word for it (migration 0017).
NOT_NEWER = "catalogue_release_newest"


@dataclass(frozen=True, slots=True)
class Offered:
    """A catalogue file's text, and its signed note."""

    entries: str
    note: str


async def load_catalogue(
    store: Store, *, actor: Actor, offered: Offered, keys: Sequence[VerifierKey], known: Catalogues
) -> Loaded:
    """Verify a catalogue and put it in force everywhere; raises ``InvalidRecord`` for one that is refused."""
    try:
        found = catalogues.opened(keys, offered.entries, offered.note)
        if found.version <= known.shipped.version:
            raise ReleaseRefused(f"version {found.version} is not newer than the one that was shipped")
        return await _load(store, actor, offered, found.version, len(found))
    except (ReleaseRefused, InvalidCatalogue, InvalidRecord) as refusal:
        error: Exception = refusal
        if NOT_NEWER in str(refusal):
            error = ReleaseRefused("its version is not newer than that of a catalogue loaded before")
        async with store.platform(Purpose.ADMINISTRATION) as session:
            await record(
                session, actor, "catalogue.refuse", tenant_id=None, target="catalogue", reason=str(error)
            )
        raise InvalidRecord(str(error)) from error


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
