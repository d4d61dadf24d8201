"""From rows to frozen records: run a statement and read what it returns as a dataclass, validated.

A record's fields are the columns of the same names; ``columns`` picks them out of a table.
"""

import re
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnClause, Executable, TableClause
from sqlalchemy.ext.asyncio import AsyncSession

from store.errors import NotFound


def columns(table: TableClause, kind: type[Any]) -> list[ColumnClause[Any]]:
    """The columns of ``table`` that the dataclass ``kind`` has fields for."""
    return [table.c[field.name] for field in fields(kind)]


async def many[T](session: AsyncSession, kind: type[T], statement: Executable) -> list[T]:
    """Every row, as records."""
    result = await session.execute(statement)
    return [_adapter(kind).validate_python(dict(row)) for row in result.mappings()]


async def optional[T](session: AsyncSession, kind: type[T], statement: Executable) -> T | None:
    """The one row, or ``None``."""
    row = (await session.execute(statement)).mappings().one_or_none()
    return None if row is None else _adapter(kind).validate_python(dict(row))


async def one[T](session: AsyncSession, kind: type[T], statement: Executable) -> T:
    """The one row; raises ``NotFound`` where there is none, or it is another tenant's."""
    found = await optional(session, kind, statement)
    if found is None:
        raise NotFound(f"there is no such {_words(kind)}")
    return found


def _words(kind: type[Any]) -> str:
    """``EndpointException`` as people say it: endpoint exception."""
    return _WORD.sub(" ", kind.__name__).lower()


_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter[T](kind: type[T]) -> TypeAdapter[T]:
    """Building an adapter takes milliseconds, so each kind has its own once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
