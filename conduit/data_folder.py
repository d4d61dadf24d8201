"""The folder that holds everything an instance keeps: its layout, its lock, its small secret files.

Only this program's account may enter it (mode 0700). What the files mean is their owners' concern.
"""

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conduit.errors import AlreadyRunning, ConfigurationError, EngineError

# sockaddr_un.sun_path holds 108 bytes with the closing zero (unix(7)).
SOCKET_PATH_BYTES_MAX = 107


class DataFolder:
    """An instance's data folder; made, or taken over if it is one already, when constructed.

    Raises ``ConfigurationError`` for a folder that holds something else: its mode is not ours to change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock = self.path / "run" / "instance.lock"
        try:
            self._prepare()
        except OSError as error:
            raise ConfigurationError(
                f"the data folder {self.path} cannot be used: {error.strerror}"
            ) from error

    def __repr__(self) -> str:
        return f"DataFolder({str(self.path)!r})"

    def folder(self, *names: str) -> Path:
        """A folder below, mode 0700, made if it is missing."""
        path = self.path
        for name in names:
            path = path / name
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process. The kernel frees it however the process ends.

        Raises ``AlreadyRunning`` with the holder's process id.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
                raise AlreadyRunning(
                    f"another instance (process {holder}) uses {self.path}; stop it or choose another --data"
                ) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(descriptor)

    def secret(self, path: Path) -> str:
        """The random text (256 bits, hexadecimal) in ``path``, mode 0600, made on first use."""
        if not path.exists():
            self.write_private(path, secrets.token_hex(32))
        return path.read_text(encoding="ascii")

    @staticmethod
    def write_private(path: Path, text: str) -> None:
        """Write ``path`` whole or not at all, mode 0600 from its first byte on."""
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise

    def socket_folder(self, engine: str, socket_name: str) -> Path:
        """Where ``engine`` keeps its socket: below its own folder, or below the temporary folder.

        The latter where the path would be longer than a socket address can be; the choice is recorded, so
        that commands beside the running instance find it.
        """
        near = self.path / engine / "socket"
        if len(os.fsencode(near / socket_name)) <= SOCKET_PATH_BYTES_MAX:
            return self.folder(engine, "socket")
        record = self.path / "run" / "socket-folder"
        if record.exists() and _is_private(far := Path(record.read_text(encoding="utf-8"))):
            pass
        else:
            far = Path(tempfile.mkdtemp(prefix="conduit-"))
            record.write_text(str(far), encoding="utf-8")
        if len(os.fsencode(far / engine / socket_name)) > SOCKET_PATH_BYTES_MAX:
            raise EngineError(f"{self.path} and {tempfile.gettempdir()} are both too long for a Unix socket")
        (far / engine).mkdir(mode=0o700, exist_ok=True)
        return far / engine

    def _prepare(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077 and not self._lock.exists() and any(self.path.iterdir()):
            raise ConfigurationError(
                f"{self.path} holds something else and is open to others; choose an empty folder for --data"
            )
        if mode & 0o077:
            self.path.chmod(0o700)
        self.folder("run")


def _is_private(path: Path) -> bool:
    """Whether ``path`` is a folder of this account that no other may enter; the one above it is shared."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
