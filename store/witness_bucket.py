"""An S3 bucket with object lock as a witness: what it has taken nobody can change or remove before its date.

Needs boto3 (extra ``aws``), and a bucket made with object lock. Each checkpoint is an object of its own,
``<prefix>/<tenant>/<size>.checkpoint``, locked in compliance mode: not even the account's root ends it.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from store.checkpoint import Checkpoint
from store.errors import MissingPackage
from store.witness import NOTE_SUFFIX, WitnessUnavailable, kept_as

TIMEOUT_S = 5
# Far above a note's size; anything larger is none.
NOTE_BYTES_MAX = 8 * 1024


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Where the bucket is. ``region`` and ``endpoint`` unset: as the machine is set up."""

    bucket: str
    prefix: str = "checkpoints"
    region: str | None = None
    endpoint: str | None = None
    retain_days: int = 3650


class BucketWitness:
    """Puts checkpoints into a bucket; ``interval_s`` is the least time between two rounds."""

    name = "bucket"

    def __init__(self, place: BucketPlace, *, interval_s: float = 0) -> None:
        self.interval_s = interval_s
        self._place = place
        self._client: Any = None

    async def publish(self, checkpoint: Checkpoint, note: str) -> None:
        """Keep a checkpoint; one of that size that is there already stays. Raises ``WitnessUnavailable``."""
        await asyncio.to_thread(self._put, checkpoint, note)

    def notes(self) -> list[str]:
        """Every version of every checkpoint that the bucket holds, also behind deletion marks. Blocks.

        They are as they were put by whoever may: look at the signatures. Raises ``WitnessUnavailable``.
        """
        try:
            return [self._read(key, version) for key, version in self._versions()]
        except self._errors() as error:
            raise WitnessUnavailable(f"the bucket {self._place.bucket}: {_said(error)}") from error

    def _put(self, checkpoint: Checkpoint, note: str) -> None:
        place = self._place
        key = f"{place.prefix}/{kept_as(checkpoint)}"
        until = datetime.now(UTC) + timedelta(days=place.retain_days)
        try:
            self._s3().put_object(
                Bucket=place.bucket,
                Key=key,
                Body=note.encode(),
                ContentType="text/plain; charset=utf-8",
                ChecksumAlgorithm="SHA256",
                IfNoneMatch="*",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        except self._errors() as error:
            if _said(error) not in ("PreconditionFailed", "412"):
                raise WitnessUnavailable(f"the bucket {place.bucket}: {_said(error)}") from error

    def _versions(self) -> Iterator[tuple[str, str]]:
        pages = self._s3().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._place.bucket, Prefix=f"{self._place.prefix}/"):
            for item in page.get("Versions", ()):
                if item["Key"].endswith(NOTE_SUFFIX) and item["Size"] <= NOTE_BYTES_MAX:
                    yield item["Key"], item["VersionId"]

    def _read(self, key: str, version: str) -> str:
        found = self._s3().get_object(Bucket=self._place.bucket, Key=key, VersionId=version)
        body: bytes = found["Body"].read(NOTE_BYTES_MAX)
        return body.decode("utf-8", "replace")

    def _s3(self) -> Any:
        if self._client is None:
            try:
                boto3, configuration = import_module("boto3"), import_module("botocore.config")
            except ModuleNotFoundError as error:
                raise MissingPackage("a bucket as witness needs boto3: install the extra aws") from error
            self._client = boto3.client(
                "s3",
                region_name=self._place.region,
                endpoint_url=self._place.endpoint,
                config=configuration.Config(
                    connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2}
                ),
            )
        return self._client

    @staticmethod
    def _errors() -> tuple[type[Exception], ...]:
        try:
            raised = import_module("botocore.exceptions")
        except ModuleNotFoundError:
            return (MissingPackage,)
        return (raised.BotoCoreError, raised.ClientError, MissingPackage)


def _said(error: Exception) -> str:
    """What went wrong, by name: a message of the service may repeat the request."""
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):
        return str(answer.get("Error", {}).get("Code", type(error).__name__))
    return type(error).__name__
