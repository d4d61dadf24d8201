"""The witnesses that the settings name: to publish checkpoints to, and to be asked what they have seen."""

from pathlib import Path

import httpx

from conduit.command import CommandFailed
from conduit.settings import Audit
from store.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, open_with_any
from store.witness import FolderWitness, WebhookWitness, Witness, witnessed
from store.witness_bucket import BucketPlace, BucketWitness
from store.witness_timestamp import TimestampInvalid, TimestampWitness, stamped

CONFIGURED = "configured"
_BUCKET = "s3://"
# A round may be missed by a restart; later than this nobody has taken what should have been.
OVERDUE_S = 300.0


def of(audit: Audit, data: Path, client: httpx.AsyncClient) -> list[Witness]:
    """All that the settings name."""
    found: list[Witness] = []
    if audit.witness_folder is not None:
        found.append(FolderWitness(audit.witness_folder))
    if audit.witness_webhook is not None:
        found.append(WebhookWitness(audit.witness_webhook, client))
    if audit.witness_bucket.bucket is not None:
        place = _place(audit, audit.witness_bucket.bucket, audit.witness_bucket.prefix)
        found.append(BucketWitness(place, interval_s=audit.witness_bucket.interval_s))
    stamps = audit.witness_timestamps
    if stamps.url is not None and stamps.ca_file is not None:
        folder = _folder(audit, data)
        found.append(
            TimestampWitness(stamps.url, stamps.ca_file, folder, client, interval_s=stamps.interval_s)
        )
    return found


def patience_s(audit: Audit) -> float | None:
    """After how many seconds an unwitnessed checkpoint is overdue; ``None`` where there is no witness."""
    intervals = [
        0.0 if audit.witness_folder or audit.witness_webhook else None,
        audit.witness_bucket.interval_s if audit.witness_bucket.bucket else None,
        audit.witness_timestamps.interval_s if audit.witness_timestamps.url else None,
    ]
    known = [each for each in intervals if each is not None]
    return 2 * max(known) + OVERDUE_S if known else None


def seen(name: str, audit: Audit, data: Path, keys: tuple[VerifierKey, ...]) -> list[Checkpoint]:
    """The checkpoints that a witness has: a folder, ``s3://bucket/prefix``, or all that are configured.

    A folder of time stamps is known by its tokens, and each has to hold. A bucket may hold what others put:
    what no trusted key signed is passed over there. Raises ``CommandFailed``, also where there is
    none at all: agreeing with nothing shows nothing.
    """
    try:
        found = _seen(name, audit, data, keys)
    except (CheckpointInvalid, TimestampInvalid) as error:
        raise CommandFailed(f"the witness {name}: {error}") from error
    except OSError as error:
        raise CommandFailed(f"the witness {name}: {error.strerror}") from error
    if not found:
        raise CommandFailed(f"the witness {name} has no checkpoint of a trusted key: it shows nothing")
    return found


def _seen(name: str, audit: Audit, data: Path, keys: tuple[VerifierKey, ...]) -> list[Checkpoint]:
    if name == CONFIGURED:
        return _configured(audit, data, keys)
    if name.startswith(_BUCKET):
        bucket, _, prefix = name.removeprefix(_BUCKET).partition("/")
        return _in_bucket(_place(audit, bucket, prefix or audit.witness_bucket.prefix), keys)
    return _in_folder(Path(name), audit, keys)


def _configured(audit: Audit, data: Path, keys: tuple[VerifierKey, ...]) -> list[Checkpoint]:
    if (audit.witness_folder, audit.witness_bucket.bucket, audit.witness_timestamps.url) == (
        None,
        None,
        None,
    ):
        raise CommandFailed(
            "no witness that can be asked is configured; set audit.witness_folder or its like"
        )
    found: list[Checkpoint] = []
    if audit.witness_folder is not None:
        found += witnessed([audit.witness_folder], keys)
    if audit.witness_bucket.bucket is not None:
        place = _place(audit, audit.witness_bucket.bucket, audit.witness_bucket.prefix)
        found += _in_bucket(place, keys)
    if audit.witness_timestamps.url is not None:
        found += _in_folder(_folder(audit, data), audit, keys)
    return found


def _in_folder(folder: Path, audit: Audit, keys: tuple[VerifierKey, ...]) -> list[Checkpoint]:
    tokens = folder.is_dir() and any(folder.rglob("*.tsr"))
    if not tokens:
        return witnessed([folder], keys)
    if audit.witness_timestamps.ca_file is None:
        raise CommandFailed("these are time stamps; set audit.witness_timestamps.ca_file to judge them by")
    return [open_with_any(keys, note) for note in stamped(folder, audit.witness_timestamps.ca_file)]


def _in_bucket(place: BucketPlace, keys: tuple[VerifierKey, ...]) -> list[Checkpoint]:
    found = []
    for note in BucketWitness(place).notes():
        try:
            found.append(open_with_any(keys, note))
        except CheckpointInvalid:
            continue
    return found


def _place(audit: Audit, bucket: str, prefix: str) -> BucketPlace:
    stated = audit.witness_bucket
    return BucketPlace(bucket, prefix.rstrip("/"), stated.region, stated.endpoint, stated.retain_days)


def _folder(audit: Audit, data: Path) -> Path:
    return audit.witness_timestamps.folder or data / "audit" / "timestamps"
