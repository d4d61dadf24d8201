"""What a child process is told at its start: one JSON document on its standard input.

Never in its arguments or environment, which others of the machine may read. The child answers with one JSON
line on its standard output when it serves.
"""

import json
import os
import sys
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from conduit.errors import ChildFailed
from conduit.hardening import end_with_parent, forbid_dumps, refuse_tracer
from conduit.logs import write_logs
from conduit.settings import Settings

# Far beyond any settings; a limit on everything.
BOOT_CHARACTERS_MAX = 4 * 1024 * 1024


class Boot(BaseModel):
    """Everything a child needs to begin. What may hold a password is not shown.

    ``dsn`` is of the one database role that the child serves as; ``claim_key`` (32 bytes, base64 in JSON)
    signs its tenant claims. ``number`` tells workers apart, from 0, of
    which there are ``workers``. ``environment`` holds the variables that
    the source of the key-encryption key reads; children inherit none of them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )

    process: str
    number: NonNegativeInt
    workers: PositiveInt = 1
    parent: PositiveInt
    data: Path
    settings: Settings
    dsn: str = Field(repr=False)
    claim_key: bytes = Field(repr=False)
    redis_url: str = Field(repr=False)
    environment: dict[str, str] = Field({}, repr=False)


def receive(source: IO[str] | None = None) -> Boot:
    """Read the document, and put this process under the house's rules: no dumps, no tracer, an end with its
    parent's, logs. Raises ``ChildFailed``, ``Traced``.
    """
    try:
        boot = Boot.model_validate_json((source or sys.stdin).read(BOOT_CHARACTERS_MAX))
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, problem["loc"])) or "the document" for problem in error.errors())
        raise ChildFailed(f"not a boot document ({keys}); this program is started by `conduit up`") from None
    forbid_dumps()
    refuse_tracer(allowed=boot.settings.vault.allow_tracer)
    end_with_parent(boot.parent)
    write_logs(boot.settings.logging, process=boot.process)
    os.environ.update(boot.environment)
    return boot


def announce_ready(**facts: str | int) -> None:
    """Tell the parent that this process serves."""
    print(json.dumps({"ready": True, **facts}), flush=True)
