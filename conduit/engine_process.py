"""A database server of ours as a process: started with little power, ended with its parent, never doubled.

PostgreSQL refuses to run as root. Started by root, an engine runs as an account of its own that may read
what root may (``CAP_DAC_READ_SEARCH``), so that neither the data folder nor the folders above it, nor those
that hold the program, need to be opened to others. Nothing here knows PostgreSQL from Valkey.
"""

import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from conduit.errors import EngineError

ACCOUNT = "conduit-engine"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
# Bit numbers of capabilities(7). The second is in Docker's default set where the first is not.
_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE = 2, 1


def installed(package: str, *parts: str) -> Path:
    """A file or folder inside an installed package, which is not imported. Raises ``EngineError``."""
    specification = find_spec(package)
    locations = specification.submodule_search_locations if specification else None
    path = Path(next(iter(locations)), *parts) if locations else None
    if path is None or not path.exists():
        raise EngineError(f"the package {package} does not hold {'/'.join(parts)} for this machine")
    return path


def own(path: Path) -> None:
    """Give ``path`` to the account that engines run as; nothing to do unless root starts them."""
    if os.geteuid() == 0:
        account = _account()
        os.chown(path, account.pw_uid, account.pw_gid)


def restricted(command: Sequence[str | Path], *, at_parent_death: signal.Signals | None) -> list[str]:
    """``command`` with what stands before it so that it runs with little power.

    ``at_parent_death`` is what the kernel sends it when the thread that started it ends.
    """
    setpriv = shutil.which("setpriv", path=ENVIRONMENT["PATH"])
    if setpriv is None:
        raise EngineError("setpriv is missing; install the package util-linux")
    words = [setpriv, "--no-new-privs"]
    if at_parent_death is not None:
        words += ["--pdeathsig", at_parent_death.name.removeprefix("SIG")]
    if os.geteuid() == 0:
        account, kept = _account(), f"-all,+{_reading_capability()}"
        words += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        words += [f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}"]
        # access(2), by which initdb looks for its neighbours, else counts no capability of another than root.
        words += ["--securebits=+no_setuid_fixup"]
    return [*words, "--", *map(str, command)]


class EngineProcess:
    """One running server. ``start`` returns it as soon as it is spawned, not yet serving."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", stop_signal: signal.Signals) -> None:
        self.name = name
        self._process = process
        self._stop_signal = stop_signal

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], *, stop_signal: signal.Signals, log: Path, stdin: bytes
    ) -> "EngineProcess":
        """Spawn ``command`` in a session of its own (a terminal's Ctrl-C is the parent's to handle)."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                restricted(command, at_parent_death=stop_signal),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                start_new_session=True,
            )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin)
        return cls(name, process, stop_signal)

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def pause(self, seconds: float) -> None:
        """Wait at most ``seconds``; raises ``EngineError`` at once if the server ends meanwhile."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise EngineError(f"{self.name} ended with {code} while it was being started; see its log")

    def stop(self, timeout_s: float) -> None:
        """End the server in good order; killed if it takes longer than ``timeout_s``."""
        if self.running():
            self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def end_leftover(pid_file: Path, folder: Path, stop_signal: signal.Signals, timeout_s: float) -> None:
    """End the server that a killed instance left running on ``folder``, or remove its stale ``pid_file``.

    To be called under the folder's lock: whoever runs there then has no parent that would miss it. A process
    id alone proves nothing, it may have been given to another since; its working folder does.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        descriptor = os.pidfd_open(pid)
    except (FileNotFoundError, ValueError, OverflowError, ProcessLookupError, OSError):
        pid_file.unlink(missing_ok=True)
        return
    try:
        if not _works_in(pid, folder):
            pid_file.unlink(missing_ok=True)
            return
        for number in (stop_signal, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], timeout_s)[0]:
                pid_file.unlink(missing_ok=True)
                return
        raise EngineError(f"process {pid} of an earlier run still works in {folder} and does not end")
    finally:
        os.close(descriptor)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == folder.resolve()
    except OSError:
        return False


def _account() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    create = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    command = [*create, "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    except FileNotFoundError as error:
        raise EngineError(
            f"useradd is missing; create the system account {ACCOUNT}, or run as another"
        ) from error
    try:
        return pwd.getpwnam(ACCOUNT)  # another instance may have been faster: only the result counts
    except KeyError:
        raise EngineError(f"the account {ACCOUNT} cannot be made: {outcome.stderr.strip()}") from None


def _reading_capability() -> str:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    bounding = int(line.split()[1], 16)
    for bit, name in ((_CAP_DAC_READ_SEARCH, "dac_read_search"), (_CAP_DAC_OVERRIDE, "dac_override")):
        if bounding & 1 << bit:
            return name
    raise EngineError(
        "root lacks CAP_DAC_OVERRIDE here; run as another user, or set database.url and redis.url"
    )
