"""The load: Debian's ``wrk``, pinned to its own core, asked for exact figures through its Lua hook."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LUA = """
wrk.method = "POST"
wrk.path = %(path)s
wrk.body = %(body)s
%(headers)s
function done(summary, latency, requests)
  local e = summary.errors
  local failures = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('\\nRESULT {"requests": %%d, "duration_us": %%d, "failures": %%d, ',
    summary.requests, summary.duration, failures))
  io.write(string.format('"p50_us": %%d, "p99_us": %%d}\\n', latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, and where. ``url`` is the origin."""

    url: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of load found; latencies in microseconds."""

    requests: int
    duration_us: int
    failures: int
    p50_us: int
    p99_us: int

    @property
    def per_second(self) -> float:
        return self.requests * 1e6 / self.duration_us


def _lua(text: str) -> str:
    """A Lua string: its decimal escapes, so that nothing in ``text`` can end it."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


def run(target: Target, *, core: int, connections: int, seconds: int, folder: Path) -> Load:
    """Load ``target`` from ``core``. Raises ``RuntimeError`` if ``wrk`` did not report."""
    headers = "\n".join(f"wrk.headers[{_lua(k)}] = {_lua(v)}" for k, v in target.headers.items())
    script = folder / "load.lua"
    script.write_text(_LUA % {"path": _lua(target.path), "body": _lua(target.body), "headers": headers})
    script.chmod(0o600)
    command = [
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
    ]
    done = subprocess.run(
        [*command, "-s", str(script), target.url], capture_output=True, text=True, timeout=seconds + 60
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return Load(**json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk failed: {done.stdout[-500:]} {done.stderr[-500:]}")
