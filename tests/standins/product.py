"""The real product, started as an operator starts it, in a throw-away data folder."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from typer.testing import CliRunner

from conduit.cli import application
from conduit.data_folder import DataFolder
from conduit.embedded_postgres import SUPERUSER, EmbeddedPostgres
from tests.standins.machines import ROOT
from tests.standins.namespaces import prefix
from tests.standins.provider import enter_namespace

CONDUIT = Path(sys.executable).parent / "conduit"
_LISTENERS = ("proxy", "gateway", "transparent", "console")


class Refused(Exception):
    """A command ended with another code than 0; the text is its standard error."""


def free_port() -> int:
    """A TCP port on loopback that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_namespace[Result](name: str | None, work: Callable[[], Result]) -> Result:
    """Run ``work`` in a thread that has moved into the network namespace ``name``."""
    if name is None:
        return work()
    space = name
    outcome: list[Result] = []
    problems: list[BaseException] = []

    def moved() -> None:
        try:
            enter_namespace(space)
            outcome.append(work())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=moved)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return outcome[0]


class Product:
    """``with Product(folder, settings) as product``: ``conduit up`` until the block ends.

    ``settings`` are configuration keys (``"upstream.resolve": {…}``), given through the environment.
    ``address`` is where it listens; ``namespace`` is the network namespace that it runs in.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        namespace: str | None = None,
        address: str = "127.0.0.1",
        command: tuple[str, ...] = (),
    ) -> None:
        self.data = folder / "data"
        self.log = folder / "conduit.log"
        self.address, self.namespace = address, namespace
        self.ports = {name: free_port() for name in _LISTENERS}
        listeners = {f"listen.{name}": f"{address}:{port}" for name, port in self.ports.items()}
        self._environment = _environment(listeners | dict(settings))
        self._command = (*prefix(namespace), *command, str(CONDUIT), "up", "--data", str(self.data))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the product has not been started")
        return self._process

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                cwd=ROOT,
            )
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    def wait_until_ready(self, timeout_s: float = 120) -> None:
        """Until ``/healthz/ready`` answers 200; ``RuntimeError`` with the log's end if it does not."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"conduit ended with {self.process.returncode}:\n{self._tail()}")
            if self._ready():
                return
            time.sleep(0.1)
        raise RuntimeError(f"not ready after {timeout_s} s:\n{self._tail()}")

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def _ready(self) -> bool:
        try:
            return self.console("GET", "/healthz/ready")[0] == 200
        except OSError:
            return False

    def console(self, method: str, path: str) -> tuple[int, bytes]:
        """One request to the console listener: status and body."""

        def ask() -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(self.address, self.ports["console"], timeout=5)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        return in_namespace(self.namespace, ask)

    def url(self, listener: str) -> str:
        return f"http://{self.address}:{self.ports[listener]}"

    def cli(self, *arguments: str, stdin: str | None = None) -> Any:
        """``conduit … --json``: the parsed document. Raises ``Refused``.

        The command runs in this process: a journey gives dozens, and starting Python each time takes longer
        than all of them do.
        """
        command = [*arguments, "--json", "--data", str(self.data)]
        settings = {name: text for name, text in self._environment.items() if name.startswith("CONDUIT_")}
        done = CliRunner().invoke(application, command, input=stdin or "", env=settings)
        if done.exit_code:
            raise Refused(f"conduit {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def shell(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """``conduit …`` against this instance, as typed."""
        return subprocess.run(
            (str(CONDUIT), *arguments, "--data", str(self.data)),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            env=self._environment,
        )

    def processes(self) -> list[int]:
        """The supervisor and everything under it, by process id."""
        found, front = [self.process.pid], [self.process.pid]
        while front:
            children = Path(f"/proc/{front.pop()}/task").glob("*/children")
            for child in (int(number) for path in children for number in path.read_text().split()):
                found.append(child)
                front.append(child)
        return found


def superuser_url(product: Product) -> str:
    """PostgreSQL's superuser, whom no policy stops, for what only a test does."""
    parts = urlsplit(EmbeddedPostgres(DataFolder(product.data)).owner_url)
    password = (product.data / "postgres" / "superuser.password").read_text()
    return f"postgresql://{quote(SUPERUSER)}:{quote(password)}@{parts.path}?{parts.query}"


def _environment(settings: Mapping[str, Any]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONDUIT_")}
    for key, value in settings.items():
        text = value if isinstance(value, str) else json.dumps(value)
        kept["CONDUIT_" + key.upper().replace(".", "__")] = text
    return kept
