"""The embedded engines: closed to others, alone on their folder, back after any death."""

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from conduit import embedded
from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from conduit.embedded_valkey import EmbeddedValkey
from conduit.engine_process import end_leftover, restricted
from conduit.errors import AlreadyRunning, ConfigurationError, EngineError
from conduit.settings import Settings


@pytest.fixture
def folder(short_path: Path) -> DataFolder:
    return DataFolder(short_path / "data")


@pytest.fixture
def postgres(folder: DataFolder) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(folder: DataFolder) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(folder)
    server.start()
    yield server
    server.stop()


def tcp_ports_of(pid: int | None) -> list[str]:
    """Listening TCP sockets that the process holds, by inode (proc(5))."""
    sockets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return [line for line in tables.splitlines() if f"socket:[{line.split()[9]}]" in sockets]


def test_owner_of_the_database_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.owner_url) as connection:
        powers = "rolsuper, rolbypassrls, rolcreatedb, rolcreaterole"
        found = connection.execute(f"SELECT {powers} FROM pg_roles WHERE rolname = current_user")
        assert found.fetchone() == (False, False, False, True)


def test_nobody_enters_postgres_without_a_password(postgres_url: str) -> None:
    host = postgres_url.partition("?")[2]
    for role in ("postgres", "conduit_migrator"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://{role}@/conduit?{host}", passfile="/dev/null")


def test_nobody_enters_valkey_without_a_password(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        assert client.ping()
    path = valkey_url.partition("@")[2]
    with redis.Redis(unix_socket_path=path) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_nothing_listens_on_tcp(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert tcp_ports_of(os.getpid()), "the check itself must see a port"
        assert tcp_ports_of(postgres.pid) == tcp_ports_of(valkey.pid) == []


def test_no_password_stands_in_arguments_or_environment(
    folder: DataFolder, postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> None:
    passwords = [path.read_bytes() for path in folder.path.rglob("*password")]
    assert len(passwords) == 3
    for pid in (postgres.pid, valkey.pid):
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not any(password in shown for password in passwords)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start them as another account")
def test_started_by_root_they_run_as_another_account(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> None:
    for pid in (postgres.pid, valkey.pid):
        assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_data_folder_and_secrets_are_closed_to_others(folder: DataFolder, postgres: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    for path in folder.path.rglob("*password"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folders_above_stay_closed(short_path: Path) -> None:
    """As under /root: the account of the engines passes without their mode being changed."""
    above = short_path / "closed"
    above.mkdir(mode=0o700)
    server = EmbeddedPostgres(DataFolder(above / "data"))
    server.start()
    server.stop()
    assert stat.S_IMODE(above.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has powers to give up")
def test_account_of_the_engines_reads_through_closed_folders_and_writes_nothing(short_path: Path) -> None:
    closed = short_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").touch(mode=0o755)
    for flag, expected in (("-x", 0), ("-r", 0), ("-w", 1)):
        command = restricted(["/usr/bin/test", flag, closed / "program"], at_parent_death=None)
        assert subprocess.run(command, check=False).returncode == expected, flag


def test_data_outlives_a_restart_and_sudden_death(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with redis.Redis.from_url(valkey.url) as client:
        client.set("kept", "42")
    for engine in (postgres, valkey):
        os.kill(engine.pid or 0, signal.SIGKILL)
        while engine.running:
            os.sched_yield()
        engine.start()
    with psycopg.connect(postgres.owner_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    with redis.Redis.from_url(valkey.url) as client:
        assert client.get("kept") == b"42"


def test_engines_end_with_the_program_that_is_killed(short_path: Path) -> None:
    """kill -9 of the program, then a start at once: the second waits for the first's servers to end."""
    program = f"""
        from pathlib import Path
        from conduit import embedded
        from conduit.data_folder import DataFolder
        from conduit.settings import Settings
        with embedded.started(DataFolder(Path({str(short_path / "data")!r})), Settings()):
            print("up", flush=True)
            input()
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        first.kill()
    with embedded.started(DataFolder(short_path / "data"), Settings()) as urls:
        psycopg.connect(urls.owner).close()


def test_second_instance_on_a_folder_is_told_of_the_first(folder: DataFolder) -> None:
    with folder.locked(), pytest.raises(AlreadyRunning, match=str(os.getpid())), folder.locked():
        pytest.fail("two instances hold one folder")
    with folder.locked():
        pass


def test_stale_pid_of_a_stranger_is_not_killed(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as stranger:
        (tmp_path / "postmaster.pid").write_text(f"{stranger.pid}\n/elsewhere\n")
        end_leftover(tmp_path / "postmaster.pid", tmp_path / "cluster", signal.SIGTERM, 1)
        assert stranger.poll() is None
        assert not (tmp_path / "postmaster.pid").exists()
        stranger.communicate()


def test_set_up_that_died_half_way_starts_anew(folder: DataFolder) -> None:
    remains = folder.folder("postgres", "cluster.new")
    (remains / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    assert not remains.exists()


def test_lost_password_file_is_named(folder: DataFolder, postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    (folder.path / "postgres" / "superuser.password").unlink()
    with pytest.raises(EngineError, match=r"superuser\.password"):
        postgres.start()


def test_folder_with_a_long_path_gets_a_short_socket(short_path: Path) -> None:
    data = short_path / ("long" * 20) / "data with spaces, and commas"
    for _ in range(2):
        with embedded.started(DataFolder(data), Settings()) as urls:
            psycopg.connect(urls.owner).close()
            with redis.Redis.from_url(urls.redis) as client:
                assert client.ping()
    far = Path((data / "run" / "socket-folder").read_text())
    assert stat.S_IMODE(far.stat().st_mode) == 0o700


def test_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigurationError, match="something else"):
        DataFolder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_given_urls_are_used_and_nothing_is_started(folder: DataFolder) -> None:
    given = Settings.model_validate(
        {"database": {"url": "postgresql://db/c"}, "redis": {"url": "redis://cache"}}
    )
    with embedded.started(folder, given) as urls:
        assert (urls.owner, urls.redis) == ("postgresql://db/c", "redis://cache")
        assert not (folder.path / "postgres").exists()
        assert "redis" not in repr(urls).removeprefix("EngineUrls")


def test_dead_engine_is_revived(folder: DataFolder) -> None:
    settings = Settings.model_validate({"database": {"url": "postgresql://db/c"}})
    engines = embedded.Engines(folder, settings)
    engines.start()
    try:
        assert engines.revive() == []
        with redis.Redis.from_url(engines.urls.redis) as client:
            client.shutdown(nosave=True)
        while not (revived := engines.revive()):
            os.sched_yield()
        assert revived == ["EmbeddedValkey"]
        with redis.Redis.from_url(engines.urls.redis) as client:
            assert client.ping()
    finally:
        engines.stop()
