"""The secrets of one-time codes at rest, through the vault, whose key source may be far away: in a thread.

Who may open one: the console, at a sign-in. It needs the key-encryption key and the administrator's row.
"""

from asyncio import to_thread

from policy.identifiers import TenantId
from vault.errors import Sealed
from vault.secret import Secret
from vault.vault import Vault


class SecondFactors:
    """Seals and opens. While the vault is sealed both raise ``Sealed``, and nobody signs in."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def check_open(self) -> None:
        """Raise ``Sealed`` when no secret could be opened."""
        if self._vault.sealed:
            raise Sealed("the vault has no key-encryption key")

    async def seal(self, secret: Secret, *, tenant_id: TenantId, name: str) -> bytes:
        """What ``administrator.totp_secret`` stores. It opens for this tenant and sign-in name alone."""
        return await to_thread(self._vault.seal_second_factor, secret, tenant_id=tenant_id, name=name)

    async def open(self, sealed: bytes, *, tenant_id: TenantId, name: str) -> Secret:
        """The base32 secret; raises ``Unopenable`` when it was altered or moved from another row."""
        return await to_thread(self._vault.open_second_factor, sealed, tenant_id=tenant_id, name=name)
