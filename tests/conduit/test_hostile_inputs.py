"""Every command, given what it cannot mean, ends in one clear line, exit code 1 or 2, and changes nothing.

The commands and their options are read from the program itself, so a new one is tried as soon as it is there.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer

from tests.conduit.instances import COMMAND, Program, Ran, running_store

NOBODY = str(UUID(int=7))
# What is given to the options that are not tried; which ones a command needs, it says itself.
GIVEN = {
    "address": "10.0.0.1",
    "allow": "ws-1",
    "cidr": "10.9.0.0/24",
    "credential": "main",
    "event": NOBODY,
    "exception": NOBODY,
    "expires": "7d",
    "file": "/nowhere/file",
    "format": "hosts",
    "framework": "soc2",
    "hold": NOBODY,
    "host": "chat.example",
    "input_usd_per_million": "1",
    "key": "/nowhere/key",
    "limit": NOBODY,
    "model": "gpt-5",
    "month": "2026-10",
    "name": "new",
    "opening": NOBODY,
    "out": "/nowhere/out",
    "output_usd_per_million": "1",
    "percent": "10",
    "person": "ada",
    "placeholder": NOBODY,
    "product": "chatgpt",
    "provider": "openai",
    "reason": "why",
    "rule": NOBODY,
    "since": "30d",
    "source": "a list",
    "sources": "placeholder",
    "state": "coached",
    "tenant": "acme",
    "user": "ada",
}
# For each of these the empty text takes away what was; for others it may be the default.
MAY_BE_EMPTY = {
    "credential set --key-id",
    "credential set --pool",
    "discovery review --owner",
    "user set --cost-centre",
    "user set --team",
}
# Each is one thing of the instance; some take what is not there, to look for it or to make it.
NAMED = ("tenant", "user", "team", "credential", "placeholder", "exception", "limit", "hold", "rule", "event")
NAMES_ANYTHING = frozenset(
    {
        "audit list --credential",
        "audit list --placeholder",
        "audit list --user",
        "user create --team",
        "user set --team",
    }
)
HOSTILE = {"empty": "", "control": "a\x1b[2Jb", "overlong": "x" * 5000}
# Nothing of the schema, of the libraries or of the code is for those who type.
INTERNAL = re.compile(
    r"internal fault|_check\b|_key\b|psycopg|sqlalchemy|Traceback|\w+\.py\b|[\0-\x09\x0b-\x1f]"
)


@dataclass(frozen=True)
class Option:
    """One option or argument of a command; ``words`` is the whole command line but for its value."""

    command: tuple[str, ...]
    parameter: Any
    others: tuple[Any, ...]

    @property
    def name(self) -> str:
        return f"{' '.join(self.command)} {self.parameter.opts[0]}"

    @property
    def kind(self) -> type:
        kind: type = self.parameter.type_descriptor.annotation
        return kind

    @property
    def may_be_empty(self) -> bool:
        return self.parameter.default == "" or self.name in MAY_BE_EMPTY

    def words(self, value: str) -> list[str]:
        named, placed = list(self.command), []
        for each in self.others:
            text = value if each is self.parameter else GIVEN[each.name]
            if isinstance(each, typer.core.TyperArgument):
                placed.append(text)
            else:
                named.append(f"{each.opts[0]}={text}")
        return [*named, "--", *placed] if placed else named


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something; a group may do something by itself."""
    inner = getattr(command, "commands", {})
    if path and (not inner or command.invoke_without_command):
        yield path, command
    for name, each in inner.items():
        yield from leaves(each, (*path, name))


def options() -> list[Option]:
    shared = ("data", "config", "json_output", "help")
    found = []
    for path, command in leaves(COMMAND):
        own = [each for each in command.params if each.name not in shared]
        for tried in own:
            if not getattr(tried, "is_bool_flag", False):
                others = tuple(each for each in own if each is tried or each.required)
                flags = tuple(each for each in others if not getattr(each, "is_bool_flag", False))
                found.append(Option(path, tried, flags))
    return found


OPTIONS = options()
TEXTS = [each for each in OPTIONS if each.kind is str]
NUMBERS = [each for each in OPTIONS if each.kind is int]
FILES = [each for each in OPTIONS if each.kind is Path and each.command[0] != "evidence"]
CHOICES = [each for each in OPTIONS if isinstance(each.kind, type) and issubclass(each.kind, Enum)]


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    with running_store(path / "var") as started:
        started.json("tenant", "create", "acme")
        started.json("user", "create", "--tenant", "acme", "ada")
        started.json(
            *("credential", "add", "--tenant", "acme", "--provider", "openai", "--name", "main"), stdin="sk-x"
        )
        yield started
    shutil.rmtree(path)


