"""What every process of ours asks of the kernel: no core dumps, no tracer, no end later than its parent's.

Keys are in memory; a dump would write them to the disk, and another process of the same account could read
them through ptrace(2) or /proc. Python has no binding for prctl(2), hence ctypes.
"""

import ctypes
import os
import resource
import signal
from pathlib import Path

from conduit.errors import ChildFailed, ConduitError, Traced

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """No core dump, no reading of this process's memory by others of its account. Raises ``ConduitError``."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def refuse_tracer(*, allowed: bool) -> None:
    """Not begin under a debugger, which reads all of a process's memory; raises ``Traced``.

    Later, ``forbid_dumps`` keeps all but root from attaching one (ptrace(2)).
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, number = line.partition(":")
        if name == "TracerPid" and int(number) != 0 and not allowed:
            raise Traced(
                f"process {int(number)} traces this one and could read every key; end it, or set"
                " vault.allow_tracer if that is wanted"
            )


def end_with_parent(parent: int) -> None:
    """Be sent SIGTERM when the parent dies. Raises ``ChildFailed`` where it already has."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the line above: the signal will not come
        raise ChildFailed("the process that started this one is gone")


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise ConduitError(f"prctl({option}, {value}) failed: {os.strerror(ctypes.get_errno())}")
