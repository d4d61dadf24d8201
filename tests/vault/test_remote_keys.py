"""The same promises from each keeper of keys: a KMS on HTTP (moto), a transit engine, an HSM (SoftHSM)."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.standins.buckets import ACCESS, REGION, cloud
from tests.vault.conftest import KEY, Safe
from tests.vault.transit_engine import TransitEngine
from vault import aws_kms, pkcs11, transit
from vault.errors import KeySourceRefused, Sealed, Unopenable
from vault.remote_keys import RemoteKeys
from vault.sources import KeySource, RemoteKey, open_vault
from vault.vault import Vault

CONTEXT = b"a tenant's data key"
PIN = "pin-of-the-hsm"
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")


@dataclass
class Keeper:
    """A keeper with a key in it. ``connect`` signs in anew; ``other_key`` names another key of its own."""

    connect: Callable[[Path], RemoteKeys]
    other_key: Callable[[Path], RemoteKeys]
    stop: Callable[[], None]


@pytest.fixture(scope="module")
def kms() -> Iterator[str]:
    with cloud() as url:
        yield url


@pytest.fixture
def aws(kms: str, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("kms", region_name=REGION, endpoint_url=kms)
    arns = [client.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    silent = [kms]

    def connect(path: Path, arn: str = arns[0]) -> RemoteKeys:
        return aws_kms.connect(key=arn, index_path=path, region=REGION, endpoint=silent[0])

    return Keeper(
        connect,
        lambda path: connect(path, arns[1]),
        lambda: silent.__setitem__(0, "http://127.0.0.1:9"),
    )


@pytest.fixture
def hashicorp(tmp_path: Path) -> Iterator[Keeper]:
    (tmp_path / "token").write_text("s.token\n")
    engine = TransitEngine(token="s.token", keys=("conduit", "other"))

    def connect(path: Path, key: str = "conduit") -> RemoteKeys:
        return transit.connect(
            endpoint=engine.url,
            mount="transit",
            key=key,
            token_file=tmp_path / "token",
            ca_file=None,
            index_path=path,
        )

    yield Keeper(connect, lambda path: connect(path, "other"), engine.stop)
    engine.stop()


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    if not SOFTHSM.exists():
        pytest.skip("SoftHSM is not installed (Debian package softhsm2); make installs it as root")
    import pkcs11 as library

    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    (tmp_path / "pin").write_text(f"{PIN}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    initialise = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "conduit",
        "--so-pin",
        "administration",
        "--pin",
        PIN,
    ]
    subprocess.run(initialise, check=True, capture_output=True, env=os.environ | {"PATH": "/usr/bin:/bin"})
    library.unload(str(SOFTHSM))
    loaded = library.lib(str(SOFTHSM))
    loaded.reinitialize()
    with loaded.get_token(token_label="conduit").open(user_pin=PIN, rw=True) as session:
        for label in ("kek", "other"):
            session.generate_key(library.KeyType.AES, 256, label=label, store=True)

    def connect(path: Path, key: str = "kek") -> RemoteKeys:
        return pkcs11.connect(
            module=SOFTHSM, token="conduit", key=key, pin_file=tmp_path / "pin", index_path=path
        )

    def stop() -> None:
        for file in (tmp_path / "tokens").rglob("*.object"):
            file.unlink()

    return Keeper(connect, lambda path: connect(path, "other"), stop)


@pytest.fixture(params=["aws", "hashicorp", "hsm"])
def keeper(request: pytest.FixtureRequest) -> Keeper:
    found: Keeper = request.getfixturevalue(request.param)
    return found


def test_what_was_wrapped_opens_in_its_context_alone(keeper: Keeper, tmp_path: Path) -> None:
    keys = keeper.connect(tmp_path / "index")
    wrapped = keys.wrap(b"k" * 32, context=CONTEXT)
    assert keys.unwrap(wrapped.sealed, name=wrapped.name, context=CONTEXT) == b"k" * 32
    assert b"k" * 32 not in wrapped.sealed
    with pytest.raises(Unopenable):
        keys.unwrap(wrapped.sealed, name=wrapped.name, context=b"another tenant's")


def test_an_altered_byte_does_not_open(keeper: Keeper, tmp_path: Path) -> None:
    keys = keeper.connect(tmp_path / "index")
    wrapped = keys.wrap(b"k" * 32, context=CONTEXT)
    for at in (-1, -20, -40):
        bent = bytearray(wrapped.sealed)
        bent[at] ^= 1
        with pytest.raises(Unopenable):
            keys.unwrap(bytes(bent), name=wrapped.name, context=CONTEXT)


def test_a_database_cannot_choose_the_key(keeper: Keeper, tmp_path: Path) -> None:
    """Even one that the keeper would use for us: whoever wraps a data key knows it."""
    ours, theirs = keeper.connect(tmp_path / "index"), keeper.other_key(tmp_path / "index")
    foreign = theirs.wrap(b"k" * 32, context=CONTEXT)
    for name in (foreign.name, ours.current):
        # KMS may tell the wrong key as a right that is missing.
        with pytest.raises((Unopenable, Sealed)):
            ours.unwrap(foreign.sealed, name=name, context=CONTEXT)


def test_a_keeper_that_is_away_seals_the_vault(keeper: Keeper, tmp_path: Path) -> None:
    wrapped = keeper.connect(tmp_path / "index").wrap(b"k" * 32, context=CONTEXT)
    keeper.stop()
    keys = keeper.connect(tmp_path / "index")
    with pytest.raises(Sealed):
        keys.unwrap(wrapped.sealed, name=wrapped.name, context=CONTEXT)
    with pytest.raises(Sealed):
        keys.wrap(b"k" * 32, context=CONTEXT)


def test_the_index_key_is_the_same_on_every_machine_and_made_once(keeper: Keeper, tmp_path: Path) -> None:
    keys = keeper.connect(tmp_path / "index")
    with pytest.raises(Sealed):
        keys.index_key()
    keys.create_index()
    assert keys.index_key() == keeper.connect(tmp_path / "index").index_key()
    assert len(keys.index_key()) == 32
    with pytest.raises(FileExistsError):
        keys.create_index()
    with pytest.raises((Unopenable, Sealed)):
        keeper.other_key(tmp_path / "index").index_key()


async def test_a_vault_works_on_it_and_asks_off_the_event_loop(
    keeper: Keeper, tmp_path: Path, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keeper.connect(tmp_path / "index")
    keys.create_index()
    vault = Vault(keys)
    with pytest.raises(Sealed):
        vault.digest("sk-cdt")
    await vault.ready()
    assert len(vault.digest("sk-cdt")) == 32

    house = replace_vault(safe, vault)
    tenant = await asyncio.to_thread(house.a_tenant)
    with pytest.raises(Sealed):
        house.a_credential(tenant)
    await vault.unlock(tenant)
    credential = house.a_credential(tenant)

    asked: list[str] = []
    real = keys.unwrap
    monkeypatch.setattr(
        type(keys), "unwrap", lambda _self, sealed, **how: asked.append("") or real(sealed, **how)
    )
    vault.forget(tenant.id)
    await asyncio.gather(*(vault.unlock(tenant) for _ in range(20)))
    assert len(asked) == 1
    assert vault.open_credential(tenant, credential, host="api.openai.com").matches(KEY)
    with pytest.raises(Unopenable):
        await vault.unlock(replace(tenant, data_key=safe.vault.new_data_key(tenant.id)))


async def test_a_keeper_that_comes_late_opens_the_vault_that_waits(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.vault.RETRY_S", 0.01)
    keys = keeper.connect(tmp_path / "index")
    vault = Vault(keys)
    waiting = asyncio.create_task(vault.run())
    await asyncio.sleep(0)
    with pytest.raises(Sealed):
        vault.digest("sk-cdt")
    await asyncio.to_thread(keys.create_index)
    await waiting
    assert len(vault.digest("sk-cdt")) == 32


def test_nothing_of_it_is_shown(keeper: Keeper, tmp_path: Path) -> None:
    shown = repr(keeper.connect(tmp_path / "index"))
    for secret in ("testing", "s.token", PIN):
        assert secret not in shown


@pytest.mark.parametrize("key", ["alias/conduit", "1234abcd-12ab-34cd-56ef-1234567890ab", ""])
def test_a_kms_key_is_named_by_its_arn(key: str, tmp_path: Path) -> None:
    with pytest.raises(KeySourceRefused):
        aws_kms.connect(key=key, index_path=tmp_path / "i", region="eu-central-1", endpoint=None)


def test_a_transit_token_does_not_cross_the_network_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s.token")
    with pytest.raises(KeySourceRefused, match="https"):
        transit.connect(
            endpoint="http://vault.example:8200",
            mount="transit",
            key="conduit",
            token_file=tmp_path / "token",
            ca_file=None,
            index_path=tmp_path / "index",
        )


@pytest.mark.parametrize("source", [KeySource.AWS_KMS, KeySource.TRANSIT, KeySource.PKCS11])
@pytest.mark.parametrize("remote", [None, RemoteKey(key=""), RemoteKey(key="conduit")])
def test_a_remote_source_half_set_up_stops_the_start(
    source: KeySource, remote: RemoteKey | None, tmp_path: Path
) -> None:
    with pytest.raises(KeySourceRefused):
        open_vault(source=source, path=tmp_path / "index", remote=remote)


def replace_vault(safe: Safe, vault: Vault) -> Safe:
    changed: Any = Safe(safe.path)
    changed.vault = vault
    return changed  # type: ignore[no-any-return]
