"""Back up the database with PostgreSQL's own tools, and restore it into a new one.

The archive holds every tenant's rows with the wrapped keys and envelopes. It never holds the key-encryption
key, nor the passwords and the claim key of the serving roles: a restored database makes those anew.

``pg_dump`` runs as the owner, who is under forced row-level security too. So it carries a claim for the
purpose ``backup``, which policies named ``whole`` honour; a table without one is refused beforehand,
because the dump would leave its rows out in silence.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from store.claim import BACKUP_LIFETIME_S, Purpose, purpose_claim
from store.errors import BackupFailed, StoreUnavailable
from store.migrate import upgrade
from store.roles import RoleSecrets, create_roles, create_secrets, read_secrets

# Tables under row-level security that the owner could read in part only (as in store.guard).
_PARTLY_READABLE = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'conduit'::regnamespace AND c.relkind IN ('r', 'p')
  AND c.relforcerowsecurity AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'whole') ORDER BY 1
"""
SERVICE = "conduit"


def backup(owner_url: str, destination: Path, *, binaries: Path) -> None:
    """Write an archive (mode 0600) to ``destination``, which appears whole or not at all.

    ``binaries`` holds ``pg_dump`` of the server's major version or a newer one. Calls go on meanwhile; the
    archive is of one moment. Raises ``BackupFailed``, or ``StoreUnavailable``.
    """
    claim = purpose_claim(
        read_secrets(owner_url).claim_key,
        Purpose.BACKUP,
        expires_at=int(time.time()) + BACKUP_LIFETIME_S - 60,
        backend=0,
    )
    with _connected(owner_url) as connection:
        missed = [name for (name,) in connection.execute(_PARTLY_READABLE)]
    if missed:
        raise BackupFailed(f"rows would be missing from the backup: {', '.join(missed)}")
    partial = destination.with_name(f".{destination.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise BackupFailed(f"{destination} cannot be written: {error.strerror}") from error
    try:
        with _service(owner_url, options=f"-c conduit.claim={claim}") as environment:
            _run(
                [
                    str(binaries / "pg_dump"),
                    "--format=custom",
                    "--schema=conduit",
                    "--role=conduit_owner",
                    "--enable-row-security",
                    f"--file={partial}",
                ],
                environment,
            )
        _synced(partial).replace(destination)
    finally:
        partial.unlink(missing_ok=True)


def restore(owner_url: str, source: Path, *, binaries: Path) -> RoleSecrets:
    """Restore an archive into a database without tenants, and bring it to the newest schema.

    All or nothing, but for the roles. The instance must be given the same key-encryption key. Raises
    ``BackupFailed``, ``MigrationRefused`` or ``StoreUnavailable``.
    """
    if not source.is_file():
        raise BackupFailed(f"{source} is no file")
    with _connected(owner_url) as connection, connection.transaction():
        create_roles(connection)
        create_secrets(connection, owner_url)
        _refuse_tenants(connection)
        connection.execute("SET LOCAL ROLE conduit_owner")
        connection.execute("DROP SCHEMA conduit CASCADE")
    with _service(owner_url, options="") as environment:
        _replay(source, environment, binaries)
    return upgrade(owner_url)


@contextmanager
def _service(owner_url: str, *, options: str) -> Iterator[dict[str, str]]:
    """How the tools connect, in a file of mode 0600: neither arguments nor environment show a secret."""
    facts = {key: str(value) for key, value in conninfo_to_dict(owner_url).items() if value is not None}
    if options:
        facts["options"] = f"{facts.get('options', '')} {options}".strip()
    if any("\n" in value for value in facts.values()):
        raise BackupFailed("the database URL holds a line break")
    with tempfile.TemporaryDirectory(prefix="conduit-backup-") as folder:
        path = Path(folder) / "service.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join([f"[{SERVICE}]", *(f"{key}={value}" for key, value in facts.items()), ""]))
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        yield {**kept, "PGSERVICEFILE": str(path), "PGSERVICE": SERVICE}


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    """Run one of PostgreSQL's tools to its end."""
    with _started(command, environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as tool:
        _check(tool, command)


def _replay(source: Path, environment: dict[str, str], binaries: Path) -> None:
    """Play an archive into the database as one transaction: ``pg_restore`` writes SQL, ``psql`` runs it."""
    read = [str(binaries / "pg_restore"), "--role=conduit_owner", "--no-owner", "--file=-", str(source)]
    play = [
        str(binaries / "psql"),
        *("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"),
    ]
    with (
        _started(read, environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reader,
        _started(play, environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as player,
    ):
        if reader.stdout is None or player.stdin is None:
            raise BackupFailed("a pipe is missing")
        try:
            for line in iter(reader.stdout.readline, b""):
                # Written for servers since 17; older ones do not know it. It stands before all data.
                if line != b"SET transaction_timeout = 0;\n":
                    player.stdin.write(line)
                if line.startswith(b"COPY "):
                    break
            shutil.copyfileobj(reader.stdout, player.stdin)
            _check(reader, read)
            player.stdin.close()
        except BaseException as error:
            player.kill()  # before its input ends, so that half an archive is never committed
            if isinstance(error, BrokenPipeError):
                _check(player, play)
            raise
        _check(player, play)


@contextmanager
def _started(
    command: Sequence[str], environment: dict[str, str], *, stdin: int, stdout: int
) -> Iterator[subprocess.Popen[bytes]]:
    """One of PostgreSQL's tools. Its complaints go to a file, so that none can block it."""
    with tempfile.TemporaryFile() as complaints:
        try:
            tool = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                command, env=environment, stdin=stdin, stdout=stdout, stderr=complaints
            )
        except OSError as error:
            raise BackupFailed(f"{Path(command[0]).name} cannot be run: {error.strerror}") from error
        try:
            yield tool
        except BackupFailed as error:
            complaints.seek(0)
            first = complaints.readline().decode("utf-8", "replace").strip()
            raise BackupFailed(f"{error}: {first}" if first else str(error)) from error
        finally:
            tool.kill()
            tool.wait()


def _check(tool: subprocess.Popen[bytes], command: Sequence[str]) -> None:
    if tool.wait() != 0:
        raise BackupFailed(f"{Path(command[0]).name} failed")


def _refuse_tenants(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT to_regclass('conduit.tenant') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return
    connection.execute("SET LOCAL ROLE conduit_owner")
    connection.execute("ALTER TABLE conduit.tenant NO FORCE ROW LEVEL SECURITY")
    found = connection.execute("SELECT count(*) FROM conduit.tenant WHERE region <> 'platform'").fetchone()
    connection.execute("RESET ROLE")
    if found and found[0]:
        raise BackupFailed("the database holds tenants already; restore into a new one")


@contextmanager
def _connected(owner_url: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(owner_url, connect_timeout=10, autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {type(error).__name__}") from error


def _synced(path: Path) -> Path:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path
