"""What every process of ours asks of the kernel: no core dumps, no end later than its parent's.

Keys are in memory; a dump would write them to the disk, and another process of the same account could read
them through ptrace(2) or /proc. Python has no binding for prctl(2), hence ctypes.
"""

import ctypes
import os
import resource
import signal

from conduit.errors import ChildFailed, ConduitError

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """No core dump, no reading of this process's memory by others of its account. Raises ``ConduitError``."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent(parent: int) -> None:
    """Be sent SIGTERM when the parent dies. Raises ``ChildFailed`` where it already has."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the line above: the signal will not come
        raise ChildFailed("the process that started this one is gone")


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise ConduitError(f"prctl({option}, {value}) failed: {os.strerror(ctypes.get_errno())}")
