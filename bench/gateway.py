"""Bare ``mitmdump --mode reverse`` against our gateway with its full chain: same core, provider and load.

Provider and load generator run on core 1. Of ours, the gateway's worker has core 0 to itself in the first
measurement, as mitmdump does; in the second all of it (supervisor, shipper, console, PostgreSQL, Valkey) is
on core 0 as well. CPU per request counts every process of ours in both. Rounds alternate, so that a noisy
neighbour meets all; medians count. The full chain: placeholder, requests-per-minute and budget limits, key
swap, metering, event in the database.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.load import Load, Target, run
from tests.standins.authority import Authority
from tests.standins.machines import ROOT
from tests.standins.product import Product, free_port
from tests.standins.recordings import load

RESULTS = Path(__file__).parent / "results"
CORE, LOAD_CORE = 0, 1
CONNECTIONS = 20
HOST = "api.openai.com"
PATH = "/v1/chat/completions"
BODY = json.dumps(load("openai-chat").request)
JSON_HEADERS = {"Content-Type": "application/json"}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something to be measured. ``processes`` lists the ids whose CPU time is its cost.

    ``place`` puts them on their cores before each measurement.
    """

    name: str
    target: Target
    processes: Callable[[], list[int]]
    place: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """One contestant's medians; ``cpu_us`` is all its processes' CPU time for one request."""

    name: str
    requests_per_second: float
    cpu_us: float
    loaded_p50_us: float
    loaded_p99_us: float
    added_p50_us: float
    added_p99_us: float
    failures: int


def cpu_ticks(processes: list[int]) -> int:
    """User and system time of living processes, in clock ticks (proc(5), fields 14 and 15)."""
    total = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total


def family(process: int) -> list[int]:
    """A process and everything under it."""
    found, front = [process], [process]
    while front:
        for path in Path(f"/proc/{front.pop()}/task").glob("*/children"):
            children = [int(number) for number in path.read_text().split()]
            found += children
            front += children
    return found


