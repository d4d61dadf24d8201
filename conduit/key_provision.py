"""The key-encryption key at the start of an instance: made on the first one, never again.

How it is kept and used is ``vault``'s concern.
"""

import asyncio
from collections.abc import Mapping

from loguru import logger

from conduit.data_folder import DataFolder
from conduit.instance import key_path, remote_key
from conduit.settings import PREFIX, KeyEncryptionKey, Settings
from store import tenants
from store.claim import Purpose
from store.door import Store
from store.roles import RoleSecrets
from vault import key_file
from vault.errors import Sealed
from vault.sources import KeySource, open_remote


async def ensure_key(folder: DataFolder, settings: Settings, roles: RoleSecrets) -> None:
    """Make ``vault/kek`` (with a remote key: ``vault/index``) where nothing can rest on another one yet.

    With tenants in the database, a missing key is lost or lies elsewhere: a new one would open nothing and
    hide the loss, so the vault stays sealed until the operator puts it back. Raises ``KeySourceRefused``.
    """
    folder.folder("vault")
    path, kek = key_path(folder.path, settings), settings.vault.kek
    if kek.source == "environment" or path.exists() or (kek.source == "file" and kek.path is not None):
        return
    if await _knows_tenants(roles):
        logger.error("{} is missing; the vault stays sealed until it is put back", path)
        return
    remote = remote_key(settings)
    if remote is None:
        key_file.create(path)
        logger.info("made the key-encryption key {}; keep a copy of it apart from the database's", path)
        return
    keeper = open_remote(source=KeySource(kek.source), path=path, remote=remote)
    try:
        await asyncio.to_thread(keeper.create_index)
    except Sealed as reason:
        logger.error("the vault stays sealed: {}", reason)
        return
    logger.info("made the index key {}, wrapped by {}; every machine needs the same", path, keeper.current)


async def _knows_tenants(roles: RoleSecrets) -> bool:
    store = await Store.open(roles.console_dsn, roles.claim_key, pool_size=1)
    try:
        async with store.platform(Purpose.ADMINISTRATION) as session:
            return bool(await tenants.every(session))
    finally:
        await store.close()


def key_environment(kek: KeyEncryptionKey, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the key's source reads, to be handed to the children, who inherit none of them.

    AWS credentials may stand in variables; an HSM's library finds its configuration by names of its vendor's.
    """
    match kek.source:
        case "environment":
            wanted = [kek.variable]
        case "aws_kms":
            wanted = [name for name in environment if name.startswith("AWS_")]
        case "pkcs11":
            wanted = [
                name for name in environment if not name.startswith(PREFIX) and "PROXY" not in name.upper()
            ]
        case _:
            wanted = []
    return {name: environment[name] for name in wanted if name in environment}
