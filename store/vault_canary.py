"""The isolation canary at the vault: either synthetic tenant's sealed credential, opened as the other would.

The envelopes are sealed under the instance's real key-encryption key, and never stored.
"""

from asyncio import to_thread
from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from policy.identifiers import TenantId
from policy.snapshot import Credential, Tenant
from store.canary import Attempt, Breach, CannotTry
from store.canary_rows import Rows
from vault.envelope import Binding
from vault.errors import NotBound, Sealed, Unopenable
from vault.secret import Secret
from vault.vault import Vault


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A synthetic tenant with a data key, and its credential in an envelope."""

    tenant: Tenant
    credential: Credential

    @property
    def host(self) -> str:
        return self.credential.hosts[0]


class VaultCanary:
    """Give its ``attack`` to ``store.canary.Canary``."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealed: dict[TenantId, _Sealed] = {}

    async def attack(self, own: Rows, target: Rows) -> Attempt:
        """Try to open the target's envelope in every wrong way; ``CannotTry`` where the right one fails."""
        try:
            mine, theirs = await self._of(own), await self._of(target)
            if not await self._opens(theirs.tenant, theirs.credential, theirs.host):
                raise CannotTry("the vault does not open what it has sealed")
            attempts = list(wrong_ways(mine, theirs))
            opened = [
                what
                for what, tenant, credential, host in attempts
                if await self._opens(tenant, credential, host)
            ]
        except Sealed as error:
            raise CannotTry(f"the vault is closed: {error}") from error
        finally:
            for rows in (own, target):
                self._vault.forget(rows.tenant_id)
        return Attempt(len(attempts), tuple(Breach("vault", f"opened {what}") for what in opened))

    async def _of(self, rows: Rows) -> _Sealed:
        known = self._sealed.get(rows.tenant_id)
        if known is None:
            known = self._sealed[rows.tenant_id] = await self._seal(rows)
        return known

    async def _seal(self, rows: Rows) -> _Sealed:
        data_key = await to_thread(self._vault.new_data_key, rows.tenant_id)
        tenant = Tenant(
            rows.tenant_id, rows.name, "platform", ZoneInfo("UTC"), enabled=True, data_key=data_key
        )
        credential = Credential(
            rows.credential_id,
            rows.tenant_id,
            "canary",
            rows.name,
            (rows.host,),
            version=1,
            envelope=b"",
            revoked=False,
        )
        await self._vault.unlock(tenant)
        envelope = self._vault.seal_credential(tenant, Binding.of(credential), Secret(rows.name))
        return _Sealed(tenant, replace(credential, envelope=envelope))

    async def _opens(self, tenant: Tenant, credential: Credential, host: str) -> bool:
        try:
            await self._vault.unlock(tenant)
            self._vault.open_credential(tenant, credential, host=host)
        except (Unopenable, NotBound):
            return False
        return True


def wrong_ways(mine: _Sealed, theirs: _Sealed) -> Iterator[tuple[str, Tenant, Credential, str]]:
    """What is tried, the tenant, the credential and the host with which to open it."""
    own, other = mine.tenant, theirs.tenant
    moved = replace(theirs.credential, tenant_id=own.id)
    stolen_key = replace(own, data_key=other.data_key)
    yield "the other's envelope as it is", own, theirs.credential, theirs.host
    yield "the other's envelope as one's own", own, moved, theirs.host
    yield "the other's envelope as one's own, with the other's wrapped key", stolen_key, moved, theirs.host
    yield "one's own envelope with the other's wrapped key", stolen_key, mine.credential, mine.host
    for which, holder, row, foreign in (
        ("one's own", own, mine.credential, theirs.credential.envelope),
        ("the other's", other, theirs.credential, mine.credential.envelope),
    ):
        yield f"{which} row with the envelopes swapped", holder, replace(row, envelope=foreign), row.hosts[0]
    bound = replace(theirs.credential, hosts=mine.credential.hosts)
    yield "the other's envelope under another host", other, bound, mine.host
    yield "an envelope for a host it is not bound to", other, theirs.credential, mine.host
    renamed = replace(theirs.credential, id=mine.credential.id)
    yield "the other's envelope under another credential", other, renamed, theirs.host
    later = replace(theirs.credential, version=2)
    yield "the other's envelope under another version", other, later, theirs.host
