"""The stored forms: a credential in its envelope, and a tenant's ring of wrapped data keys.

Both are binary, versioned, and documented with vectors in docs/vault-format.md. This module packs, unpacks
and states what each is bound to; who may open one is ``vault.vault``.
"""

from dataclasses import dataclass
from functools import lru_cache

from policy.identifiers import CredentialId, TenantId
from policy.snapshot import Credential
from vault import aead
from vault.errors import Unopenable

KEY_ID_BYTES = 8
KEYS_IN_RING_MAX = 16

_ENVELOPE_MAGIC = b"CDE1"
_RING_MAGIC = b"CDR1"
_CREDENTIAL_LABEL = b"conduit credential"
_SECOND_FACTOR_LABEL = b"conduit console second factor v1"
_DATA_KEY_LABEL = b"conduit data key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a credential's envelope is bound to. Differing in any of these, it does not open."""

    tenant_id: TenantId
    credential_id: CredentialId
    provider: str
    hosts: tuple[str, ...]
    version: int

    @classmethod
    def of(cls, credential: Credential) -> "Binding":
        """The binding that a stored credential claims; opening its envelope proves it."""
        return cls(
            tenant_id=credential.tenant_id,
            credential_id=credential.id,
            provider=credential.provider,
            hosts=credential.hosts,
            version=credential.version,
        )

    def encoded(self) -> bytes:
        """The associated data. ``hosts`` is a set: their order does not matter."""
        return aead.fields(
            self.tenant_id.bytes,
            self.credential_id.bytes,
            self.provider.encode(),
            self.version.to_bytes(8, "big"),
            *(host.encode() for host in sorted(set(self.hosts))),
        )


def pack(key_id: bytes, key: aead.Key, plain: bytes | bytearray, binding: Binding) -> bytes:
    """Seal a credential's text under a tenant's data key."""
    return _ENVELOPE_MAGIC + key_id + aead.seal(key, plain, context=_context(key_id, binding))


def key_id_of(envelope: bytes) -> bytes:
    """Which of the tenant's data keys sealed this; raises ``Unopenable`` for an unknown format."""
    if envelope[: len(_ENVELOPE_MAGIC)] != _ENVELOPE_MAGIC:
        raise Unopenable
    return envelope[len(_ENVELOPE_MAGIC) :][:KEY_ID_BYTES]


def unpack(key: aead.Key, envelope: bytes, binding: Binding) -> bytes:
    """Open an envelope; raises ``Unopenable``."""
    key_id = key_id_of(envelope)
    return aead.unseal(
        key, envelope[len(_ENVELOPE_MAGIC) + KEY_ID_BYTES :], context=_context(key_id, binding)
    )


@lru_cache(maxsize=4096)  # asked for at each call that carries the credential; holds no secret
def _context(key_id: bytes, binding: Binding) -> bytes:
    return aead.fields(_CREDENTIAL_LABEL, _ENVELOPE_MAGIC, key_id) + binding.encoded()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """One data key of a tenant, wrapped by the key-encryption key called ``kek``."""

    key_id: bytes
    kek: str
    wrapped: bytes


def data_key_context(tenant: TenantId, key_id: bytes) -> bytes:
    """What a wrapped data key is bound to: its tenant and its own id."""
    return aead.fields(_DATA_KEY_LABEL, tenant.bytes, key_id)


def second_factor_context(tenant: TenantId, name: str) -> bytes:
    """What an administrator's wrapped secret of one-time codes is bound to: tenant and sign-in name."""
    return aead.fields(_SECOND_FACTOR_LABEL, tenant.bytes, name.encode())


def pack_ring(keys: tuple[WrappedKey, ...]) -> bytes:
    """A tenant's ring, newest key first; the newest seals, all of them open."""
    if not 0 < len(keys) <= KEYS_IN_RING_MAX:
        raise ValueError(f"a ring holds 1 to {KEYS_IN_RING_MAX} keys, not {len(keys)}")
    return _RING_MAGIC + b"".join(aead.fields(item.key_id, item.kek.encode(), item.wrapped) for item in keys)


def unpack_ring(ring: bytes) -> tuple[WrappedKey, ...]:
    """Read a ring strictly; raises ``Unopenable`` for an empty, unknown or malformed one."""
    if ring[: len(_RING_MAGIC)] != _RING_MAGIC:
        raise Unopenable
    parts: list[bytes] = []
    rest = memoryview(ring)[len(_RING_MAGIC) :]
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        if len(rest) < end or end < 4:
            raise Unopenable
        parts.append(bytes(rest[4:end]))
        rest = rest[end:]
    if not parts or len(parts) % 3 or len(parts) > 3 * KEYS_IN_RING_MAX:
        raise Unopenable
    try:
        return tuple(
            WrappedKey(key_id=parts[at], kek=parts[at + 1].decode("ascii"), wrapped=parts[at + 2])
            for at in range(0, len(parts), 3)
        )
    except UnicodeDecodeError:
        raise Unopenable from None
