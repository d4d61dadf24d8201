"""Drives ``tests.standins.machine`` from the outside: one process a way of reaching the providers."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.standins.namespaces import prefix

ROOT = Path(__file__).parent.parent.parent
# What a developer's shell would hold; nothing else is passed on, so no proxy of this machine interferes.
# The recordings are of models that their providers have since withdrawn; the SDKs warn of it.
_QUIET = ("-W", "ignore::DeprecationWarning")
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class Pending:
    """A call under way."""

    def __init__(self, lines: "queue.SimpleQueue[dict[str, Any]]") -> None:
        self._lines = lines

    def chunk(self, timeout_s: float = 30) -> int:
        """The number of the next piece of the answer, from 1. ``EOFError`` if the call ended instead."""
        line = self._lines.get(timeout=timeout_s)
        if "done" in line:
            self._lines.put(line)
            raise EOFError(str(line["done"])[:500])
        return int(line["number"])

    def finish(self, timeout_s: float = 60) -> dict[str, Any]:
        """The whole outcome: ``result``, or ``error`` with its particulars; ``retries`` in both."""
        while True:
            line = self._lines.get(timeout=timeout_s)
            if "done" in line:
                return dict(line["done"])


class Machine:
    """``with Machine({"HTTPS_PROXY": …}) as machine``: a corporate machine with just this environment."""

    def __init__(self, environment: Mapping[str, str], namespace: str | None = None) -> None:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        command = (*prefix(namespace), sys.executable, *_QUIET, "-m", "tests.standins.machine")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=kept | dict(environment),
        )
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(json.loads(line))
        self._lines.put({"done": {"error": "ProcessEnded", "module": "", "message": "the machine went away"}})

    def __enter__(self) -> Self:
        first = self._lines.get(timeout=60)
        if first.get("event") != "ready":
            raise RuntimeError(f"the machine did not start: {first}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(20)

    def begin(self, call: str, **details: Any) -> Pending:
        """Start a call of ``tests.standins.machine.CALLS``."""
        if self._process.stdin is None:
            raise RuntimeError("the machine has no stdin")
        self._process.stdin.write(json.dumps({"call": call, **details}) + "\n")
        self._process.stdin.flush()
        return Pending(self._lines)

    def call(self, call: str, **details: Any) -> dict[str, Any]:
        return self.begin(call, **details).finish()
