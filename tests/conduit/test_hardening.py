"""No core dump, no reading of a process's memory by others of its account, no life after the parent's."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.standins.machines import ROOT
from tests.standins.product import CONDUIT


def printed_by(program: str) -> str:
    """By a process of its own: what is set here stays for the process's life."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_process_leaves_no_dump() -> None:
    program = (
        "import ctypes, resource\n"
        "from conduit.hardening import forbid_dumps\n"
        "forbid_dumps()\n"
        "PR_GET_DUMPABLE = 3\n"
        "dumpable = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)\n"
        "print(dumpable, resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    assert printed_by(program) == "0 (0, 0)"


def test_process_whose_parent_is_already_gone_does_not_begin() -> None:
    program = (
        "import os\n"
        "from conduit.errors import ChildFailed\n"
        "from conduit.hardening import end_with_parent\n"
        "end_with_parent(os.getppid())\n"
        "try:\n"
        "    end_with_parent(os.getpid())\n"
        "except ChildFailed as error:\n"
        "    print(error)\n"
    )
    assert "is gone" in printed_by(program)


def traced(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this thread as its debugger, as ``strace`` would be (ptrace(2))."""
    trace_me, cont = 0, 7
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **environment},
            cwd=ROOT,
            preexec_fn=lambda: kernel.ptrace(trace_me, 0, None, None),
        )
        while not os.WIFEXITED(status := os.waitpid(child.pid, 0)[1]) and not os.WIFSIGNALED(status):
            number = os.WSTOPSIG(status)  # SIGTRAP: it has just become the program
            kernel.ptrace(cont, child.pid, None, None if number == signal.SIGTRAP else number)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, child.returncode, out.read(), err.read())


@pytest.mark.parametrize(
    ("command", "next_hurdle"),
    [(("up",), "listen.proxy"), (("credential", "list"), "no instance is running")],
    ids=("up", "credential list"),
)
def test_under_a_debugger_nothing_begins_unless_told(
    command: tuple[str, ...], next_hurdle: str, tmp_path: Path
) -> None:
    program = [str(CONDUIT), *command, "--data", str(tmp_path / "data")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"CONDUIT_LISTEN__PROXY": f"127.0.0.1:{taken.getsockname()[1]}"}
        refused = traced(program, **settings)
        allowed = traced(program, **settings, CONDUIT_VAULT__ALLOW_TRACER="true")
    assert (refused.returncode, allowed.returncode) == (1, 1)
    assert "vault.allow_tracer" in refused.stderr
    assert next_hurdle in allowed.stderr
    assert "allow_tracer" not in allowed.stderr


def test_a_child_does_not_serve_a_debugger() -> None:
    program = (
        "from conduit.errors import Traced\n"
        "from conduit.hardening import refuse_tracer\n"
        "refuse_tracer(allowed=True)\n"
        "try:\n"
        "    refuse_tracer(allowed=False)\n"
        "except Traced:\n"
        "    print('refused')\n"
    )
    assert traced([sys.executable, "-c", program]).stdout.strip() == "refused"
    assert printed_by(program) == ""
