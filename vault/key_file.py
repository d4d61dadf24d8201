"""The local sources of key-encryption keys: a file of mode 0600, and the environment."""

import os
import stat
import tempfile
from pathlib import Path
from typing import final

from vault.errors import KeySourceRefused, Sealed
from vault.kek import KeyDocument, KeyRecord, LocalKeys, Wrapped

KEY_FILE_BYTES_MAX = 64 * 1024


@final
class FileKeys(LocalKeys):
    """Keys in a file. A key that a rotation in another process added is noticed when it is met."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(read(path))

    def wrap(self, plain: bytes, *, context: bytes) -> Wrapped:
        """Wrap under the newest key of the file as it is now, since a rotation may drop the one we knew."""
        self._learn(read(self._path))
        return super().wrap(plain, context=context)

    @property
    def rotating(self) -> bool:
        """Whether the file holds more than one key, because a rotation was begun and not ended."""
        return len(read(self._path).keys) > 1

    def add_key(self) -> str:
        """Append a new key, which wraps from now on; the earlier ones still unwrap. Returns its name."""
        document = read(self._path)
        record = KeyRecord.fresh()
        self._replace(document.model_copy(update={"keys": (*document.keys, record)}))
        return record.name

    def drop_earlier_keys(self) -> int:
        """Remove every key but the current one, once nothing is wrapped by them. Returns how many went."""
        document = read(self._path)
        self._replace(document.model_copy(update={"keys": document.keys[-1:]}))
        return len(document.keys) - 1

    def _replace(self, document: KeyDocument) -> None:
        temporary = _write_beside(self._path, document)
        temporary.replace(self._path)
        _sync_directory(self._path.parent)
        self._use(document)

    def _look_again(self, name: str) -> bytes | None:
        try:
            self._learn(read(self._path))
        except (KeySourceRefused, Sealed):
            return None
        return self._keys.get(name)


def create(path: Path) -> None:
    """Make a key file with fresh keys; raises ``FileExistsError`` rather than replace one."""
    temporary = _write_beside(path, KeyDocument.fresh())
    try:
        # A link, unlike a rename, fails when the name is taken, also by a process that races us.
        os.link(temporary, path)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def read(path: Path) -> KeyDocument:
    """Read a key file, refusing one that others could use or could have put there.

    Raises ``Sealed`` when there is none, ``KeySourceRefused`` when its owner, mode, kind or content is wrong.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Sealed(f"there is no key file at {path}") from None
    except OSError as error:
        raise KeySourceRefused(f"the key file {path} cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeySourceRefused(f"{path} is not a regular file")
        if status.st_uid != os.geteuid():
            raise KeySourceRefused(f"{path} belongs to another user; give it to the one that runs conduit")
        if stat.S_IMODE(status.st_mode) & 0o177:
            raise KeySourceRefused(f"{path} is open to other users; run: chmod 600 {path}")
        return KeyDocument.parse(file.read(KEY_FILE_BYTES_MAX))


def from_environment(variable: str) -> LocalKeys:
    """Keys from an environment variable that holds a key file's content; it is removed once read.

    Raises ``Sealed`` when it is not set.
    """
    text = os.environ.pop(variable, None)
    if not text:
        raise Sealed(f"the environment variable {variable} is not set")
    return LocalKeys(KeyDocument.parse(text))


def _write_beside(path: Path, document: KeyDocument) -> Path:
    # mkstemp makes the file 0600 from the first moment.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(document.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
