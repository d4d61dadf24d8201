"""Key-encryption keys: the root that wraps each tenant's data key, behind one small interface.

This module holds the interface and keys held in this process; ``vault.key_file`` reads those from a file
or the environment. Without a source the vault is sealed; there is no default key.
"""

import os
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, NoReturn

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from vault import aead
from vault.errors import KeySourceRefused, Unopenable

FORMAT = "conduit-kek-1"


class Wrapped(NamedTuple):
    """A wrapped key, and the public name of the key that wrapped it."""

    name: str
    sealed: bytes


class KeyEncryptionKey(ABC):
    """Wraps and unwraps data keys. ``context`` binds a wrapped key to its tenant and must be given again."""

    local: ClassVar[bool]
    """Whether ``unwrap`` is quick and never leaves the machine, so that it may run on an event loop."""

    @property
    @abstractmethod
    def current(self) -> str:
        """The public name of the key that wraps now."""

    @abstractmethod
    def wrap(self, plain: bytes, *, context: bytes) -> Wrapped:
        """Wrap under the key that is current at the source. Raises ``Sealed`` when it does not answer."""

    @abstractmethod
    def unwrap(self, sealed: bytes, *, name: str, context: bytes) -> bytes:
        """Unwrap what the key called ``name`` wrapped.

        Raises ``Unopenable`` when it is not ours or was altered, ``Sealed`` when the source does not answer.
        """

    @abstractmethod
    def index_key(self) -> bytes:
        """The 256-bit key of placeholder digests. It outlives rotations of the keys that wrap."""

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("key-encryption keys are not pickled")


class KeyRecord(BaseModel):
    """One key and its public name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=64)
    key: Base64Bytes = Field(repr=False)

    @classmethod
    def fresh(cls) -> "KeyRecord":
        return cls.model_construct(name=os.urandom(8).hex(), key=os.urandom(aead.KEY_BYTES))


class KeyDocument(BaseModel):
    """What a key file holds: the last of ``keys`` wraps, the earlier ones still unwrap.

    ``index`` never changes, because digests of placeholders cannot be computed anew: the placeholders
    themselves are not kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: str = FORMAT
    index: Base64Bytes = Field(repr=False)
    keys: tuple[KeyRecord, ...]

    @classmethod
    def fresh(cls) -> "KeyDocument":
        return cls.model_construct(format=FORMAT, index=os.urandom(aead.KEY_BYTES), keys=(KeyRecord.fresh(),))

    @classmethod
    def parse(cls, text: str | bytes) -> "KeyDocument":
        """Read a document strictly; raises ``KeySourceRefused``, which shows nothing of it."""
        try:
            document = cls.model_validate_json(text)
        except ValidationError:
            raise KeySourceRefused("the key document is not of the form that `conduit` writes") from None
        names = {record.name for record in document.keys}
        sizes = {len(document.index), *(len(record.key) for record in document.keys)}
        if document.format != FORMAT or not names or len(names) != len(document.keys):
            raise KeySourceRefused("the key document has an unknown format, no key, or a name twice")
        if sizes != {aead.KEY_BYTES}:
            raise KeySourceRefused("the key document holds a key that is not of 256 bits")
        return document


class LocalKeys(KeyEncryptionKey):
    """Keys held in this process."""

    local = True

    def __init__(self, document: KeyDocument) -> None:
        self._use(document)

    @property
    def current(self) -> str:
        return self._current

    def wrap(self, plain: bytes, *, context: bytes) -> Wrapped:
        return Wrapped(self._current, aead.seal(self._keys[self._current], plain, context=context))

    def unwrap(self, sealed: bytes, *, name: str, context: bytes) -> bytes:
        key = self._keys.get(name) or self._look_again(name)
        if key is None:
            raise Unopenable
        return aead.unseal(key, sealed, context=context)

    def index_key(self) -> bytes:
        return aead.derive(self._index, b"placeholder digest")

    def _look_again(self, _name: str) -> bytes | None:
        """Where the source can change while we run, look whether it now holds the key."""
        return None

    def _use(self, document: KeyDocument) -> None:
        self._index = document.index
        self._keys = {record.name: record.key for record in document.keys}
        self._current = document.keys[-1].name

    def _learn(self, document: KeyDocument) -> None:
        """Use a newer document, and go on opening what the keys that it no longer holds have wrapped.

        Calls that were decided on a policy from before a rotation still end well. What was dropped from the
        source is gone with this process at the latest.
        """
        earlier = self._keys
        self._use(document)
        self._keys = {**earlier, **self._keys}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} current={self._current}>"
