"""A real PgBouncer in transaction mode, before the PostgreSQL of the tests."""

import shutil
import signal
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict

from conduit.engine_process import EngineProcess, own
from store.roles import RoleSecrets

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
START_TIMEOUT_S = 20.0


class PgBouncer:
    """Runs while the ``with`` block lasts; ``address`` is where it listens. ``folder`` is empty."""

    def __init__(self, folder: Path, secrets: RoleSecrets) -> None:
        self._folder, self._secrets = folder, secrets
        self._process: EngineProcess | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = int(probe.getsockname()[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        if PROGRAM is None:
            raise FileNotFoundError("pgbouncer is not installed; run `make debian`")
        own(self._folder)
        log = self._folder / "log"
        self._process = EngineProcess.start(
            "PgBouncer", [PROGRAM, self._configured()], stop_signal=signal.SIGINT, log=log, stdin=b""
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise TimeoutError(log.read_text())
            self._process.pause(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.stop(5)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True

    def _configured(self) -> Path:
        roles = [
            conninfo_to_dict(dsn)
            for dsn in (self._secrets.gateway_dsn, self._secrets.console_dsn, self._secrets.auditor_dsn)
        ]
        users = self._folder / "users"
        users.write_text("".join(f'"{role["user"]}" "{role["password"]}"\n' for role in roles))
        place = f"host={roles[0]['host']} port={roles[0].get('port') or 5432}"
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": "transaction",
            "default_pool_size": 4,
            # What a statement left in the session must not reach whoever has the connection next.
            "server_reset_query": "DISCARD ALL",
            "server_reset_query_always": 1,
        }
        configuration = self._folder / "pgbouncer.ini"
        lines = ["[databases]", f"* = {place}", "[pgbouncer]", *(f"{k} = {v}" for k, v in settings.items())]
        configuration.write_text("\n".join([*lines, ""]))
        for path in (users, configuration):
            path.chmod(0o600)
            own(path)
        return configuration
