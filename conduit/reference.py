"""Writes ``docs/configuration.md`` from the settings, so that the two cannot disagree."""

import sys
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from pydantic.fields import FieldInfo

from conduit.section import Section
from conduit.settings import PREFIX, Settings

_HEAD = """# Configuration

Written from the settings themselves by `make docs`; change `conduit/settings.py`, not this page.

An instance reads `config/conduit.yaml` (another with `--config` or `CONDUIT_CONFIG`). Each setting can be
given by environment as well, and wins there: `CONDUIT_`, the key in capitals, `__` between levels. Lists and
mappings are JSON; an empty variable counts as unset. An unknown key or variable is an error that names it.

`CONDUIT_DATA` and `CONDUIT_CONFIG` stand for `--data` and `--config`. SIGHUP reads the settings again, except
those of the database, Valkey and the vault, which need a restart.
"""


def settings_reference() -> str:
    """The whole page, Markdown."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        section = _section(field)
        if section is not None:
            parts.append(f"## `{name}`\n\n{field.description}\n\n{_table(_rows(name, section))}")
    top = [row for name, field in Settings.model_fields.items() for row in _row(name, field)]
    parts.append(f"## Others\n\n{_table(iter(top))}")
    return "\n".join(parts)


def setting_keys() -> list[str]:
    """Every setting's key, such as ``listen.proxy``."""
    return [key for name, field in Settings.model_fields.items() for key, _ in _leaves(name, field)]


def _leaves(key: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    section = _section(field)
    if section is None:
        yield key, field
        return
    for name, inner in section.model_fields.items():
        yield from _leaves(f"{key}.{name}", inner)


def _section(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _rows(prefix: str, section: type[Section]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        for key, leaf in _leaves(f"{prefix}.{name}", field):
            yield from _row(key, leaf)


def _row(key: str, field: FieldInfo) -> Iterator[str]:
    if _section(field) is not None:
        return
    variable = PREFIX + key.upper().replace(".", "__")
    choices = _choices(field.annotation)
    allowed = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    yield f"| `{key}`<br>`{variable}` | {_shown(field.default)} | {field.description}{allowed} |"


def _table(rows: Iterator[str]) -> str:
    return "\n".join(["| setting | default | what it does |", "| --- | --- | --- |", *rows, ""])


def _choices(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [str(item) for item in kind]
    if typing.get_origin(kind) is typing.Literal:
        return [str(item) for item in typing.get_args(kind)]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [choice for part in typing.get_args(kind) for choice in _choices(part)]
    return []


def _shown(default: object) -> str:
    if default is None:
        return "unset"
    if default in ((), {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
