"""Where checkpoints are kept outside the database, so that a database restored or rewritten is convicted.

``HeldCheckpoints`` is the instance's own memory, in its data folder. Witnesses are places that the
operator names: a folder (a mounted write-once bucket, another machine's share), a webhook, a bucket with
object lock (``store.witness_bucket``), a time-stamping authority (``store.witness_timestamp``).
"""

import asyncio
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, open_with_any
from store.merkle import Frontier

WEBHOOK_TIMEOUT_S = 5.0
SUFFIX = ".held"
NOTE_SUFFIX = ".checkpoint"


class WitnessUnavailable(Exception):
    """The witness did not take the checkpoint. It is offered again; the record itself goes on."""


class HeldInvalid(Exception):
    """A held checkpoint cannot be read or is false: the data folder was tampered with, or restored."""


class Witness(Protocol):
    """A place outside that keeps checkpoints. It is offered some at most every ``interval_s`` seconds."""

    name: str
    interval_s: float

    async def publish(self, checkpoint: Checkpoint, note: str) -> None:
        """Hand over one signed checkpoint. Raises ``WitnessUnavailable``."""


@dataclass(frozen=True, slots=True)
class Held:
    """The last checkpoint that this instance signed for a record, and the edge of the tree at that point."""

    checkpoint: Checkpoint
    frontier: Frontier


class HeldCheckpoints:
    """One file a tenant below ``directory`` (``<data>/audit/held``), replaced whole."""

    def __init__(self, directory: Path, trusted: tuple[VerifierKey, ...]) -> None:
        self._directory = directory
        self._trusted = trusted

    def load(self, tenant: TenantId) -> Held | None:
        """What is held for a tenant; ``None`` before its first checkpoint. Raises ``HeldInvalid``."""
        path = self._path(tenant)
        if not path.exists():
            return None
        try:
            kept = json.loads(path.read_bytes())
            checkpoint = open_with_any(self._trusted, kept["checkpoint"])
            frontier = Frontier.from_bytes(checkpoint.size, bytes.fromhex(kept["frontier"]))
        except (ValueError, KeyError, TypeError, CheckpointInvalid) as error:
            raise HeldInvalid(f"{path} is not a checkpoint of this instance") from error
        if checkpoint.tenant_id != tenant or frontier.root() != checkpoint.root:
            raise HeldInvalid(f"{path} is not a checkpoint of this record")
        return Held(checkpoint, frontier)

    def every(self) -> list[Checkpoint]:
        """All that is held, for ``store.verify``. Raises ``HeldInvalid``."""
        tenants = (TenantId(UUID(path.stem)) for path in sorted(self._directory.glob(f"*{SUFFIX}")))
        return [held.checkpoint for tenant in tenants if (held := self.load(tenant)) is not None]

    def keep(self, checkpoint: Checkpoint, note: str, frontier: Frontier) -> None:
        """Replace what is held. The caller has made sure that the record only grew."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {"checkpoint": note, "frontier": frontier.to_bytes().hex()}
        _replace(self._path(checkpoint.tenant_id), json.dumps(kept).encode())

    def _path(self, tenant: TenantId) -> Path:
        return self._directory / f"{tenant}{SUFFIX}"


class FolderWitness:
    """Keeps every checkpoint as a file of its own, ``<tenant>/<size>.checkpoint``, never overwritten."""

    name = "folder"
    interval_s: float = 0

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def publish(self, checkpoint: Checkpoint, note: str) -> None:
        path = self._directory / kept_as(checkpoint)
        try:
            await asyncio.to_thread(write_once, path, note.encode())
        except OSError as error:
            raise WitnessUnavailable(f"the folder {self._directory}: {error.strerror}") from error


class WebhookWitness:
    """Posts every checkpoint, as ``text/plain``, to a URL of the operator's; any 2xx means kept."""

    name = "webhook"
    interval_s: float = 0

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def publish(self, checkpoint: Checkpoint, note: str) -> None:
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "idempotency-key": f"{checkpoint.tenant_id}/{checkpoint.size}",
        }
        try:
            answer = await self._client.post(
                self._url, content=note.encode(), headers=headers, timeout=WEBHOOK_TIMEOUT_S
            )
        except httpx.HTTPError as error:
            raise WitnessUnavailable(f"the webhook: {type(error).__name__}") from error
        if not answer.is_success:
            raise WitnessUnavailable(f"the webhook answered {answer.status_code}")


def kept_as(checkpoint: Checkpoint) -> str:
    """Where a witness keeps a checkpoint, below its folder or prefix; names sort as the record grew."""
    return f"{checkpoint.tenant_id}/{checkpoint.size:020d}{NOTE_SUFFIX}"


def witnessed(paths: Iterable[Path], trusted: tuple[VerifierKey, ...]) -> list[Checkpoint]:
    """Checkpoints from files that a witness kept: notes, or folders of them.

    Raises ``CheckpointInvalid``, and ``OSError`` for what is not there.
    """
    found = []
    for path in paths:
        files = sorted(path.rglob(f"*{NOTE_SUFFIX}")) if path.is_dir() else [path]
        found += [open_with_any(trusted, read_note(file)) for file in files]
    return found


def read_note(path: Path) -> str:
    """A signed note out of a file. Blank lines that an editor or a mail left behind it are no part of it.

    Raises ``OSError``.
    """
    return path.read_text("utf-8", errors="replace").rstrip("\r\n") + "\n"


# Records with a checkpoint that some witness has not taken for so many seconds.
_OVERDUE = text(
    "SELECT count(DISTINCT c.tenant_id) FROM conduit.checkpoint c WHERE c.witnessed_at IS NULL"
    " AND c.created_at < now() - make_interval(secs => :seconds) AND c.sequence > (SELECT"
    " coalesce(max(w.sequence), 0) FROM conduit.checkpoint w WHERE w.tenant_id = c.tenant_id"
    " AND w.witnessed_at IS NOT NULL)"
)


async def overdue(session: AsyncSession, *, seconds: float) -> int:
    """How many records have waited longer than this for a witness; for ``Purpose.REPORTING``."""
    return int((await session.execute(_OVERDUE, {"seconds": seconds})).scalar_one())


def write_once(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, and make it durable; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
