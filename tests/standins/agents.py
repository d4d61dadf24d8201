"""The real command-line agents, from the npm registry: fetched once by ``make agents``, started as users do.

    python -m tests.standins.agents NPM FOLDER    fetch what agents.txt pins into FOLDER

npm only brings the archives; each is checked against its pinned hash and unpacked here, so that no script of
a package runs and nothing that is not pinned comes along.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.standins.machines import ROOT

PINNED = Path(__file__).with_name("agents.txt")
FOLDER = ROOT / ".agents"
NODE = FOLDER / "node" / "bin" / "node"
MODULES = FOLDER / "node_modules"
ANSWER_WITHIN_S = 90
FETCHED_WITHIN_S = 120
# What an agent would say to others than the gateway ends at once at a port where nobody listens.
NOWHERE_ELSE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", "NO_COLOR": "1"}


def fetch(npm: list[str], folder: Path) -> None:
    """Fetch, check and unpack every pinned package; raises ``ValueError`` for one that is another."""
    for line in PINNED.read_text().splitlines():
        name, integrity = line.split()
        with tempfile.TemporaryDirectory() as place:
            command = [*npm, "pack", name, "--json", "--ignore-scripts", "--fetch-retries=1"]
            command += ["--pack-destination", place]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=FETCHED_WITHIN_S)
            (archive,) = Path(place).glob("*.tgz")
            found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            if f"sha512-{found}" != integrity:
                raise ValueError(f"{name} is not what was pinned: sha512-{found}")
            _unpack(archive, folder / "node_modules" / _folder_of(name))


def _folder_of(name: str) -> str:
    """Codex's programs are versions of its own package, under the names by which it looks for them."""
    package, _, version = name.rpartition("@")
    platform = version.partition("-")[2]
    return f"{package}-{platform}" if platform else package


def _unpack(archive: Path, folder: Path) -> None:
    """Every npm archive holds one folder, mostly called ``package``."""
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            member.name = member.name.partition("/")[2]
            if member.name:
                opened.extract(member, folder, filter="tar")


@dataclass(frozen=True, slots=True)
class Said:
    """How an agent ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One program, in a home of its own; ``environment`` is all that it is told besides ``HOME``."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]

    def ask(self, home: Path, prompt: str) -> Said:
        """One prompt, without anybody at the keyboard."""
        for name, content in self.files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        work = home / "work"
        work.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            (*self.command, prompt),
            cwd=work,
            env={"HOME": str(home), "PATH": os.environ["PATH"], **NOWHERE_ELSE, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_WITHIN_S,
        )
        return Said(done.returncode, done.stdout, done.stderr)


def codex(base_url: str, key: str) -> Agent:
    """OpenAI's Codex; a provider of one's own is how it is pointed at a gateway."""
    provider = f'{{name="gateway", base_url="{base_url}", env_key="OPENAI_API_KEY", wire_api="responses"}}'
    settings = ("model_provider=gateway", f"model_providers.gateway={provider}", "model=gpt-5")
    options = (part for setting in settings for part in ("-c", setting))
    command = (str(NODE), str(MODULES / "@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check")
    return Agent((*command, *options), {"OPENAI_API_KEY": key}, {})


def claude(base_url: str, key: str) -> Agent:
    """Anthropic's Claude Code, asked not to phone home."""
    quiet = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER", "DISABLE_TELEMETRY")
    told = {"ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": base_url, **dict.fromkeys(quiet, "1")}
    program = MODULES / "@anthropic-ai/claude-code-linux-x64/claude"
    return Agent((str(program), "--model", "claude-sonnet-4-5", "-p"), told, {})


def gemini(base_url: str, key: str) -> Agent:
    """Google's Gemini CLI; it wants to be told of the kind of its key in a file."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    program = str(MODULES / "@google/gemini-cli/bundle/gemini.js")
    return Agent(
        (str(NODE), program, "--skip-trust", "-m", "gemini-2.5-pro", "-p"),
        {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": base_url},
        {".gemini/settings.json": json.dumps(settings)},
    )


if __name__ == "__main__":
    fetch(sys.argv[1:-1], Path(sys.argv[-1]))
