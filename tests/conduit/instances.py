"""An instance's store without its serving processes, and the program whose commands work on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from conduit.cli import application
from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from store.migrate import upgrade
from vault import key_file

PROGRAM = Path(sys.executable).parent / "conduit"
_RUNNER = CliRunner()
# Built once: that takes longer than most commands.
COMMAND = get_command(application)


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        assert self.code == 0, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class Program:
    """The real program, on one data folder."""

    data: Path

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run a command within this process, which costs a twentieth of a process of its own."""
        words = [*arguments, "--data", str(self.data)]
        code = 0
        with _RUNNER.isolation(input=stdin, env=environment) as (out, err, _):
            try:
                COMMAND.main(args=words, prog_name="conduit")
            except SystemExit as end:
                code = int(end.code or 0)
            sys.stdout.flush()
            sys.stderr.flush()
            return Ran(code, out.getvalue().decode(), err.getvalue().decode())

    def process(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run a command as the installed program."""
        outcome = subprocess.run(
            [str(PROGRAM), *arguments, "--data", str(self.data)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
        )
        return Ran(outcome.returncode, outcome.stdout, outcome.stderr)

    def json(self, *arguments: str, stdin: str = "") -> Any:
        return self(*arguments, "--json", stdin=stdin).document


@contextmanager
def running_store(path: Path, *, with_key: bool = True) -> Iterator[Program]:
    """A migrated embedded database under a data folder that is held, as by a running instance."""
    folder = DataFolder(path)
    with folder.locked():
        database = EmbeddedPostgres(folder)
        database.start()
        try:
            upgrade(database.owner_url)
            if with_key:
                key_file.create(folder.folder("vault") / "kek")
            yield Program(path)
        finally:
            database.stop()
