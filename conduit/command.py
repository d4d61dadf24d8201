"""How a command is declared: the options that all share, its errors in one line, its result in two forms.

A command is a function whose first parameter is the ``Invocation``; it may be asynchronous. It returns
nothing: results go through ``Invocation.show``.
"""

import asyncio
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

import typer

from conduit.errors import ConduitError
from store.names import is_printable

DATA = Path("var")
CONFIG = Path("config/conduit.yaml")
PIPE_WIDTH = 10_000
# Nothing that is typed is longer: keys come on standard input, lists and pages in files.
ARGUMENT_CHARACTERS_MAX = 4096
PROBLEM_CHARACTERS_MAX = 600


def _place(text: str) -> Path:
    """A path that was named; the empty one, which ``Path`` takes for the current folder, is none."""
    if not text.strip():
        raise typer.BadParameter("is empty")
    return Path(text)


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="CONDUIT_DATA",
        help="Folder of the instance.  [default: ./var]",
        metavar="PATH",
        parser=_place,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="CONDUIT_CONFIG",
        help="Settings.  [default: config/conduit.yaml]",
        metavar="PATH",
        parser=_place,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]


class MayBeEmpty:
    """Beside an option in ``Annotated``: the empty text means something, such as taking away what was."""


class CommandFailed(ConduitError):
    """A command cannot do what was asked; the text is the one line that says why."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command is told. ``config`` is ``None`` where the default file is not there."""

    data: Path
    config: Path | None
    json: bool

    def show(self, document: object, *, columns: Sequence[str] = (), note: str = "") -> None:
        """Print a result: as it is with ``--json``, else as a table of ``columns`` (all, where empty).

        ``note`` is a sentence for people, on standard error.
        """
        if self.json:
            self.show_json(document)
        else:
            _show_table(document, columns)
        if note:
            self.say(note)

    def show_json(self, document: object) -> None:
        """Print one JSON document on standard output."""
        print(json.dumps(document, indent=None if self.json else 2, default=str, ensure_ascii=False))

    def say(self, sentence: str) -> None:
        """Tell people something that is not the result."""
        print(sentence, file=sys.stderr)


def command(application: typer.Typer, name: str) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Register a function as the command ``name``, with ``--data``, ``--config`` and ``--json`` added."""

    def register(function: Callable[..., Any]) -> Callable[..., None]:
        run = _runner(function)
        application.command(name)(run)
        return run

    return register


def by_itself(group: typer.Typer) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Register a function as what a group does where no command of it is named; else as ``command``."""

    def register(function: Callable[..., Any]) -> Callable[..., None]:
        run = _runner(function)
        group.callback(invoke_without_command=True, no_args_is_help=False)(run)
        return run

    return register


def _runner(function: Callable[..., Any]) -> Callable[..., None]:
    """What typer calls: it makes the ``Invocation``, awaits, and turns an error into one line."""
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[1:]
    shared = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for option, default, annotation in (
            ("data", None, DataOption),
            ("config", None, ConfigOption),
            ("json_output", False, JsonOption),
        )
    ]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    def run(context: typer.Context, **values: Any) -> None:
        if context.invoked_subcommand is not None:
            return
        _check(own, values)
        invocation = _invocation(context, values)
        try:
            outcome = function(invocation, **values)
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
            sys.stdout.flush()
        except BrokenPipeError:
            _end_unheard()
        except Exception as error:
            _fail(error)

    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    parameters = [context, *(item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own), *shared]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # PEP 362 allows it
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run


def group(name: str, summary: str, parent: typer.Typer) -> typer.Typer:
    """A group of commands, such as ``conduit tenant``."""
    application = typer.Typer(no_args_is_help=True, help=summary)
    parent.add_typer(application, name=name)
    return application


def read_secret(prompt: str) -> str:
    """A secret from standard input, never from an argument. Raises ``CommandFailed`` for an empty one.

    At a terminal it is asked for without being shown; from a pipe, one line end behind it is dropped.
    """
    if sys.stdin.isatty():
        import getpass

        text = getpass.getpass(f"{prompt}: ", sys.stderr)
    else:
        text = sys.stdin.read()
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise CommandFailed(f"no secret came on standard input; pipe it in: conduit … < file ({prompt})")
    return text


