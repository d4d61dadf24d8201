"""What hostile clients and providers cost: rapid resets, bombs, long bodies, connections that dawdle.

    .venv/bin/python -m bench.hostile [--only NAME] [--resets 5000] [--slow 1000] [--rounds 3] [--seconds 6]

CPU is that of the gateway's worker, memory how far its resident set rose. The p99 of honest calls is taken
with and without the dawdling connections in alternating rounds of one run; the median of the ratios counts.
Writes ``bench/results/hostile.json``; fails where a bound of its own is exceeded.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.gateway import BODY, HOST, JSON_HEADERS, LOAD_CORE, PATH, RESULTS, company, pin
from bench.load import Target, run
from bench.long_bodies import HOLD_MS_MAX, holds
from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.hostile import BOMBS, Memory, cpu_s, http2, rapid_resets, workers
from tests.standins.product import Product
from tests.standins.provider import StandIn

MIB = 1 << 20
CPU_S_MAX = 1.0
MEMORY_BYTES_MAX = 64 * MIB
P99_RATIO_MAX = 2.0
BOMB_MIB = 1100
CONNECTIONS_PER_FLOOD = 25
CONNECTIONS = 20
# A byte of each dawdling connection comes so often, as slowhttptest's do.
DAWDLE_S = 5.0
HEAD = "POST /openai{path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n"
SLOW_BODY = HEAD + "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """One measurement. ``bound`` is what it must not exceed, in the same unit."""

    name: str
    figure: float
    unit: str
    bound: float

    @property
    def held(self) -> bool:
        return self.figure <= self.bound


@dataclass(frozen=True, slots=True)
class Place:
    """The running product, its worker, a placeholder that is good, and the provider."""

    product: Product
    provider: StandIn
    placeholder: str
    ca_file: Path

    @property
    def workers(self) -> list[int]:
        return workers(self.product)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.placeholder}", **JSON_HEADERS}


def resets(place: Place, count: int) -> Iterator[Finding]:
    """Streams that are opened and reset at once: on one connection, and by somebody who comes again."""
    for listener, authority, path in (("gateway", "gateway", f"/openai{PATH}"), ("proxy", HOST, PATH)):
        for connections in (1, CONNECTIONS_PER_FLOOD):
            before, calmed = cpu_s(place.workers), 0
            for _ in range(connections):
                with http2(place.product, listener, place.ca_file, HOST) as sock:
                    each = count // connections
                    calmed += rapid_resets(sock, each, authority, path, place.placeholder)[1]
            used = cpu_s(place.workers) - before
            name = f"{count} resets, {listener}, {connections} connection(s), {calmed} ended by GOAWAY"
            yield Finding(name, round(used, 2), "CPU s", CPU_S_MAX)


def bombs(place: Place) -> Iterator[Finding]:
    """More than a gigabyte of zeros in some hundred kilobytes, from the client and from the provider."""
    url = f"{place.product.url('gateway')}/openai{PATH}"
    for coding, make in BOMBS.items():
        bomb = make(BOMB_MIB)
        memory = Memory(place.workers)
        packed = {**place.headers, "Content-Encoding": coding}
        httpx.post(url, headers=packed, content=bomb, timeout=60, trust_env=False)
        yield Finding(f"{BOMB_MIB} MiB of {coding}, request", _mib(memory), "MiB", MEMORY_BYTES_MAX / MIB)
        for kind in ("application/json", "text/event-stream"):
            headers = (("content-type", kind), ("content-encoding", coding))
            place.provider.play(HOST, Answer(200, headers, (bomb,)))
            memory = Memory(place.workers)
            with httpx.stream(
                "POST", url, headers=place.headers, content=BODY, timeout=60, trust_env=False
            ) as answer:
                for _ in answer.iter_raw():
                    pass
            name = f"{BOMB_MIB} MiB of {coding}, answer as {kind}"
            yield Finding(name, _mib(memory), "MiB", MEMORY_BYTES_MAX / MIB)


def long_bodies(place: Place) -> Iterator[Finding]:
    """Texts of 60 MiB, each made to be slow to read in another way: how long all others wait."""
    url = f"{place.product.url('gateway')}/openai{PATH}"
    for name, longest_ms in holds(place.product, place.provider, HOST, url, place.headers):
        yield Finding(f"longest wait beside {name}", round(longest_ms), "ms", HOLD_MS_MAX)


def _mib(memory: Memory) -> float:
    return round(memory.risen() / MIB, 1)


def dawdlers(place: Place, count: int, rounds: int, seconds: int, folder: Path) -> Iterator[Finding]:
    """A third each: heads and bodies a byte at a time, and silence."""
    target = Target(place.product.url("gateway"), f"/openai{PATH}", place.headers, BODY)

    def p99() -> float:
        found = run(target, core=LOAD_CORE, connections=CONNECTIONS, seconds=seconds, folder=folder)
        if found.failures:
            raise RuntimeError(f"{found.failures} honest calls failed")
        return found.p99_us

    p99()  # warm
    ratios, held = [], []
    for _ in range(rounds):
        alone = p99()
        with dawdling(place, count) as crowd:
            beside = p99()
            held.append(crowd.open)
        ratios.append(beside / alone)
    name = f"p99 of others beside {count} slow connections ({min(held)} open at once)"
    yield Finding(name, round(statistics.median(ratios), 2), "×", P99_RATIO_MAX)


class Crowd:
    """Connections that send a byte now and then, made anew when the gateway closes them."""

    def __init__(self, place: Place, count: int) -> None:
        self._address = (place.product.address, place.product.ports["gateway"])
        body = SLOW_BODY.format(path=PATH, key=place.placeholder).encode()
        self._openings = [(b"POST / HTTP/1.1\r\nX-Slow: ", b"a"), (body, b" "), (b"", b"")]
        self._count = count
        self.open = 0

    async def run(self, ready: threading.Event, ended: asyncio.Event) -> None:
        """Until ``ended``; ``ready`` once all are there."""
        tasks = [asyncio.create_task(self._one(number)) for number in range(self._count)]
        while self.open < self._count * 0.95:  # noqa: ASYNC110 - a count, not an event
            await asyncio.sleep(0.05)
        ready.set()
        await ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, number: int) -> None:
        begin, drip = self._openings[number % len(self._openings)]
        await asyncio.sleep(number / self._count * DAWDLE_S)  # not all in step
        while True:
            # From several addresses, as an attack comes: one has a bound of its own.
            near = (f"127.0.3.{1 + number % 8}", 0)
            try:
                _, writer = await asyncio.open_connection(*self._address, local_addr=near)
            except OSError:
                await asyncio.sleep(DAWDLE_S)
                continue
            self.open += 1
            try:
                writer.write(begin)
                while not writer.is_closing():
                    await asyncio.sleep(DAWDLE_S)
                    writer.write(drip)
                    await writer.drain()
            except OSError:
                pass  # the gateway has closed it: the next one is made
            finally:
                self.open -= 1
                writer.close()


@contextmanager
def dawdling(place: Place, count: int) -> Iterator[Crowd]:
    """``count`` slow connections for as long as the block lasts."""
    crowd, ready = Crowd(place, count), threading.Event()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(crowd.run(ready, ended)), daemon=True)
    thread.start()
    try:
        if not ready.wait(60):
            raise RuntimeError(f"only {crowd.open} slow connections could be opened")
        yield crowd
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)


@contextmanager
def running(folder: Path) -> Iterator[Place]:
    """The product with one worker, a company, and a provider that answers at once."""
    authority = Authority(folder / "authority")
    with StandIn(authority) as provider:
        settings = {
            "upstream.resolve": {f"{HOST}:443": f"127.0.0.1:{provider.port}"},
            "upstream.ca_file": str(authority.ca_file),
            "workers": 1,
        }
        with Product(folder, settings) as product:
            placeholder = company(product)
            ca_file = folder / "gateway-ca.pem"
            product.cli("ca", "export", "--out", str(ca_file))
            place = Place(product, provider, placeholder, ca_file)
            pin(product.processes(), {LOAD_CORE})
            _until_in_force(place)
            yield place


def _until_in_force(place: Place) -> None:
    url = f"{place.product.url('gateway')}/openai{PATH}"
    deadline = time.monotonic() + 30
    while httpx.post(url, headers=place.headers, content=BODY, trust_env=False).status_code != 200:
        if time.monotonic() > deadline:
            raise RuntimeError("the gateway does not serve")
        time.sleep(0.1)


def table(found: list[Finding]) -> str:
    """The figures for people."""
    width = max(len(each.name) for each in found)
    return "\n".join(
        f"{each.name:<{width}}  {each.figure:>8} {each.unit:<6} of at most {each.bound:g}"
        f"{'' if each.held else '   EXCEEDED'}"
        for each in found
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("dawdlers", "long-bodies", "bombs", "resets"))
    parser.add_argument("--resets", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    arguments = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        print("this needs two cores: one for the gateway, one for who calls it", file=sys.stderr)
        return 1
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * arguments.slow + 1000), hard))
    found: list[Finding] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        place = stack.enter_context(running(folder))
        measurements = {
            "dawdlers": lambda: dawdlers(place, arguments.slow, arguments.rounds, arguments.seconds, folder),
            "long-bodies": lambda: long_bodies(place),
            "bombs": lambda: bombs(place),
            "resets": lambda: resets(place, arguments.resets),
        }
        for name in [arguments.only] if arguments.only else measurements:
            found += measurements[name]()
    print(table(found))
    print(f"\nwritten to {write(found, arguments)}")
    return 0 if all(each.held for each in found) else 1


def write(found: list[Finding], arguments: argparse.Namespace) -> Path:
    """The figures for machines."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "hostile.json"
    document: dict[str, Any] = {
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "arguments": vars(arguments),
        "results": [{**asdict(each), "held": each.held} for each in found],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path.relative_to(Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
