"""Values of events as PostgreSQL holds them; what an event says badly counts as nothing."""

from collections.abc import Mapping
from uuid import UUID

BIGINT_MAX = 2**63 - 1


def unnested(columns: Mapping[str, str]) -> str:
    """The arguments of ``unnest`` for one array parameter a column."""
    return ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())


def text_of(value: object) -> str | None:
    """A text without NUL and without halves of surrogate pairs; ``None`` for what is no text."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def uuid_of(value: object) -> UUID | None:
    """An id; ``None`` for what is none."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def count(value: object) -> int:
    """A number of tokens, bytes or micro-dollars; what is none counts as nothing."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), BIGINT_MAX)
