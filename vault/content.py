"""Kept content: what was asked and answered, sealed under a key of the tenant's own.

The tenant's data key wraps one content key, and that seals each record, so rotating the data key wraps one
key anew and destroying it makes every record unopenable. Formats: docs/vault-format.md.
"""

import os
from uuid import UUID

from policy.identifiers import TenantId
from vault import aead
from vault.envelope import KEY_ID_BYTES
from vault.errors import Unopenable

_KEY_MAGIC = b"CDK1"
_RECORD_MAGIC = b"CDC1"
_KEY_LABEL = b"conduit content key"
_RECORD_LABEL = b"conduit content"

# What a record takes beyond what it seals.
OVERHEAD_BYTES = len(_RECORD_MAGIC) + aead.OVERHEAD_BYTES


def new_key() -> bytes:
    """A fresh content key."""
    return os.urandom(aead.KEY_BYTES)


def wrap(key_id: bytes, data_key: aead.Key, content_key: bytes, tenant_id: TenantId) -> bytes:
    """Seal a content key under the tenant's data key called ``key_id``."""
    sealed = aead.seal(data_key, content_key, context=_key_context(key_id, tenant_id))
    return _KEY_MAGIC + key_id + sealed


def key_id_of(wrapped: bytes) -> bytes:
    """Which of the tenant's data keys wrapped this; raises ``Unopenable`` for an unknown format."""
    if wrapped[: len(_KEY_MAGIC)] != _KEY_MAGIC:
        raise Unopenable
    return wrapped[len(_KEY_MAGIC) :][:KEY_ID_BYTES]


def unwrap(data_key: aead.Key, wrapped: bytes, tenant_id: TenantId) -> bytes:
    """Open a content key; raises ``Unopenable``."""
    key_id = key_id_of(wrapped)
    sealed = wrapped[len(_KEY_MAGIC) + KEY_ID_BYTES :]
    return aead.unseal(data_key, sealed, context=_key_context(key_id, tenant_id))


def seal(content_key: aead.Key, plain: bytes, *, tenant_id: TenantId, event_id: UUID) -> bytes:
    """Seal the content of one call; it opens for this tenant and event alone."""
    return _RECORD_MAGIC + aead.seal(content_key, plain, context=_context(tenant_id, event_id))


def unseal(content_key: aead.Key, sealed: bytes, *, tenant_id: TenantId, event_id: UUID) -> bytes:
    """Open the content of one call; raises ``Unopenable``."""
    if sealed[: len(_RECORD_MAGIC)] != _RECORD_MAGIC:
        raise Unopenable
    return aead.unseal(content_key, sealed[len(_RECORD_MAGIC) :], context=_context(tenant_id, event_id))


def _key_context(key_id: bytes, tenant_id: TenantId) -> bytes:
    return aead.fields(_KEY_LABEL, _KEY_MAGIC, key_id, tenant_id.bytes)


def _context(tenant_id: TenantId, event_id: UUID) -> bytes:
    return aead.fields(_RECORD_LABEL, _RECORD_MAGIC, tenant_id.bytes, event_id.bytes)
