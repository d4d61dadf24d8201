"""The key-encryption key at the start of an instance: made on the first one, never again.

How it is kept and used is ``vault``'s concern.
"""

import os

from loguru import logger

from conduit.data_folder import DataFolder
from conduit.settings import Settings
from store import tenants
from store.claim import Purpose
from store.door import Store
from store.roles import RoleSecrets
from vault import key_file


async def ensure_key(folder: DataFolder, settings: Settings, roles: RoleSecrets) -> None:
    """Make ``vault/kek`` where nothing can be sealed under another key yet.

    With tenants in the database, a missing key is lost or lies elsewhere: a new one would open nothing and
    hide the loss, so the vault stays sealed until the operator puts it back.
    """
    kek = settings.vault.kek
    path = folder.folder("vault") / "kek"
    if kek.source != "file" or kek.path is not None or path.exists():
        return
    store = await Store.open(roles.console_dsn, roles.claim_key, pool_size=1)
    try:
        async with store.platform(Purpose.ADMINISTRATION) as session:
            known = await tenants.every(session)
    finally:
        await store.close()
    if known:
        logger.error("{} is missing; the vault stays sealed until it is put back", path)
        return
    key_file.create(path)
    logger.info("made the key-encryption key {}; keep a copy of it apart from the database's", path)


def key_document(settings: Settings) -> str | None:
    """The key-encryption key where it comes from the environment, to be handed to the children."""
    if settings.vault.kek.source != "environment":
        return None
    return os.environ.get(settings.vault.kek.variable)
