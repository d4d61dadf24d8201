"""The signed claim: what a database session says about whom it acts for, in a form that SQL cannot forge.

A statement injected into our SQL may call ``set_config`` as we do, so the setting ``conduit.claim`` is an
HMAC-SHA-256 (RFC 2104) over subject, expiry and backend. Signing happens here, in the process that holds
the key; checking happens in ``conduit.claimed()`` (migration 0001), whose key no serving role can read.

    v1.<t|p>.<tenant id or purpose>.<expiry, seconds since the epoch>.<backend pid, or 0>.<64 hex digits>
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

# A claim only has to outlive one transaction; statements are cut after 30 s, and clocks may differ.
LIFETIME_S = 120

# The database refuses a claim that expires later than this, so a stolen signer cannot mint lasting ones.
LIFETIME_MAX_S = 600

# But a backup may take long, and is claimed by the owner alone.
BACKUP_LIFETIME_S = 86_400

KEY_BYTES = 32
_BLOCK_BYTES = 64  # of SHA-256, RFC 2104 section 2


class Purpose(StrEnum):
    """Why a platform session reads or writes across tenants. The database holds each to its own tables.

    Which role may claim which purpose stands in ``conduit.purpose()``.
    """

    SNAPSHOT = "snapshot"
    SHIPPING = "shipping"
    SIGN_IN = "sign_in"
    REPORTING = "reporting"
    ADMINISTRATION = "administration"
    DELETION = "deletion"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class Pads:
    """The HMAC key as the two padded blocks of RFC 2104, so that SQL needs ``sha256()`` alone."""

    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)


def pads(key: bytes) -> Pads:
    """The padded blocks of ``key`` (32 bytes); raises ``ValueError`` for any other length."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a claim key has {KEY_BYTES} bytes")
    block = key.ljust(_BLOCK_BYTES, b"\x00")
    return Pads(inner=bytes(b ^ 0x36 for b in block), outer=bytes(b ^ 0x5C for b in block))


def tenant_claim(key: bytes, tenant: UUID, *, expires_at: int, backend: int) -> str:
    """A claim to act for one tenant until ``expires_at`` (seconds since the epoch).

    ``backend`` is the server process of this very connection; 0 where a transaction pooler hides it.
    """
    return _signed(key, f"v1.t.{tenant}.{expires_at}.{backend}")


def purpose_claim(key: bytes, purpose: Purpose, *, expires_at: int, backend: int) -> str:
    """A claim to act for the platform, for one named purpose."""
    return _signed(key, f"v1.p.{purpose.value}.{expires_at}.{backend}")


def _signed(key: bytes, message: str) -> str:
    return f"{message}.{hmac.new(key, message.encode('ascii'), hashlib.sha256).hexdigest()}"
