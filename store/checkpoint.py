"""Checkpoints: a signed statement of how long a record is and what its Merkle root is.

The text is a C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) in a C2SP signed note
(https://c2sp.org/signed-note) with one Ed25519 signature, so that public tools read it::

    apiconduit.4f1d2c3b/018f…-tenant-id
    1234
    <base64 of the root>
    time 2026-11-24T08:00:00.000000Z

    — apiconduit.4f1d2c3b <base64 of key id and signature>

The origin is the signing key's name, a slash, and the tenant whose record this is. Whoever holds a
checkpoint can convict a record that was since cut, rewritten, or restored from an older backup.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policy.identifiers import TenantId

ED25519 = b"\x01"
KEY_ID_BYTES = 4
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
TIME = re.compile(r"time \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
SIZE = re.compile(r"0|[1-9]\d{0,18}")


class CheckpointInvalid(Exception):
    """The text is no checkpoint, or was not signed by the given key for the record it names."""


class KeyInvalid(Exception):
    """The text or file is not a key of the wanted kind. Its content is never repeated in the message."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A record's length and root at a moment (RFC 3339, UTC, microseconds)."""

    tenant_id: TenantId
    size: int
    root: bytes
    at: str

    def text(self, key_name: str) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{key_name}/{self.tenant_id}\n{self.size}\n{root}\ntime {self.at}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half, in the text form of C2SP signed notes: ``name+keyid+base64``."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode("ascii") + b"\n" + ED25519 + self.public).digest()[
            :KEY_ID_BYTES
        ]

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.public).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises ``KeyInvalid`` for anything but the one text of a key."""
        name, _, rest = text.partition("+")
        data = _decoded(rest.partition("+")[2])
        if not NAME.fullmatch(name) or data is None or len(data) != 33 or data[:1] != ED25519:
            raise KeyInvalid("not a public checkpoint key of the form name+id+base64")
        key = cls(name, data[1:])
        if str(key) != text:
            raise KeyInvalid("the public checkpoint key does not match its own id")
        return key

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note that this key signed. Raises ``CheckpointInvalid``."""
        return self._parsed(self.text_of(note).removesuffix("\n"))

    def text_of(self, note: str) -> str:
        """The text of a note that this key signed, whatever it says. Raises ``CheckpointInvalid``."""
        text, separator, signature_line = note.partition("\n\n")
        signature = _signature(signature_line, self.name)
        if not separator or signature is None or not hmac.compare_digest(signature[:4], self.key_id):
            raise CheckpointInvalid("the checkpoint does not carry a signature by the expected key")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature[4:], f"{text}\n".encode())
        except (InvalidSignature, ValueError) as error:
            raise CheckpointInvalid("the signature of the checkpoint is false") from error
        return f"{text}\n"

    def _parsed(self, text: str) -> Checkpoint:
        lines = text.split("\n")
        if len(lines) != 4 or not SIZE.fullmatch(lines[1]) or not TIME.fullmatch(lines[3]):
            raise CheckpointInvalid("the signed text is not a checkpoint of a record")
        origin, _, tenant = lines[0].partition("/")
        root = _decoded(lines[2])
        if origin != self.name or root is None or len(root) != 32:
            raise CheckpointInvalid("the signed text is not a checkpoint of a record")
        try:
            return Checkpoint(TenantId(UUID(tenant)), int(lines[1]), root, lines[3].removeprefix("time "))
        except ValueError as error:
            raise CheckpointInvalid("the checkpoint does not name a tenant's record") from error


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half. Kept in a file of mode 0600, in the data folder, never in the database."""

    name: str
    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self._private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        return self.note(checkpoint.text(self.name))

    def note(self, text: str) -> str:
        """Any text, signed; it begins with what it is about, so that none can pass for another."""
        signature = self.verifier.key_id + self._private.sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(signature).decode('ascii')}\n"

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(f"apiconduit.{secrets.token_hex(4)}", Ed25519PrivateKey.generate())

    def to_text(self) -> str:
        """The secret form of Go's signed notes: ``PRIVATE+KEY+name+keyid+base64``. For the key file alone."""
        secret = base64.b64encode(ED25519 + self._private.private_bytes_raw()).decode("ascii")
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{secret}"

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Raises ``KeyInvalid``."""
        parts = text.split("+", 4)
        data = _decoded(parts[4]) if len(parts) == 5 and parts[:2] == ["PRIVATE", "KEY"] else None
        if data is None or len(data) != 33 or data[:1] != ED25519 or not NAME.fullmatch(parts[2]):
            raise KeyInvalid("not a private checkpoint key")
        key = cls(parts[2], Ed25519PrivateKey.from_private_bytes(data[1:]))
        if key.verifier.key_id.hex() != parts[3]:
            raise KeyInvalid("the private checkpoint key does not match its own id")
        return key


def signing_key(directory: Path) -> SigningKey:
    """The instance's signing key below ``directory`` (``<data>/audit``), made at the first use.

    Several processes may call this at once: the file appears whole or not at all, and the first one wins.
    Beside it stands ``checkpoint.pub``, for auditors to pin. Raises ``KeyInvalid``, also when others than
    the owner may read the file.
    """
    path = directory / "checkpoint.key"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, SigningKey.generate().to_text() + "\n", 0o600)
    if path.stat().st_mode & 0o077:
        raise KeyInvalid(f"{path} may be read by others; chmod 600 it, and replace the key if they did")
    key = SigningKey.parse(path.read_text("ascii").strip())
    public = directory / "checkpoint.pub"
    if not public.exists():
        _write_once(public, f"{key.verifier}\n", 0o644)
    return key


def pinned_keys(path: Path) -> tuple[VerifierKey, ...]:
    """The public keys in a file, one a line; empty if there is no such file. Raises ``KeyInvalid``."""
    if not path.exists():
        return ()
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return tuple(VerifierKey.parse(line.strip()) for line in lines if line.strip())


def open_with_any(keys: tuple[VerifierKey, ...], note: str) -> Checkpoint:
    """The checkpoint in a note that one of ``keys`` signed. Raises ``CheckpointInvalid``."""
    key = signer_of(keys, note)
    if key is None:
        raise CheckpointInvalid("the checkpoint was not signed by any trusted key")
    return key.open(note)


def signer_of(keys: Sequence[VerifierKey], note: str) -> VerifierKey | None:
    """The key in whose name a note is signed, if one of ``keys``; whether it did is yet to be checked."""
    return next((key for key in keys if f"\n— {key.name} " in note), None)


def _write_once(path: Path, text: str, mode: int) -> None:
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, does not replace what another process has made meanwhile.
        os.link(unfinished, path)
    except FileExistsError:
        return
    finally:
        unfinished.unlink()


def _signature(line: str, name: str) -> bytes | None:
    prefix = f"— {name} "
    if not line.startswith(prefix) or not line.endswith("\n"):
        return None
    data = _decoded(line[len(prefix) : -1])
    return data if data is not None and len(data) == KEY_ID_BYTES + 64 else None


def _decoded(text: str) -> bytes | None:
    """Strict base64: one text for one value, so that no bit of a checkpoint can be changed unnoticed."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode("ascii") == text else None
