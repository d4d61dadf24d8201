"""What a look-up in the catalogue costs with 500 and with 50,000 entries, side by side in one run.

The acceptance is a ratio of at most 1.3 between the two. Writes ``bench/results/catalogue.json``.
"""

import json
import random
import statistics
import sys
import time
from pathlib import Path

from policy.catalogue import Catalogue, Entry, build

RESULTS = Path(__file__).parent / "results" / "catalogue.json"
SIZES = (500, 50_000)
LOOKUPS = 2_000
ROUNDS = 150
RATIO_MAX = 1.3
SEED = 20261124


def catalogue(size: int, draw: random.Random) -> tuple[Catalogue, list[str]]:
    """A catalogue of exact hosts and one pattern in ten, and what it is asked: hits, hits below, misses."""
    names = [f"h{draw.getrandbits(40):x}.vendor{number}.example" for number in range(size)]
    hosts = [f"*.{name}" if number % 10 == 0 else name for number, name in enumerate(names)]
    made = build(Entry(host, "acme", "api", "openai-chat", "eu", "DE", False, "bench", "") for host in hosts)
    # As many different names from either size, so that the processor's caches are as warm for both.
    known = draw.sample(hosts, 200)
    asked = [host.replace("*.", "a.") for host in known]
    missed = [f"www.site{number}.example.org" for number in range(200)]
    return made, [draw.choice(draw.choice((asked, missed))) for _ in range(LOOKUPS)]


def measure() -> dict[str, object]:
    """Rounds of each size by turns, so that whatever else the machine does burdens both alike."""
    draw = random.Random(SEED)
    subjects = [catalogue(size, draw) for size in SIZES]
    spent: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size, (made, names) in zip(SIZES, subjects, strict=True):
            find = made.find
            began = time.perf_counter()
            for name in names:
                find(name)
            spent[size].append((time.perf_counter() - began) / LOOKUPS)
    nanoseconds = {size: statistics.median(times) * 1e9 for size, times in spent.items()}
    small, large = (nanoseconds[size] for size in SIZES)
    return {
        "lookup_ns": {str(size): round(value, 1) for size, value in nanoseconds.items()},
        "ratio": round(large / small, 3),
        "ratio_max": RATIO_MAX,
    }


def main() -> int:
    """Measure, print, write; 1 if the ratio is over its bound."""
    found = measure()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return int(float(str(found["ratio"])) > RATIO_MAX)


if __name__ == "__main__":
    sys.exit(main())
