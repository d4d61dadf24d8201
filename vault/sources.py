"""Which source the key-encryption key comes from: the one place that turns a setting into a vault."""

from enum import StrEnum
from pathlib import Path

from loguru import logger

from vault import key_file
from vault.errors import KeySourceRefused, Sealed
from vault.kek import KeyEncryptionKey
from vault.vault import Vault


class KeySource(StrEnum):
    """The values of the setting ``vault.kek.source``."""

    FILE = "file"
    ENVIRONMENT = "environment"


def open_vault(*, source: KeySource, path: Path | None = None, variable: str = "CONDUIT_KEK") -> Vault:
    """A vault on the configured source; a sealed one when the source has no key.

    ``path`` is for ``file``, ``variable`` (an environment variable) for ``environment``.

    Raises ``KeySourceRefused`` when the source is set up wrongly, such as a key file that others can read.
    """
    try:
        return Vault(_keys(source, path, variable))
    except Sealed as reason:
        logger.warning("the vault is sealed: {}", reason)
        return Vault(None)


def _keys(source: KeySource, path: Path | None, variable: str) -> KeyEncryptionKey:
    match source:
        case KeySource.FILE:
            if path is None:
                raise KeySourceRefused("vault.kek.path must name the key file")
            return key_file.FileKeys(path)
        case KeySource.ENVIRONMENT:
            return key_file.from_environment(variable)
