"""Runs a command on a throw-away cluster of Debian's PostgreSQL: ``python -m tests.standins.debian_cluster``.

The command finds the owner's URL in ``CONDUIT_TEST_DATABASE_URL``. Nothing of the machine's own clusters is
touched: the cluster lies in a folder of its own, on a free port of loopback, and goes with the command.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from conduit.engine_process import ENVIRONMENT, EngineProcess, own, restricted

OWNER = "conduit_migrator"
START_TIMEOUT_S = 60.0
VERSIONS = Path("/usr/lib/postgresql")


def newest() -> Path | None:
    """The programs of the newest installed server; ``None`` without one."""
    found = [path for path in VERSIONS.glob("*/bin") if (path / "postgres").exists()]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def cluster() -> Iterator[str]:
    """The owner's URL of a new cluster, which ends with the block."""
    binaries = newest()
    if binaries is None:
        raise FileNotFoundError("Debian's postgresql is not installed; run `make debian`")
    folder = Path(tempfile.mkdtemp(prefix="conduit-debian-"))
    try:
        own(folder)
        password = folder / "password"
        password.write_text(secrets.token_hex(16))
        own(password)
        data = folder / "data"
        made = [binaries / "initdb", "-D", data, "-U", "postgres", f"--pwfile={password}"]
        made += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            restricted(made, at_parent_death=signal.SIGKILL),
            check=True,
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
        )
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        options = ["-h", "127.0.0.1", "-p", str(port), "-c", "unix_socket_directories=", "-c", "fsync=off"]
        server = EngineProcess.start(
            "PostgreSQL",
            [binaries / "postgres", "-D", data, *options],
            stop_signal=signal.SIGINT,
            log=folder / "log",
            stdin=b"",
        )
        try:
            yield _provided(f"postgresql://postgres:{password.read_text()}@127.0.0.1:{port}/postgres", server)
        finally:
            server.stop(10)
    finally:
        shutil.rmtree(folder)


def _provided(superuser_url: str, server: EngineProcess) -> str:
    """The owner role and its database, made as soon as the server answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            connection = psycopg.connect(superuser_url, autocommit=True)
            break
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            server.pause(0.05)
    password = secrets.token_hex(16)
    with connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                sql.Identifier(OWNER), sql.Literal(password)
            )
        )
        connection.execute(sql.SQL("CREATE DATABASE conduit OWNER {}").format(sql.Identifier(OWNER)))
    place = superuser_url.rpartition("@")[2].removesuffix("/postgres")
    return f"postgresql://{OWNER}:{password}@{place}/conduit"


def main(command: Sequence[str]) -> int:
    """Run the command; its exit code."""
    with cluster() as url:
        return subprocess.run(command, env=os.environ | {"CONDUIT_TEST_DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
