"""The revocation lists for client certificates, read anew when their file changes.

No request waits for the file: it is looked at in the background. One that cannot be read, or is out of date,
leaves no certificate in force until there is a better one.
"""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from loguru import logger

from policy.certificates import VerifiedCertificate
from policy.incident import Severity, incident
from policy.refusals import Reason, Refusal
from policy.revocation import RevocationLists, RevocationUnknown, Revoked
from store.spool import Spool, SpoolError

LOOK_S = 2.0
# Lists of public authorities have up to some megabytes.
FILE_BYTES_MAX = 64 * 1024 * 1024

type _Stamp = tuple[int, int, int]


class CertificateRevocations:
    """Of ``path``; without one, nothing is ever revoked."""

    def __init__(self, path: Path | None, spool: Spool) -> None:
        self._path = path
        self._spool = spool
        self._stamp: _Stamp | None = None
        self._lists: RevocationLists | None = None
        self._told = False
        if path is not None:
            self._look(path)

    def judge(self, certificate: VerifiedCertificate, now: datetime) -> Refusal | None:
        """The refusal of a certificate that has been taken back, or of which nobody knows."""
        if self._path is None:
            return None
        try:
            if self._lists is None:
                raise RevocationUnknown("the list cannot be read")
            self._lists.check(certificate.chain, now)
        except Revoked:
            message = "The client certificate has been revoked."
            return Refusal(Reason.UNIDENTIFIED, message, "certificate-valid")
        except RevocationUnknown:
            message = "Whether your client certificate is still valid cannot be told at the moment."
            return Refusal(Reason.DEGRADED, message, "certificate-revocation", 30)
        return None

    async def run(self) -> None:
        """Follow the file until cancelled."""
        if self._path is None:
            return
        await self._follow(self._path)

    async def _follow(self, path: Path) -> NoReturn:
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self._look, path)
            self._tell(path, datetime.now(UTC))

    def _look(self, path: Path) -> None:
        try:
            found = path.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._lists = RevocationLists(_content(path))
            logger.info("the revocation lists hold until {}", self._lists.until)
        except (OSError, ValueError) as problem:
            if self._lists is not None or not self._told:
                logger.error("identity.client_crl_file cannot be used: {}", type(problem).__name__)
            self._lists = None

    def _tell(self, path: Path, now: datetime) -> None:
        """Say once that certificates are refused for want of a list."""
        wanting = self._lists is None or self._lists.until <= now
        if wanting and not self._told:
            state = "unreadable" if self._lists is None else "out of date"
            event = incident(
                "certificate.revocations_unknown",
                now,
                severity=Severity.WARNING,
                once=f"{state} {self._stamp} {now:%Y-%m-%d}",
                detail={"file": os.fspath(path), "state": state},
            )
            try:
                self._spool.append_event(event)
            except SpoolError as problem:
                logger.error("an incident was not recorded: {}", problem)
                return
        self._told = wanting


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError("the file is too large")
    return content
