"""A running instance as a command sees it: its settings, its store, its vault.

Nothing here starts or stops anything.
"""

import asyncio
import fcntl
import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from conduit.command import CommandFailed, Invocation
from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from conduit.errors import ConfigurationError
from conduit.hardening import refuse_tracer
from conduit.settings import Settings, load
from policy.accounts import Restriction
from policy.endpoints import Defaults as States
from store.acts import Actor
from store.catalogue import load_catalogue, load_restrictions
from store.catalogues import Catalogues
from store.checkpoint import KeyInvalid, VerifierKey
from store.door import Store
from store.inventory import Defaults
from store.roles import read_secrets
from vault.sources import KeySource, RemoteKey, open_vault
from vault.vault import Vault

CONNECTIONS = 2

# The catalogue and the providers that this version knows; what an operator decides is in the settings.
CATALOGUE_FOLDER = Path(__file__).resolve().parent.parent / "config"


@dataclass(frozen=True, slots=True)
class Instance:
    """What a command works with."""

    folder: Path
    settings: Settings
    store: Store
    vault: Vault


def settings_of(invocation: Invocation) -> Settings:
    """The instance's settings; raises ``ConfigurationError``."""
    return load(invocation.config, os.environ)


def inventory_defaults(settings: Settings) -> Defaults:
    """What judges endpoints that nobody decided on."""
    stated = settings.endpoints
    states = States(stated.default_catalogued, stated.default_unknown)
    return Defaults(states, catalogues_of(settings))


def catalogues_of(settings: Settings) -> Catalogues:
    """The catalogue that this version ships, and who else is trusted to publish one."""
    shipped = load_catalogue(CATALOGUE_FOLDER / "ai_endpoints.csv")
    return Catalogues(shipped, publishers_of(settings))


def restrictions() -> tuple[Restriction, ...]:
    """The vendors' headers that this version knows, by which accounts are restricted."""
    return load_restrictions(CATALOGUE_FOLDER / "account_restrictions.csv")


def publishers_of(settings: Settings) -> tuple[VerifierKey, ...]:
    """The keys by which loaded catalogues are trusted."""
    try:
        return tuple(VerifierKey.parse(text) for text in settings.catalogue.public_keys)
    except KeyInvalid as error:
        raise ConfigurationError(f"catalogue.public_keys: {error}") from error


def vault_of(folder: Path, settings: Settings) -> Vault:
    """The instance's vault, sealed where there is no key; raises ``KeySourceRefused``."""
    kek = settings.vault.kek
    return open_vault(
        source=KeySource(kek.source),
        path=key_path(folder, settings),
        variable=kek.variable,
        remote=remote_key(settings),
    )


def key_path(folder: Path, settings: Settings) -> Path:
    """The key file, or with a remote key the file of the index key that it wraps."""
    kek = settings.vault.kek
    return kek.path or folder / "vault" / ("kek" if kek.source in ("file", "environment") else "index")


def remote_key(settings: Settings) -> RemoteKey | None:
    """Where the remote key is; ``None`` for the local sources."""
    kek = settings.vault.kek
    if kek.source in ("file", "environment"):
        return None
    return RemoteKey(
        key=kek.key or "",
        region=kek.region,
        endpoint=kek.endpoint,
        mount=kek.mount,
        ca_file=kek.ca_file,
        module=kek.module,
        token=kek.token,
        secret_file=kek.secret_file,
    )


@asynccontextmanager
async def opened(invocation: Invocation) -> AsyncIterator[Instance]:
    """Connect to the instance; raises ``CommandFailed`` when none is running."""
    settings = settings_of(invocation)
    refuse_tracer(allowed=settings.vault.allow_tracer)
    folder = invocation.data.expanduser().absolute()
    secrets = await asyncio.to_thread(read_secrets, owner_url(folder, settings))
    vault = vault_of(folder, settings)
    store = await Store.open(secrets.console_dsn, secrets.claim_key, pool_size=CONNECTIONS)
    try:
        yield Instance(folder, settings, store, vault)
    finally:
        await store.close()


def actor() -> Actor:
    """Who acts through the command line: the account of the operating system."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"uid {os.geteuid()}"
    return Actor(name, "command line")


def is_running(folder: Path) -> bool:
    """Whether a process holds the data folder."""
    try:
        descriptor = os.open(folder / "run" / "instance.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def owner_url(folder: Path, settings: Settings) -> str:
    """The database's owner, of a running instance; raises ``CommandFailed`` when none is. A secret."""
    named = settings.database.resolved()
    if named:
        return named
    if not is_running(folder):
        raise CommandFailed(f"no instance is running on {folder}; start it with `conduit up`")
    return EmbeddedPostgres(DataFolder(folder)).owner_url