@contextmanager
def upstream(folder: Path, authority: Authority) -> Iterator[int]:
    """The provider, on the load's core; yields its port."""
    certificates = [folder / "authority" / f"{name}.pem" for name in (HOST, "127.0.0.1")]
    for each in certificates:
        authority.context(each.stem)
    process = subprocess.Popen(
        ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "bench.upstream", *map(str, certificates)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield int((process.stdout or sys.stdin).readline())
    finally:
        process.communicate("")


@contextmanager
def bare_mitmdump(port: int, authority: Authority, folder: Path, *words: str) -> Iterator[Contestant]:
    """``mitmdump --mode reverse`` as it comes, upstream certificate verified, and any further ``words``.

    As it comes it writes a line or two a call, here to nobody; ``--quiet`` spares it that.
    """
    listen = free_port()
    options = {
        "confdir": str(folder / "mitmproxy"),
        "ssl_verify_upstream_trusted_ca": str(authority.ca_file),
    }
    settings = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    mode = ("--mode", f"reverse:https://127.0.0.1:{port}@127.0.0.1:{listen}")
    mitmdump = str(Path(sys.executable).parent / "mitmdump")
    process = subprocess.Popen(
        ["taskset", "-c", str(CORE), mitmdump, *words, *settings, *mode],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        target = Target(f"http://127.0.0.1:{listen}", PATH, {"Host": HOST, **JSON_HEADERS}, BODY)
        _wait_until_serving(target, folder)
        yield Contestant(
            " ".join(("bare mitmdump", *words)), target, lambda: family(process.pid), lambda: None
        )
    finally:
        process.terminate()
        process.wait(10)


def _room(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _wait_until_serving(target: Target, folder: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            found = run(target, core=LOAD_CORE, connections=1, seconds=1, folder=folder)
        except RuntimeError:  # nobody listens yet
            time.sleep(0.2)
            continue
        if found.requests and not found.failures:
            return
    raise RuntimeError(f"{target.url} does not serve")


@contextmanager
def our_gateway(port: int, authority: Authority, folder: Path) -> Iterator[list[Contestant]]:
    """The product as ``conduit up`` starts it, one worker, with a company in it; placed in two ways."""
    settings = {
        "upstream.resolve": {f"{HOST}:443": f"127.0.0.1:{port}"},
        "upstream.ca_file": str(authority.ca_file),
        "workers": 1,
    }
    with Product(folder, settings, command=("taskset", "-c", str(CORE))) as product:
        placeholder = company(product)
        headers = {"Authorization": f"Bearer {placeholder}", **JSON_HEADERS}
        target = Target(product.url("gateway"), f"/openai{PATH}", headers, BODY)
        _wait_until_serving(target, folder)

        def processes() -> list[int]:
            return family(product.process.pid)

        yield [
            Contestant("conduit, worker alone", target, processes, lambda: pin(processes(), {LOAD_CORE})),
            Contestant("conduit, all of it", target, processes, lambda: pin(processes(), {CORE})),
        ]


def pin(processes: list[int], others: set[int]) -> None:
    """Put gateway workers on the contestant's core, everything else on ``others``; each thread of each."""
    for process in processes:
        with suppress(OSError):  # it has just ended
            worker = b"conduit.worker" in Path(f"/proc/{process}/cmdline").read_bytes()
            for thread in Path(f"/proc/{process}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {CORE} if worker else others)


def company(product: Product) -> str:
    """A tenant with a user, a credential, generous limits; its placeholder."""
    product.cli("tenant", "create", "bench")
    product.cli("user", "create", "--tenant", "bench", "runner")
    add = ("credential", "add", "--tenant", "bench", "--provider", "openai", "--name", "main")
    product.cli(*add, stdin="sk-proj-benchmark0123456789abcdef0123456789")
    limit = ("limit", "set", "--tenant", "bench")
    product.cli(*limit, "--requests-per-minute", "10000000")
    product.cli(*limit, "--budget-usd", "1000000", "--window", "month")
    issue = ("placeholder", "issue", "--tenant", "bench", "--user", "runner", "--credential", "main")
    return str(product.cli(*issue)["placeholder"])


def measure(
    contestants: list[Contestant], direct: Target, folder: Path, rounds: int, seconds: int
) -> list[Measured]:
    """Throughput under load, then latency of single requests against the way without a gateway."""
    loaded: dict[str, list[tuple[Load, float]]] = {each.name: [] for each in contestants}
    single: dict[str, list[Load]] = {each.name: [] for each in contestants}
    straight = []
    for _ in range(rounds):
        straight.append(run(direct, core=LOAD_CORE, connections=1, seconds=2, folder=folder))
        for each in contestants:
            each.place()
            processes = each.processes()
            before = cpu_ticks(processes)
            found = run(each.target, core=LOAD_CORE, connections=CONNECTIONS, seconds=seconds, folder=folder)
            cpu_us = (cpu_ticks(processes) - before) / _TICKS * 1e6 / max(1, found.requests)
            loaded[each.name].append((found, cpu_us))
            single[each.name].append(
                run(each.target, core=LOAD_CORE, connections=1, seconds=2, folder=folder)
            )
    base50, base99 = (
        statistics.median(getattr(item, name) for item in straight) for name in ("p50_us", "p99_us")
    )
    return [_medians(each.name, loaded[each.name], single[each.name], base50, base99) for each in contestants]


def _medians(
    name: str, loaded: list[tuple[Load, float]], single: list[Load], base50: float, base99: float
) -> Measured:
    median = statistics.median
    return Measured(
        name=name,
        requests_per_second=round(median(item.per_second for item, _ in loaded), 1),
        cpu_us=round(median(cpu for _, cpu in loaded), 1),
        loaded_p50_us=median(item.p50_us for item, _ in loaded),
        loaded_p99_us=median(item.p99_us for item, _ in loaded),
        added_p50_us=median(item.p50_us for item in single) - base50,
        added_p99_us=median(item.p99_us for item in single) - base99,
        failures=sum(item.failures for item, _ in loaded) + sum(item.failures for item in single),
    )


def table(found: list[Measured]) -> str:
    """The figures for people; the ratio is to the first contestant."""
    head = (
        "",
        "requests/s",
        "ratio",
        "CPU/request",
        "p50 loaded",
        "p99 loaded",
        "p50 added",
        "p99 added",
        "failed",
    )
    lines = [f"{head[0]:<22}" + "".join(f"{title:>13}" for title in head[1:])]
    for each in found:
        ratio = each.requests_per_second / found[0].requests_per_second
        times = (each.loaded_p50_us, each.loaded_p99_us, each.added_p50_us, each.added_p99_us)
        cells = (
            f"{each.requests_per_second:.0f}",
            f"{ratio:.2f} ×",
            f"{each.cpu_us:.0f} µs",
            *(f"{value / 1000:.2f} ms" for value in times),
            str(each.failures),
        )
        lines.append(f"{each.name:<22}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)


def write(found: list[Measured], arguments: argparse.Namespace) -> Path:
    """The figures for machines, with what they were taken on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "gateway.json"
    document: dict[str, Any] = {
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "connections": CONNECTIONS,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "ratios": {
            each.name: round(each.requests_per_second / found[0].requests_per_second, 3) for each in found
        },
        "results": [asdict(each) for each in found],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6, help="of load, for each contestant in each round")
    arguments = parser.parse_args()
    if (os.cpu_count() or 1) < 2 or shutil.which("wrk") is None:
        print("the benchmark needs two cores and wrk (Debian package wrk)", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        authority = Authority(folder / "authority")
        port = stack.enter_context(upstream(folder, authority))
        contestants = [
            stack.enter_context(bare_mitmdump(port, authority, _room(folder, "as-it-comes"))),
            stack.enter_context(bare_mitmdump(port, authority, _room(folder, "quiet"), "--quiet")),
            *stack.enter_context(our_gateway(port, authority, folder)),
        ]
        direct = Target(f"https://127.0.0.1:{port}", PATH, JSON_HEADERS, BODY)
        found = measure(contestants, direct, folder, arguments.rounds, arguments.seconds)
    print(table(found))
    print(f"\nwritten to {write(found, arguments).relative_to(ROOT)}")
    return 1 if any(each.failures for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
