"""RFC 3161 time stamps as a witness: a time-stamping authority signs that a checkpoint existed by a moment.

The authority keeps nothing, so note and token are kept together in a folder, ``<tenant>/<size>.checkpoint``
and ``.tsr``: take it elsewhere, and neither can be backdated, also by who holds our signing key. Needs
rfc3161-client (extra ``timestamps``).
"""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from store.checkpoint import Checkpoint
from store.errors import MissingPackage
from store.witness import NOTE_SUFFIX, WitnessUnavailable, kept_as, write_once

TIMEOUT_S = 10.0
TOKEN_BYTES_MAX = 64 * 1024
SUFFIX = ".tsr"


class TimestampInvalid(Exception):
    """A token does not show that its checkpoint existed, or was signed by no authority that is trusted."""


class TimestampWitness:
    """Asks the authority at ``url``, whose root ``ca_file`` (PEM) holds; keeps tokens in ``directory``."""

    name = "timestamps"

    def __init__(
        self, url: str, ca_file: Path, directory: Path, client: httpx.AsyncClient, *, interval_s: float = 0
    ) -> None:
        self.interval_s = interval_s
        self._url = url
        self._ca_file = ca_file
        self.directory = directory
        self._client = client

    async def publish(self, checkpoint: Checkpoint, note: str) -> None:
        """Get a token for a checkpoint, check it, and keep both. Raises ``WitnessUnavailable``."""
        path = self.directory / kept_as(checkpoint)
        try:
            if path.with_suffix(SUFFIX).exists():
                return
            token = await self._asked(note)
            await asyncio.to_thread(check, token, note, self._ca_file)
            # The note first: a token without its note would show nothing.
            await asyncio.to_thread(write_once, path, note.encode())
            await asyncio.to_thread(write_once, path.with_suffix(SUFFIX), token)
        except (TimestampInvalid, MissingPackage) as error:
            raise WitnessUnavailable(f"the time-stamping authority: {error}") from error
        except (httpx.HTTPError, OSError) as error:
            raise WitnessUnavailable(f"the time-stamping authority: {type(error).__name__}") from error

    async def _asked(self, note: str) -> bytes:
        library = _library()
        request = library.TimestampRequestBuilder().data(note.encode()).build()
        answer = await self._client.post(
            self._url,
            content=request.as_bytes(),
            headers={"content-type": "application/timestamp-query"},
            timeout=TIMEOUT_S,
        )
        if not answer.is_success or len(answer.content) > TOKEN_BYTES_MAX:
            raise TimestampInvalid(f"it answered {answer.status_code}")
        return answer.content


def check(token: bytes, note: str, ca_file: Path) -> None:
    """Whether a trusted authority has seen this note; raises ``TimestampInvalid``, or ``OSError``."""
    from cryptography import x509

    library = _library()
    try:
        roots = x509.load_pem_x509_certificates(ca_file.read_bytes())
        builder = library.VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        builder.build().verify_message(library.decode_timestamp_response(token), note.encode())
    except (ValueError, library.VerificationError) as error:
        raise TimestampInvalid(f"its token does not hold: {error}") from error


def stamped(directory: Path, ca_file: Path) -> list[str]:
    """The notes in a folder that have a token, which holds. Raises ``TimestampInvalid``, or ``OSError``."""
    found = []
    for path in sorted(directory.rglob(f"*{SUFFIX}")):
        note = path.with_suffix(NOTE_SUFFIX).read_text("utf-8")
        check(path.read_bytes(), note, ca_file)
        found.append(note)
    return found


def _library() -> Any:
    try:
        import rfc3161_client
    except ModuleNotFoundError as error:
        raise MissingPackage("time stamps need rfc3161-client: install the extra timestamps") from error
    return rfc3161_client