def written(program: Program) -> Any:
    """What the record has: whatever changes anything writes an event."""
    return [each["id"] for each in program.json("audit", "list", "--limit", "1000")]


def assert_refused(ran: Ran, option: Option, value: str) -> None:
    where = (option.name, value[:20], ran.code, ran.err[:300])
    assert ran.code in (1, 2), where
    assert ran.out == "", where
    assert not INTERNAL.search(ran.err), where
    assert len(ran.err) < 1000, where
    lines = ran.err.splitlines()
    assert len(lines) == 1 if ran.code == 1 else lines[-1].startswith("Error: "), where


def test_a_text_that_no_option_means_is_refused_by_every_one(program: Program) -> None:
    before = written(program)
    assert len(TEXTS) > 150
    for option in TEXTS:
        for label, value in HOSTILE.items():
            if label != "empty" or not option.may_be_empty:
                assert_refused(program(*option.words(value), stdin="sk-y"), option, value)
    assert written(program) == before


def test_what_may_be_empty_is_so_on_purpose() -> None:
    assert {option.name for option in TEXTS} >= MAY_BE_EMPTY


def test_numbers_and_choices_out_of_bounds_are_refused_by_every_option(program: Program) -> None:
    before = written(program)
    for option in [*NUMBERS, *CHOICES]:
        for value in ("-1", "9" * 30, "x", ""):
            assert_refused(program(*option.words(value), stdin="sk-y"), option, value)
    assert written(program) == before


def test_a_file_that_cannot_be_is_refused_by_every_option(program: Program, tmp_path: Path) -> None:
    before = written(program)
    bad = [tmp_path, tmp_path / "missing" / "file", tmp_path / ("x" * 300), Path("x" * 5000)]
    for option in FILES:
        for value in bad:
            assert_refused(program(*option.words(str(value))), option, str(value))
    assert written(program) == before


def test_what_is_not_there_is_refused_by_every_option_that_names_something(program: Program) -> None:
    before = written(program)
    for option in TEXTS:
        if option.parameter.name in NAMED and option.name not in NAMES_ANYTHING:
            assert_refused(program(*option.words(NOBODY), stdin="sk-y"), option, NOBODY)
    assert written(program) == before


@pytest.mark.parametrize("wrong", [" ", " acme", "acme ", "a\N{LINE SEPARATOR}b", "x" * 201])
def test_what_nobody_could_type_again_is_no_name(program: Program, wrong: str) -> None:
    before = written(program)
    for words in (
        ["tenant", "create"],
        ["user", "create", "--tenant", "acme"],
        ["user", "create", "bob", "--tenant", "acme", "--team"],
        ["user", "set", "--tenant", "acme", "--name", "ada", "--cost-centre"],
        ["credential", "add", "--tenant", "acme", "--provider", "openai", "--name"],
    ):
        ran = program(*words, wrong, stdin="sk-y")
        assert (ran.code in (1, 2), ran.out) == (True, ""), words
    assert written(program) == before


@pytest.mark.parametrize("region", ["narnia", "EU", "uk", "global", "unknown"])
def test_a_tenant_is_at_home_in_a_region_that_there_is(program: Program, region: str) -> None:
    refused = program("tenant", "create", "elsewhere", "--region", region)
    assert (refused.code, "the two letters of a country" in refused.err) == (1, True)
    assert "elsewhere" not in {each["name"] for each in program.json("tenant", "list")}


@pytest.mark.parametrize("role", ["king of all", "Admin", "x" * 41])
def test_a_users_role_is_a_word(program: Program, role: str) -> None:
    refused = program("user", "create", "bob", "--tenant", "acme", "--role", role)
    assert (refused.code, "grants nothing" in refused.err) == (1, True)


@pytest.mark.parametrize("option", ["--data", "--config"])
def test_an_empty_path_is_not_the_current_folder(program: Program, option: str) -> None:
    """``conduit --data "$UNSET" up`` would make an instance of whatever folder somebody stands in."""
    refused = program(f"{option}=", "tenant", "list")
    assert (refused.code, "is empty" in refused.err) == (2, True)
