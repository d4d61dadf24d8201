"""CSV that a spreadsheet shows and never runs (RFC 4180; OWASP ASVS 5.0, 1.2.10, "CSV injection")."""

import csv
import io
from collections.abc import Iterable, Sequence

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula, full-width forms included,
# and the control characters behind which they look for one.
_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", "|", "%")


def line(cells: Iterable[object]) -> str:
    """One line with its end. Every field is quoted; before what may be a formula stands an apostrophe.

    Numbers stay as they are, also negative ones; ``None`` is an empty field.
    """
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(
        [_safe(cell) for cell in cells]
    )
    return written.getvalue()


def document(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A whole CSV document with a line of column names."""
    return "".join([line(columns), *(line(row) for row in rows)])


def _safe(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    text = str(cell).replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(_BEGINNINGS) else text
