"""A catalogue is taken at run time only from a trusted publisher, whole, and never an older one."""

from pathlib import Path

import pytest

from policy.catalogue import Entry, build
from store import catalogue_acts, catalogues
from store.acts import Actor
from store.catalogue import read_catalogue, row_of
from store.catalogue_acts import Offered
from store.catalogue_release import ReleaseRefused, signed, verified
from store.catalogues import Catalogues
from store.checkpoint import Checkpoint, SigningKey
from store.claim import Purpose
from store.door import Store
from store.errors import InvalidRecord
from store.snapshot import SnapshotSource
from store.tenants import PLATFORM

FILE = (Path(__file__).parents[2] / "config" / "ai_endpoints.csv").read_text()
SHIPPED = read_catalogue(FILE)
NEW = Entry(
    *("brand-new.example", "acme", "chat", "web", "unknown", "unknown", False, "test", "", "Acme"),
    date="2026-11-24",
)
TEXT = f"{FILE}{','.join(row_of(NEW))}\n"
PUBLISHER, STRANGER = SigningKey.generate(), SigningKey.generate()
KEYS = (PUBLISHER.verifier,)
ADA = Actor("ada", "command line")
AT = "2026-11-24T10:00:00.000000Z"

# Loads of one database are ordered, so each test takes versions above the last test's.
versions = iter(range(SHIPPED.version + 1, SHIPPED.version + 90, 2))


def offer(version: int, text: str = TEXT, key: SigningKey = PUBLISHER) -> Offered:
    return Offered(text, signed(key, text, version=version, at=AT))


async def load(store: Store, offered: Offered) -> catalogues.Loaded:
    known = Catalogues(SHIPPED, KEYS)
    return await catalogue_acts.load_catalogue(store, actor=ADA, offered=offered, known=known)


async def test_a_loaded_catalogue_serves_a_running_worker(store: Store, gateway: Store) -> None:
    source = SnapshotSource(gateway, catalogues=Catalogues(SHIPPED, KEYS))
    before = await source.load()
    assert before.entry_of(NEW.host, SHIPPED) is None or before.catalogue is not SHIPPED
    version = next(versions)
    assert (await load(store, offer(version))).version == version
    after = await source.refresh()
    assert after.version > before.version
    assert after.entry_of(NEW.host, SHIPPED) == NEW
    assert after.catalogue is not None
    assert after.catalogue.version == version


@pytest.mark.parametrize("kind", ["older", "same", "shipped", "stranger", "altered", "broken"])
async def test_what_is_not_newer_whole_and_trusted_is_refused_and_the_old_one_serves(
    store: Store, gateway: Store, kind: str
) -> None:
    now, newer = next(versions), next(versions)
    await load(store, offer(now))
    bad = {
        "older": offer(now - 1),
        "same": offer(now),
        "shipped": offer(SHIPPED.version),
        "stranger": offer(newer, key=STRANGER),
        "altered": Offered(f"{TEXT}\n", offer(newer).note),
        "broken": offer(newer, text="host\nx\n"),
    }[kind]
    with pytest.raises(InvalidRecord):
        await load(store, bad)
    async with gateway.platform(Purpose.SNAPSHOT) as session:
        assert (await Catalogues(SHIPPED, KEYS).in_force(session)).version == now


async def test_without_a_trusted_key_the_shipped_one_serves(store: Store, gateway: Store) -> None:
    await load(store, offer(next(versions)))
    for keys in ((), (STRANGER.verifier,)):
        async with gateway.platform(Purpose.SNAPSHOT) as session:
            assert await Catalogues(SHIPPED, keys).in_force(session) is SHIPPED


async def test_loads_and_refusals_are_written_down(store: Store) -> None:
    version = next(versions)
    await load(store, offer(version))
    with pytest.raises(InvalidRecord, match="not newer than that of a catalogue loaded before"):
        await load(store, offer(version))
    async with store.platform(Purpose.REPORTING) as session:
        from store import events

        found = [each for each in await events.latest(session, limit=50) if each.tenant_id == PLATFORM]
        assert (await catalogues.history(session))[0].loaded_by == "ada"
    assert any('"catalogue.load"' in each.body for each in found)
    assert any('"catalogue.refuse"' in each.body for each in found)


def test_a_checkpoint_is_no_release() -> None:
    note = PUBLISHER.sign(Checkpoint(PLATFORM, 1, bytes(32), AT))
    with pytest.raises(ReleaseRefused):
        verified(KEYS, TEXT, note)
    assert verified(KEYS, TEXT, offer(5).note).version == 5


def test_the_version_of_a_file_is_that_of_its_newest_fact() -> None:
    assert build([NEW]).version == 2026112400