@contextmanager
def access_to(file: Path, act: Literal["read", "written"]) -> Iterator[None]:
    """Work on a file that was named; raises ``CommandFailed`` with the system's word where it cannot be."""
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{file} cannot be {act}: {error.strerror}") from error


def read_id(text: str) -> UUID:
    """An id that was given as an argument; raises ``typer.BadParameter``."""
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no id") from None


def _check(parameters: Sequence[inspect.Parameter], values: dict[str, Any]) -> None:
    """Refuse texts that no option means, raising ``typer.BadParameter``.

    An empty one is what a script's unset variable leaves: it must not count as if the option was not there,
    which for some means "for everybody" or "for ever".
    """
    for parameter in parameters:
        value = values.get(parameter.name)
        texts = value if isinstance(value, list | tuple) else [value]
        empty = parameter.default == "" or MayBeEmpty in getattr(parameter.annotation, "__metadata__", ())
        for text in texts:
            problem = _problem(text, may_be_empty=empty) if isinstance(text, str | Path) else None
            if problem is not None:
                raise typer.BadParameter(f"{parameter.name.replace('_', '-')} {problem}")


def _problem(text: str | Path, *, may_be_empty: bool) -> str | None:
    shown = str(text)
    if len(shown) > ARGUMENT_CHARACTERS_MAX:
        return f"is longer than {ARGUMENT_CHARACTERS_MAX} characters"
    if isinstance(text, Path):
        return None
    if not is_printable(shown):
        return "holds what cannot be printed"
    if not shown.strip() and not (shown == "" and may_be_empty):
        return "is empty"
    return None


def _invocation(context: typer.Context, values: dict[str, Any]) -> Invocation:
    """The command's own options win over the same ones before the command's name."""
    outer = context.find_root().obj or {}
    data = values.pop("data") or outer.get("data") or DATA
    config = values.pop("config") or outer.get("config")
    as_json = values.pop("json_output") or outer.get("json_output", False)
    if config is None and CONFIG.exists():
        config = CONFIG
    return Invocation(data=data, config=config, json=as_json)


def _fail(error: Exception) -> NoReturn:
    """One line, exit code 1. What is not an error of ours is a fault of ours: its text may hold anything."""
    if type(error).__module__.split(".")[0] in ("policy", "vault", "store", "conduit", "console"):
        sentence = " ".join((str(error) or type(error).__doc__ or "").split("\n\n")[0].split())
        print(f"conduit: {_bounded(sentence)}", file=sys.stderr)
    elif isinstance(error, typer.Exit | typer.BadParameter):
        raise error
    else:
        place = traceback.extract_tb(error.__traceback__)[-1]
        print(
            f"conduit: internal fault, {type(error).__name__} at {Path(place.filename).name}:{place.lineno}",
            file=sys.stderr,
        )
    raise typer.Exit(1) from None


def _bounded(sentence: str) -> str:
    """What is told may quote what was given: none of it may push the reason away."""
    shown = _printable(sentence)
    return shown if len(shown) <= PROBLEM_CHARACTERS_MAX else f"{shown[:PROBLEM_CHARACTERS_MAX]} …"


def _printable(text: str) -> str:
    """What came from people or from the wire, so that none of it moves the cursor of whoever reads it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _end_unheard() -> NoReturn:
    """Whoever reads our output has read enough, as ``head`` does: end quietly.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(1)


def _show_table(document: object, columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    rows: list[dict[str, Any]] = document if isinstance(document, list) else [document]  # type: ignore[list-item]
    names = list(columns) or (list(rows[0]) if rows else [])
    table = Table(box=None, pad_edge=False)
    for name in names:
        # An id that is cut is no id.
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name == "id")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    # A pipe gets whole lines. No markup, because a name may hold [brackets].
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(markup=False, highlight=False, width=width).print(table if rows else "nothing found")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return _printable(str(value))
