"""The vault: seals a tenant's credentials, and opens one for a host that it is bound to.

Key-encryption key → a ring of data keys per tenant → one envelope per credential. The vault stores
nothing itself; it is given rows and gives rows back.
"""

import os
import time
from asyncio import Task, create_task, shield, sleep, to_thread
from collections.abc import Callable, Mapping
from typing import NoReturn

from loguru import logger

from policy.identifiers import CredentialId, TenantId
from policy.snapshot import Credential, Tenant
from vault import content, envelope, placeholder
from vault.aead import KEY_BYTES
from vault.envelope import Binding, WrappedKey
from vault.errors import NotBound, Sealed, Unopenable, VaultError
from vault.kek import KeyEncryptionKey
from vault.key_file import FileKeys
from vault.secret import Secret

# How long an unwrapped data key is held. With a remote source this is also how long its withdrawal there
# takes to be felt here.
DATA_KEY_HELD_S = 300.0

# A call opens its credential right after its tenant's ring has been unlocked.
JUST_UNLOCKED_S = 10.0

# How soon a remote source that did not answer is asked again.
RETRY_S = 2.0

# Calls that were decided on the snapshot before a rotation may still open the earlier version this long.
VERSION_OVERLAP_S = 60.0


class Vault:
    """Opens and seals. Without a ``kek`` it is sealed, and everything but that answer raises ``Sealed``.

    ``clock`` gives monotonic seconds.
    """

    def __init__(self, kek: KeyEncryptionKey | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kek = kek
        self._clock = clock
        self._index_key: bytes | None = None
        self._rings: dict[TenantId, _OpenRing] = {}
        self._unlocking: dict[tuple[TenantId, bytes], Task[None]] = {}
        self._newest: dict[CredentialId, tuple[int, float]] = {}

    @property
    def sealed(self) -> bool:
        return self._kek is None

    def digest(self, text: str) -> bytes:
        """The digest under which a placeholder is stored; raises ``Sealed``.

        With a remote source, await ``ready`` once before, or have ``run`` going.
        """
        if self._index_key is None:
            if not self._source().local:
                raise Sealed("the index key has not been asked for yet")
            self._index_key = self._source().index_key()
        return placeholder.digest(self._index_key, text)

    async def ready(self) -> None:
        """Hold the index key ready, as ``unlock`` does a tenant's; raises ``Sealed``. Cheap from then on."""
        if self._index_key is None:
            self._index_key = await to_thread(self._source().index_key)

    async def run(self) -> None:
        """Ask for the index key until it is had, then end; for a process that serves from its start."""
        while not self.sealed and self._index_key is None:
            try:
                await self.ready()
            except VaultError as reason:
                logger.error("the vault is closed for the moment: {}", reason)
                await sleep(RETRY_S)

    def new_data_key(self, tenant_id: TenantId) -> bytes:
        """A ring with one fresh data key, wrapped for this tenant: what ``Tenant.data_key`` stores.

        Raises ``Sealed``.
        """
        return envelope.pack_ring((self._wrap_new(tenant_id),))

    def seal_credential(self, tenant: Tenant, binding: Binding, secret: Secret) -> bytes:
        """Put a credential into its envelope under the tenant's newest data key.

        Raises ``Sealed``, and ``Unopenable`` when the tenant has no data key any more.
        """
        if binding.tenant_id != tenant.id:
            raise Unopenable
        ring = self._ring(tenant)
        with secret.revealed() as text:
            return envelope.pack(ring.newest, ring.keys[ring.newest], text.encode(), binding)

    def open_credential(self, tenant: Tenant, credential: Credential, *, host: str) -> Secret:
        """Open a credential for ``host`` (canonical: lower case, A-label, no trailing dot).

        Raises ``NotBound`` when it is bound elsewhere, ``Unopenable`` when it was altered, moved, rolled
        back, revoked or shredded, ``Sealed`` when no key is to be had. With a remote key source, await
        ``unlock`` first, which keeps the wait off the event loop.
        """
        if host not in credential.hosts:
            raise NotBound
        if credential.revoked or credential.tenant_id != tenant.id:
            raise Unopenable
        key = self._ring(tenant).keys.get(envelope.key_id_of(credential.envelope))
        if key is None:
            raise Unopenable
        text = envelope.unpack(key, credential.envelope, Binding.of(credential))
        self._refuse_rollback(credential)
        return Secret(text.decode())

    def is_current(self, tenant: Tenant, credential: Credential) -> bool:
        """Whether the tenant's newest data key sealed this credential. Raises ``Unopenable``, ``Sealed``."""
        return envelope.key_id_of(credential.envelope) == self._ring(tenant).newest

    def resealed(self, tenant: Tenant, credential: Credential) -> bytes:
        """The same credential in an envelope under the tenant's newest data key."""
        ring = self._ring(tenant)
        key = ring.keys.get(envelope.key_id_of(credential.envelope))
        if key is None or credential.tenant_id != tenant.id:
            raise Unopenable
        binding = Binding.of(credential)
        text = envelope.unpack(key, credential.envelope, binding)
        return envelope.pack(ring.newest, ring.keys[ring.newest], text, binding)

    def with_new_data_key(self, tenant: Tenant) -> bytes:
        """The tenant's ring with a fresh data key in front; the earlier ones still open."""
        return envelope.pack_ring((self._wrap_new(tenant.id), *envelope.unpack_ring(tenant.data_key)))

    def without_earlier_data_keys(self, tenant: Tenant) -> bytes:
        """The tenant's ring with its newest data key alone, once nothing is sealed under the others."""
        return envelope.pack_ring(envelope.unpack_ring(tenant.data_key)[:1])

    def is_rotating(self, tenant: Tenant) -> bool:
        """Whether a rotation of the tenant's data key was begun and not ended."""
        return len(envelope.unpack_ring(tenant.data_key)) > 1

    def new_content_key(self, tenant: Tenant) -> bytes:
        """A fresh key for the tenant's kept content, wrapped under its newest data key. Raises ``Sealed``."""
        ring = self._ring(tenant)
        return content.wrap(ring.newest, ring.keys[ring.newest], content.new_key(), tenant.id)

    def content_key(self, tenant: Tenant, wrapped: bytes) -> bytes:
        """The tenant's content key, to seal or open with ``vault.content``.

        Raises ``Unopenable`` when it was altered, moved or shredded, ``Sealed`` as opening a credential does.
        """
        key = self._ring(tenant).keys.get(content.key_id_of(wrapped))
        if key is None:
            raise Unopenable
        return content.unwrap(key, wrapped, tenant.id)

    def rewrapped_content_key(self, tenant: Tenant, wrapped: bytes) -> bytes:
        """The same content key, wrapped under the tenant's newest data key."""
        ring = self._ring(tenant)
        return content.wrap(ring.newest, ring.keys[ring.newest], self.content_key(tenant, wrapped), tenant.id)

    def rotating_keys(self) -> FileKeys | None:
        """The key file, where that is the source: its keys are rotated by us. Raises ``Sealed``."""
        source = self._source()
        return source if isinstance(source, FileKeys) else None

    def rewrapped(self, tenant: Tenant) -> bytes:
        """The tenant's ring with every data key wrapped by the current key-encryption key."""
        return self._rewrap(tenant.data_key, lambda key_id: envelope.data_key_context(tenant.id, key_id))

    def seal_second_factor(self, secret: Secret, *, tenant_id: TenantId, name: str) -> bytes:
        """Wrap an administrator's secret of one-time codes by the key-encryption key, for this owner alone.

        Asks a remote key source, as ``open_second_factor`` does: call it in a thread. Raises ``Sealed``.
        """
        if self._kek is None:
            raise Sealed("the vault has no key-encryption key")
        context = envelope.second_factor_context(tenant_id, name)
        with secret.revealed() as text:
            wrapped = self._kek.wrap(text.encode(), context=context)
        key_id = os.urandom(envelope.KEY_ID_BYTES)
        return envelope.pack_ring((WrappedKey(key_id=key_id, kek=wrapped.name, wrapped=wrapped.sealed),))

    def open_second_factor(self, sealed: bytes, *, tenant_id: TenantId, name: str) -> Secret:
        """The secret of one-time codes; raises ``Unopenable`` when altered or another's, and ``Sealed``."""
        if self._kek is None:
            raise Sealed("the vault has no key-encryption key")
        kept = envelope.unpack_ring(sealed)[0]
        context = envelope.second_factor_context(tenant_id, name)
        return Secret(self._kek.unwrap(kept.wrapped, name=kept.kek, context=context).decode())

    def rewrapped_second_factor(self, sealed: bytes, *, tenant_id: TenantId, name: str) -> bytes:
        """An administrator's secret of one-time codes, wrapped by the current key-encryption key."""
        context = envelope.second_factor_context(tenant_id, name)
        return self._rewrap(sealed, lambda _key_id: context)

    def forget(self, tenant_id: TenantId) -> None:
        """Wipe the data keys held for a tenant that is gone; for any other they are asked for again."""
        ring = self._rings.pop(tenant_id, None)
        if ring is not None:
            ring.wipe()

    def forget_ended(self) -> None:
        """Wipe the data keys whose time is over; for a process that holds no policy to compare with."""
        for tenant_id, ring in list(self._rings.items()):
            if self._clock() >= ring.held_until:
                self.forget(tenant_id)

    def keep_only(self, tenants: Mapping[TenantId, Tenant]) -> None:
        """Wipe the data keys of tenants that have none any more, earlier rings, and those whose time is over.

        An earlier ring that was unlocked just now is left: a call decided on the policy before is about to
        use it.
        """
        unlocked_lately = self._clock() + DATA_KEY_HELD_S - JUST_UNLOCKED_S
        for tenant_id, ring in list(self._rings.items()):
            tenant = tenants.get(tenant_id)
            if tenant is None or not tenant.data_key:
                self.forget(tenant_id)
            elif ring.held_until < unlocked_lately:
                self._held(tenant)

    async def unlock(self, tenant: Tenant) -> None:
        """Hold the tenant's data keys ready; asks a remote key source in a thread. Raises as opening does.

        Calls that come at once ask the source once.
        """
        if self._held(tenant) is not None:
            return
        if self._source().local:
            self._ring(tenant)
            return
        asked = (tenant.id, tenant.data_key)
        pending = self._unlocking.get(asked)
        if pending is None:
            pending = self._unlocking[asked] = create_task(self._ask(tenant))
            pending.add_done_callback(lambda _done: self._unlocking.pop(asked, None))
        # Shielded, because a caller that gives up must not take the key away from the others.
        await shield(pending)

    async def _ask(self, tenant: Tenant) -> None:
        self._rings[tenant.id] = await to_thread(self._unwrap, tenant)

    def _source(self) -> KeyEncryptionKey:
        if self._kek is None:
            raise Sealed("the vault has no key-encryption key")
        return self._kek

    def _ring(self, tenant: Tenant) -> "_OpenRing":
        held = self._held(tenant)
        if held is None:
            if not self._source().local:
                raise Sealed("the data key of this tenant is not held; unlock it first")
            held = self._rings[tenant.id] = self._unwrap(tenant)
        return held

    def _held(self, tenant: Tenant) -> "_OpenRing | None":
        ring = self._rings.get(tenant.id)
        if ring is None:
            return None
        if ring.wrapped != tenant.data_key or self._clock() >= ring.held_until:
            del self._rings[tenant.id]
            ring.wipe()
            return None
        return ring

    def _unwrap(self, tenant: Tenant) -> "_OpenRing":
        source = self._source()
        keys: dict[bytes, bytearray] = {}
        wrapped_keys = envelope.unpack_ring(tenant.data_key)
        for item in wrapped_keys:
            context = envelope.data_key_context(tenant.id, item.key_id)
            keys[item.key_id] = bytearray(source.unwrap(item.wrapped, name=item.kek, context=context))
        return _OpenRing(tenant.data_key, wrapped_keys[0].key_id, keys, self._clock() + DATA_KEY_HELD_S)

    def _rewrap(self, ring: bytes, context_of: Callable[[bytes], bytes]) -> bytes:
        source = self._source()
        keys = []
        for item in envelope.unpack_ring(ring):
            context = context_of(item.key_id)
            plain = source.unwrap(item.wrapped, name=item.kek, context=context)
            wrapped = source.wrap(plain, context=context)
            keys.append(WrappedKey(key_id=item.key_id, kek=wrapped.name, wrapped=wrapped.sealed))
        return envelope.pack_ring(tuple(keys))

    def _wrap_new(self, tenant_id: TenantId) -> WrappedKey:
        key_id = os.urandom(envelope.KEY_ID_BYTES)
        context = envelope.data_key_context(tenant_id, key_id)
        wrapped = self._source().wrap(os.urandom(KEY_BYTES), context=context)
        return WrappedKey(key_id=key_id, kek=wrapped.name, wrapped=wrapped.sealed)

    def _refuse_rollback(self, credential: Credential) -> None:
        """A version older than one already seen is a row that somebody put back, once the overlap is over."""
        seen = self._newest.get(credential.id)
        if seen is None or credential.version > seen[0]:
            self._newest[credential.id] = (credential.version, self._clock())
        elif credential.version < seen[0] and self._clock() - seen[1] > VERSION_OVERLAP_S:
            raise Unopenable

    def __repr__(self) -> str:
        return f"<Vault {'sealed' if self.sealed else 'open'}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a vault is not pickled")


class _OpenRing:
    """A tenant's data keys in the clear, for as long as they are held."""

    __slots__ = ("held_until", "keys", "newest", "wrapped")

    def __init__(
        self, wrapped: bytes, newest: bytes, keys: dict[bytes, bytearray], held_until: float
    ) -> None:
        self.wrapped = wrapped
        self.newest = newest
        self.keys = keys
        self.held_until = held_until

    def wipe(self) -> None:
        for key in self.keys.values():
            key[:] = bytes(len(key))

    def __repr__(self) -> str:
        return "<data keys>"
