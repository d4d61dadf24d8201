"""What an entry of the labelled set is: one real client, what it reaches, and what is true about that.

The set is a specification: each entry says who calls what, and how it should be judged. It is sent through a
running gateway from a ``Station``, by the client as its users run it; a call that does not get its answer
raises, so that nothing counts as sent that was not.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from tests.standins.answers import Answer
from tests.standins.provider import Seen
from tests.standins.sessions import Behaviour

ANSWER_WITHIN_S = 90


class Kind(StrEnum):
    """What the client is."""

    SDK = "SDK"
    PROGRAM = "command line"
    BROWSER = "browser"
    RECORDED = "recorded"
    SCRIPTED = "scripted"


class Label(StrEnum):
    """What is true about its endpoints."""

    KNOWN = "AI in the catalogue"
    UNKNOWN = "AI in no catalogue"
    NOT_AI = "not AI"


type Responder = Callable[[Seen], Answer | None]
# Hosts with the SHA-256, in hex, of the certificate that the client saw there, where it can tell.
type Told = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Station:
    """Where clients run: behind this proxy, trusting the authority of ``ca_file`` and no other.

    ``key_pin`` is of a key in every chain that the authority vouches for: what a browser is told to trust.
    ``placeholders`` are the company's, by provider.
    """

    proxy: str
    ca_file: Path
    key_pin: str
    folder: Path
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """How the clients are told of proxy and authority, each by the name that it reads."""
        proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), self.proxy)
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        names += ("CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "CODEX_CA_CERTIFICATE")
        return proxies | dict.fromkeys(names, str(self.ca_file)) | {"NO_PROXY": "127.0.0.1"}

    @contextmanager
    def here(self) -> Iterator[None]:
        """SDKs in this process read the station's environment."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        os.environ.pop("SSL_CERT_DIR", None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def home(self, name: str) -> Path:
        """An empty folder of a client's own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def run(self, *command: str | Path, home: Path, **told: str) -> str:
        """Standard output of a program in ``home``; ``RuntimeError`` with what it said if it fails."""
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], **self.environment, **told}
        done = subprocess.run(
            [str(part) for part in command],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_WITHIN_S,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class Client:
    """One entry. ``hosts`` are the endpoints that it reaches; ``answer`` is what they answer (``None``: what
    the stand-in has by default), ``session`` how they speak over WebSocket; ``program`` must be installed.
    """

    name: str
    kind: Kind
    label: Label
    hosts: tuple[str, ...]
    call: Callable[[Station], Told]
    answer: Responder = lambda _: None
    session: Behaviour | None = None
    program: str | Path = ""

    @property
    def lacking(self) -> str:
        """What is not on this machine, if anything: the entry is then left out, and named."""
        return str(self.program) if self.program and not _works(self.program) else ""


@cache
def _works(program: str | Path) -> bool:
    """Whether a program is there and starts: ``cargo`` of rustup without a toolchain does not."""
    found = shutil.which(program)
    return found is not None and subprocess.run([found, "--version"], capture_output=True).returncode == 0
