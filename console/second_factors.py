"""The secrets of one-time codes at rest: wrapped by the key-encryption key, bound to their owner.

Who may open one: the console, at a sign-in. It needs the key-encryption key and the administrator's row.
The binding is to tenant and sign-in name, which is unique over all tenants.
"""

import os
from asyncio import to_thread

from policy.identifiers import TenantId
from vault import envelope
from vault.envelope import WrappedKey
from vault.errors import Sealed
from vault.kek import KeyEncryptionKey


class SecondFactors:
    """Seals and opens. Without a key-encryption key both raise ``Sealed``, and nobody signs in."""

    def __init__(self, kek: KeyEncryptionKey | None) -> None:
        self._kek = kek

    def check_open(self) -> None:
        """Raise ``Sealed`` when no secret could be opened."""
        self._key()

    async def seal(self, secret: str, *, tenant_id: TenantId, name: str) -> bytes:
        """What ``administrator.totp_secret`` stores. It opens for this tenant and name alone."""
        kek, context = self._key(), envelope.second_factor_context(tenant_id, name)
        wrapped = await to_thread(lambda: kek.wrap(secret.encode(), context=context))
        key_id = os.urandom(envelope.KEY_ID_BYTES)
        return envelope.pack_ring((WrappedKey(key_id=key_id, kek=wrapped.name, wrapped=wrapped.sealed),))

    async def open(self, sealed: bytes, *, tenant_id: TenantId, name: str) -> str:
        """The base32 secret; raises ``Unopenable`` when it was altered or moved from another row."""
        kek, context = self._key(), envelope.second_factor_context(tenant_id, name)
        (kept,) = envelope.unpack_ring(sealed)
        return (await to_thread(lambda: kek.unwrap(kept.wrapped, name=kept.kek, context=context))).decode()

    def _key(self) -> KeyEncryptionKey:
        if self._kek is None:
            raise Sealed("the vault has no key-encryption key")
        return self._kek
