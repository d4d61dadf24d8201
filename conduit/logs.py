"""Logs for people: one sink on standard error, for this program's records and for those of its libraries.

Values of variables are never printed with a traceback: they may be secrets.
"""

import logging
import sys

from loguru import logger

from conduit.settings import Logging

_TEXT = "<dim>{time:YYYY-MM-DDTHH:mm:ss.SSSZ}</dim> <level>{level: <7}</level> {extra[process]: <9} {message}"
# Libraries tell every request; what matters of theirs is a warning.
_LIBRARIES = logging.WARNING


def write_logs(settings: Logging, *, process: str) -> None:
    """Send all records to standard error, each under the name of this ``process``."""
    logger.remove()
    logger.configure(extra={"process": process})
    logger.add(
        sys.stderr,
        level=settings.level,
        format=_TEXT,
        serialize=settings.json_lines,
        backtrace=False,
        diagnose=False,
        enqueue=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=_LIBRARIES, force=True)


class _Forward(logging.Handler):
    """Passes a record of the standard library's logging on."""

    def emit(self, record: logging.LogRecord) -> None:
        level = (
            record.levelname if record.levelname in ("DEBUG", "INFO", "WARNING", "ERROR") else record.levelno
        )
        logger.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())
