"""Key-encryption keys that never leave their keeper: what a KMS, a transit engine and an HSM share.

Each wraps and unwraps for us, bound to a context. The index key of placeholder digests must be the same for
ever and on every machine, so it lies in a file beside us, wrapped by the keeper and useless without it.
"""

import os
from abc import abstractmethod
from base64 import b64decode, b64encode
from pathlib import Path
from typing import final

from pydantic import BaseModel, ConfigDict, ValidationError

from vault import aead
from vault.errors import KeySourceRefused, Sealed, Unopenable
from vault.kek import KeyEncryptionKey, Wrapped

INDEX_FORMAT = "conduit-index-1"
INDEX_CONTEXT = aead.fields(b"conduit placeholder index")

# Within the time that a step of the chain may take (2 s by default), and no retries that would pass it.
TIMEOUT_S = 1.5


class _IndexFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: str
    name: str
    sealed: str


class RemoteKeys(KeyEncryptionKey):
    """A keeper of keys. ``index_path`` is the file of the wrapped index key (``create_index`` makes it)."""

    local = False

    def __init__(self, key: str, index_path: Path) -> None:
        self._key = key
        self._index_path = index_path
        self._index: bytes | None = None

    @property
    def current(self) -> str:
        return self._key

    @abstractmethod
    def _wrap(self, plain: bytes, context: bytes) -> bytes:
        """Have ``plain`` wrapped; raises ``Sealed``."""

    @abstractmethod
    def _unwrap(self, sealed: bytes, context: bytes) -> bytes:
        """Have ``sealed`` unwrapped by our key and no other; raises ``Unopenable`` or ``Sealed``."""

    @final
    def wrap(self, plain: bytes, *, context: bytes) -> Wrapped:
        return Wrapped(self._key, self._wrap(plain, context))

    @final
    def unwrap(self, sealed: bytes, *, name: str, context: bytes) -> bytes:
        # The name comes from the database. Who could write there must not choose the key: with one of his
        # own he would know the data key under which the next credential is sealed.
        if name != self._key:
            raise Unopenable
        return self._unwrap(sealed, context)

    @final
    def index_key(self) -> bytes:
        if self._index is None:
            kept = self._read_index()
            self._index = self.unwrap(b64decode(kept.sealed), name=kept.name, context=INDEX_CONTEXT)
        return aead.derive(self._index, b"placeholder digest")

    def create_index(self) -> None:
        """Make the index file; raises ``FileExistsError`` rather than replace one, and ``Sealed``."""
        wrapped = self.wrap(os.urandom(aead.KEY_BYTES), context=INDEX_CONTEXT)
        document = _IndexFile(
            format=INDEX_FORMAT, name=wrapped.name, sealed=b64encode(wrapped.sealed).decode()
        )
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(self._index_path, flags, 0o600), "w", encoding="ascii") as file:
            file.write(document.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())

    def _read_index(self) -> _IndexFile:
        try:
            kept = _IndexFile.model_validate_json(self._index_path.read_bytes())
        except FileNotFoundError:
            raise Sealed(f"the index key is not there: {self._index_path}") from None
        except (OSError, ValidationError):
            raise KeySourceRefused(f"{self._index_path} is not an index file of ours") from None
        if kept.format != INDEX_FORMAT:
            raise KeySourceRefused(f"{self._index_path} has an unknown format")
        return kept

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._key}>"
