"""Which edition of the ``genai-prices`` data is installed, and of which day it is.

The package does not say when its data was gathered, so the day of its release stands here; a test fails when
another version is installed whose day is missing.
"""

from datetime import date
from importlib.metadata import version

VERSION = version("genai-prices")

# https://pypi.org/project/genai-prices/#history
_RELEASED = {"0.2.3": date(2026, 11, 10)}


def released() -> date:
    """The day of the installed data; raises ``KeyError`` for a version that is not listed."""
    return _RELEASED[VERSION]


def edition() -> dict[str, str]:
    """What a document says about the list of prices behind it."""
    return {"name": "genai-prices", "version": VERSION, "date": released().isoformat()}
