"""Which source the key-encryption key comes from: the one place that turns settings into a vault."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from loguru import logger

from vault import aws_kms, key_file, pkcs11, transit
from vault.errors import KeySourceRefused, Sealed
from vault.kek import KeyEncryptionKey
from vault.remote_keys import RemoteKeys
from vault.vault import Vault


class KeySource(StrEnum):
    """The values of the setting ``vault.kek.source``."""

    FILE = "file"
    ENVIRONMENT = "environment"
    AWS_KMS = "aws_kms"
    TRANSIT = "transit"
    PKCS11 = "pkcs11"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteKey:
    """Where a key is that never leaves its keeper. Which of these a source needs, its module says.

    ``secret_file`` holds the token of a transit engine or the PIN of an HSM.
    """

    key: str
    region: str | None = None
    endpoint: str | None = None
    mount: str = "transit"
    ca_file: Path | None = None
    module: Path | None = None
    token: str | None = None
    secret_file: Path | None = None


def open_vault(
    *,
    source: KeySource,
    path: Path | None = None,
    variable: str = "CONDUIT_KEK",
    remote: RemoteKey | None = None,
) -> Vault:
    """A vault on the configured source; a sealed one when the source has no key.

    ``path`` is the key file, or with a ``remote`` key that of the wrapped index key; ``variable`` is an
    environment variable. Raises ``KeySourceRefused`` when the source is set up wrongly, such as a key file
    that others can read.
    """
    try:
        return Vault(_keys(source, path, variable, remote))
    except Sealed as reason:
        logger.warning("the vault is sealed: {}", reason)
        return Vault(None)


def open_remote(*, source: KeySource, path: Path | None, remote: RemoteKey | None) -> RemoteKeys:
    """The keeper of a remote key; nothing is asked of it yet. Raises ``KeySourceRefused``."""
    if path is None or remote is None or not remote.key:
        raise KeySourceRefused("vault.kek.key must name the key at its source")
    match source:
        case KeySource.AWS_KMS:
            return aws_kms.connect(
                key=remote.key, index_path=path, region=remote.region, endpoint=remote.endpoint
            )
        case KeySource.TRANSIT:
            return transit.connect(
                endpoint=_needed(remote.endpoint, "endpoint"),
                mount=remote.mount,
                key=remote.key,
                token_file=_needed(remote.secret_file, "secret_file"),
                ca_file=remote.ca_file,
                index_path=path,
            )
        case KeySource.PKCS11:
            return pkcs11.connect(
                module=_needed(remote.module, "module"),
                token=_needed(remote.token, "token"),
                key=remote.key,
                pin_file=_needed(remote.secret_file, "secret_file"),
                index_path=path,
            )
    raise KeySourceRefused(f"{source.value} is not a remote source")


def _keys(source: KeySource, path: Path | None, variable: str, remote: RemoteKey | None) -> KeyEncryptionKey:
    match source:
        case KeySource.FILE:
            return key_file.FileKeys(_needed(path, "path"))
        case KeySource.ENVIRONMENT:
            return key_file.from_environment(variable)
        case _:
            return open_remote(source=source, path=path, remote=remote)


def _needed[T](value: T | None, setting: str) -> T:
    if value is None:
        raise KeySourceRefused(f"vault.kek.{setting} must be set for this source")
    return value
