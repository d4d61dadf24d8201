"""A child that does what its number says: for tests of how children are kept."""

import json
import os
import resource
import signal
import sys
from pathlib import Path

from conduit.boot import announce_ready, receive

BEHAVES, DIES_AT_ONCE, IGNORES_SIGTERM = range(3)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    boot = receive()
    if boot.number == DIES_AT_ONCE:
        sys.exit(3)
    seen = {
        "argv": sys.orig_argv,
        "environment": dict(os.environ),
        "optimised": not __debug__,
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "pid": os.getpid(),
        "drain_s": boot.settings.drain_s,
        "claim_key": boot.claim_key.hex(),
    }
    beside = boot.data / f"{os.getpid()}.new"
    beside.write_text(json.dumps(seen))
    beside.rename(boot.data / f"{os.getpid()}.json")
    announce_ready()
    sys.stdout.write("x" * 300_000)  # more than a pipe holds: nobody may need to read it
    sys.stdout.flush()
    while signal.sigwait({signal.SIGTERM}) and boot.number == IGNORES_SIGTERM:
        pass
    Path(boot.data / f"{os.getpid()}.ended").touch()


if __name__ == "__main__":
    main()
