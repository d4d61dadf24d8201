"""``make bench``: every measurement, one after the other, so that none disturbs another.

``make bench ARGS="gateway limiter"`` runs these alone; each is a program (``python -m bench.NAME``).
"""

import subprocess
import sys

EVERY = ("gateway", "limiter", "claim", "snapshot", "audit", "hostile", "catalogue", "estimates")


def main(chosen: list[str]) -> int:
    """Run the chosen ones, or all; the number of those that failed."""
    unknown = set(chosen) - set(EVERY)
    if unknown:
        print(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(EVERY)}",
            file=sys.stderr,
        )
        return 2
    failed = 0
    for name in chosen or EVERY:
        print(f"\n{name}\n{'─' * len(name)}", flush=True)
        # As in production: without assertions.
        failed += subprocess.run([sys.executable, "-O", "-m", f"bench.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
