"""A catalogue that its publisher signed: the file as it is, and beside it a signed note (FILE.note).

The note is a C2SP signed note (https://c2sp.org/signed-note) with one Ed25519 signature, over::

    apiconduit catalogue
    2026112401
    <base64 of the file's SHA-256>
    time 2026-11-24T08:00:00.000000Z

The second line is the version; a catalogue is never followed by one of a lower or the same version.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from store.checkpoint import CheckpointInvalid, SigningKey, VerifierKey, signer_of

HEADING = "apiconduit catalogue"
VERSION_MAX = 2**63 - 1
_VERSION = re.compile(r"[1-9][0-9]{0,18}")
_TIME = re.compile(r"time [0-9TZ:.-]{20,40}")


class ReleaseRefused(Exception):
    """The catalogue was not signed by a trusted key, or is not what was signed; the text says which."""


@dataclass(frozen=True, slots=True)
class Release:
    """What a publisher states: the version, the moment (RFC 3339), and the file's SHA-256."""

    version: int
    at: str
    digest: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        digest = base64.b64encode(self.digest).decode("ascii")
        return f"{HEADING}\n{self.version}\n{digest}\ntime {self.at}\n"


def signed(key: SigningKey, entries: str, *, version: int, at: str) -> str:
    """The note for a catalogue file's text."""
    return key.note(Release(version, at, _digest(entries)).text)


def verified(keys: Sequence[VerifierKey], entries: str, note: str) -> Release:
    """What the note states about ``entries``, if one of ``keys`` signed it. Raises ``ReleaseRefused``."""
    if not keys:
        raise ReleaseRefused("no key of a publisher is trusted here; set catalogue.public_keys")
    key = signer_of(keys, note)
    if key is None:
        raise ReleaseRefused("the catalogue was not signed by a trusted key")
    try:
        release = _parsed(key.text_of(note))
    except CheckpointInvalid as error:
        raise ReleaseRefused("the catalogue's signature is false") from error
    if release.digest != _digest(entries):
        raise ReleaseRefused("the catalogue is not the one that was signed")
    return release


def _parsed(text: str) -> Release:
    lines = text.split("\n")
    whole = len(lines) == 5 and lines[0] == HEADING and not lines[4]
    if not whole or not _VERSION.fullmatch(lines[1]) or not _TIME.fullmatch(lines[3]):
        raise ReleaseRefused("the signed text is not about a catalogue")
    version = int(lines[1])
    try:
        digest = base64.b64decode(lines[2], validate=True)
    except ValueError as error:
        raise ReleaseRefused("the signed text is not about a catalogue") from error
    if version > VERSION_MAX:
        raise ReleaseRefused("the signed text is not about a catalogue")
    return Release(version, lines[3].removeprefix("time "), digest)


def _digest(entries: str) -> bytes:
    return hashlib.sha256(entries.encode("utf-8")).digest()
