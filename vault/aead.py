"""AES-256-GCM under a key that commits to itself and its context; everything sealed goes through here.

Each record has a key of its own: HKDF-SHA-256 (RFC 5869) of the given key, a fresh 256-bit salt and the
context yields a record key and a commitment. So a nonce can repeat only if the salt repeats too, which
keeps every key far below the 2**32 invocations of SP 800-38D §8.3; and a ciphertext made to open under two
keys or in two contexts is refused before decryption (GCM alone does not commit).
"""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.errors import Unopenable

KEY_BYTES = 32
SALT_BYTES = 32
COMMITMENT_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES + NONCE_BYTES + TAG_BYTES

_LABEL = b"conduit record v1\x00"

type Key = bytes | bytearray


def seal(key: Key, plain: bytes | bytearray, *, context: bytes) -> bytes:
    """Encrypt ``plain`` so that it opens only with ``key`` and in ``context``.

    Returns salt, commitment, nonce, ciphertext and tag, one behind the other.
    """
    salt = os.urandom(SALT_BYTES)
    record_key, commitment = _derive(key, salt, context)
    nonce = os.urandom(NONCE_BYTES)
    return salt + commitment + nonce + encrypt(record_key, nonce, plain, context)


def unseal(key: Key, sealed: bytes, *, context: bytes) -> bytes:
    """Decrypt what ``seal`` made; raises ``Unopenable`` for any difference in key, bytes or context."""
    if len(sealed) < OVERHEAD_BYTES:
        raise Unopenable
    salt, claimed = sealed[:SALT_BYTES], sealed[SALT_BYTES : SALT_BYTES + COMMITMENT_BYTES]
    record_key, commitment = _derive(key, salt, context)
    if not hmac.compare_digest(commitment, claimed):
        raise Unopenable
    nonce_at = SALT_BYTES + COMMITMENT_BYTES
    nonce = sealed[nonce_at : nonce_at + NONCE_BYTES]
    return decrypt(record_key, nonce, sealed[nonce_at + NONCE_BYTES :], context)


def encrypt(key: Key, nonce: bytes, plain: bytes | bytearray, associated: bytes) -> bytes:
    """The bare AES-GCM of the record: ciphertext and 128-bit tag. Only ``seal`` and vectors call it."""
    return AESGCM(key).encrypt(nonce, plain, associated)


def decrypt(key: Key, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The reverse of ``encrypt``; raises ``Unopenable`` unless nonce, tag and associated data are right."""
    if len(nonce) != NONCE_BYTES or len(ciphertext) < TAG_BYTES:
        raise Unopenable
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise Unopenable from None


def derive(key: Key, label: bytes) -> bytes:
    """A 256-bit key for one named purpose, from which ``key`` cannot be told."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"conduit purpose v1\x00" + label).derive(key)


def fields(*parts: bytes) -> bytes:
    """Join parts so that no two lists of parts give the same bytes: each behind its 32-bit length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _derive(key: Key, salt: bytes, context: bytes) -> tuple[bytes, bytes]:
    length = KEY_BYTES + COMMITMENT_BYTES
    material = HKDF(SHA256(), length, salt=salt, info=_LABEL + context).derive(key)
    return material[:KEY_BYTES], material[KEY_BYTES:]
