"""No core dump, no reading of a process's memory by others of its account, no life after the parent's."""

import subprocess
import sys


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
